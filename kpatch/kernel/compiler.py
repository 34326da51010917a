"""The compiler that built the kernel: found by name and version text, never guessed silently."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass

from kpatch.errors import BadInput
from kpatch.kernel.config import KernelConfig
from kpatch.log import logger
from kpatch.run import run

__all__ = ["Compiler", "find_compiler"]


@dataclass(frozen=True)
class Compiler:
    """``command``: what runs; ``version``: its first line of ``--version``."""

    command: str
    version: str


def _identity(version: str) -> str:
    """``gcc-12 (Debian 12.2.0-14) 12.2.0`` without the name that it was called by."""
    return version.partition(" ")[2].strip() or version


def _candidates(wanted: str) -> list[str]:
    name = wanted.partition(" ")[0].rpartition("/")[2]
    major = re.search(r"\) (\d+)\.", wanted)
    names = [name]
    if major:
        names.append(f"gcc-{major[1]}")
    return list(dict.fromkeys([*names, "gcc"]))


def find_compiler(config: KernelConfig, skip_check: bool = False) -> Compiler:
    """The compiler that ``CONFIG_CC_VERSION_TEXT`` names. Raises :class:`BadInput` when none fits.

    With ``skip_check`` another version is taken, with a warning: vendor match still judges its code.
    """
    wanted = config.get("CC_VERSION_TEXT")
    seen: list[Compiler] = []
    for name in _candidates(wanted):
        if shutil.which(name) is None:
            continue
        lines = run([name, "--version"]).stdout.splitlines()
        compiler = Compiler(name, lines[0].strip() if lines else "")
        if _identity(compiler.version) == _identity(wanted):
            return compiler
        seen.append(compiler)
    have = "; here: " + ", ".join(compiler.version for compiler in seen) if seen else "; no compiler is installed here"
    message = f"the kernel was built by {wanted or 'an unknown compiler'}{have}"
    if skip_check and seen:
        logger.warning("warning: %s: going on, vendor match will tell", message)
        return seen[0]
    raise BadInput(
        message,
        f"install {_candidates(wanted)[0]} from the distribution release that the kernel comes from "
        "(a chroot of it will do), or try --skip-compiler-check: vendor match still judges the code",
    )
