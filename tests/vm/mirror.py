"""Debian systems from this machine's own mirror: apt's sources and options as this machine has them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = ["OWN_SUITE", "debootstrap"]

OWN_SUITE = "bookworm"
"""The suite of the machine that runs the tests; others are reached by the same mirror."""

_LEFT_OUT = ("doc", "man", "locale", "info")


def debootstrap(suite: str, packages: Sequence[str], target: Path, work: Path, *options: str) -> None:
    """Install ``packages`` of ``suite`` with mmdebstrap into ``target``, a new directory or a .tar file.

    ``work`` is an existing directory for apt's sources and options; ``options`` are more of mmdebstrap's.
    """
    sources, apt_options = work / "sources", work / "options"
    sources.write_text("".join(f"{line}\n" for line in _sources(suite)))
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries")
    lines = [line for line in _run("apt-config", "dump").splitlines() if line.startswith(wanted)]
    apt_options.write_text("".join(f"{line}\n" for line in lines))
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT]
    include = f"--include={','.join(packages)}"
    argv = ["mmdebstrap", "--quiet", "--mode=root", include, *left_out, f"--aptopt={apt_options}", *options]
    _run(*argv, suite, target, sources)


def _sources(suite: str) -> list[str]:
    """Lines for sources.list: all of this machine's own suite, or the main archive of another one."""
    fields = "$(CREATED_BY)|$(ORIGIN)|$(CODENAME)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
    listed = (line.split("|") for line in _run("apt-get", "indextargets", "--format", fields).splitlines())
    own = {
        (codename, uri, release, component)
        for created, origin, codename, uri, release, component in listed
        if created == "Packages" and origin == "Debian" and codename.split("-")[0] == OWN_SUITE
    }
    if suite == OWN_SUITE:
        return sorted(f"deb {uri} {release} {component}" for _, uri, release, component in own)
    return sorted({f"deb {uri} {suite} main" for codename, uri, _, _ in own if codename == OWN_SUITE})


def _run(*argv: str | Path) -> str:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1800)
    command = " ".join(str(arg) for arg in argv)
    assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout
