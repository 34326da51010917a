"""Run rpmbuild: a private tree, nothing of the user's macros, and the same bytes from the same input.

Nothing may touch the files on their way into the package: strip would take off a module's signature.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Union

from kpatch.errors import BadInput, RunError
from kpatch.log import logger
from kpatch.run import run

__all__ = ["BuiltRpms", "Source", "place", "rpmbuild", "source_date"]

Source = Union[Path, bytes]

_MACROS = {
    "debug_package": "%{nil}",
    "__os_install_post": "%{nil}",
    "_build_id_links": "none",
    "_buildhost": "kpatch",
    "_source_filedigest_algorithm": "8",  # SHA-256
    "_binary_filedigest_algorithm": "8",
    "_source_payload": "w6.xzdio",  # the newest that every rpm since EL6 reads
    "_binary_payload": "w6.xzdio",
    "use_source_date_epoch_as_buildtime": "1",
    "clamp_mtime_to_source_date_epoch": "1",
    "source_date_epoch_from_changelog": "0",
    "optflags": "%{nil}",
}


@dataclass(frozen=True)
class BuiltRpms:
    """What one run of rpmbuild wrote; the package that the spec is named after comes first."""

    rpms: tuple[Path, ...]
    srpm: Path

    @property
    def rpm(self) -> Path:
        """The (first) binary package."""
        return self.rpms[0]


def source_date(inputs: Iterable[Path]) -> int:
    """The build time in seconds: ``SOURCE_DATE_EPOCH``, or when the newest input was made."""
    wanted = os.environ.get("SOURCE_DATE_EPOCH", "")
    if wanted:
        if not wanted.isdigit():
            raise BadInput(f"SOURCE_DATE_EPOCH is {wanted!r}, not a number of seconds")
        return int(wanted)
    return max((int(path.stat().st_mtime) for path in inputs), default=0)


def rpmbuild(
    name: str,
    spec: str,
    sources: Mapping[str, Source],
    out: Path,
    epoch: int,
    arch: str | None = None,
    macros: Mapping[str, str] | None = None,
) -> BuiltRpms:
    """Build the spec text ``spec`` of package ``name`` with ``sources`` (file name -> file or content) into ``out``.

    ``epoch`` is the build time (seconds), ``arch`` rpm's name of the target machine (default: the spec's BuildArch).
    Raises :class:`RunError` with rpmbuild's last words when it fails; ``out`` is changed only on success.
    """
    with tempfile.TemporaryDirectory(prefix="kpatch-rpm-") as top_name:
        top = Path(top_name)
        for folder in ("SOURCES", "SPECS", "BUILD", "RPMS", "SRPMS", "db", "tmp"):
            (top / folder).mkdir()
        for file_name, content in sources.items():
            _add_source(top / "SOURCES" / file_name, content, epoch)
        spec_file = top / "SPECS" / f"{name}.spec"
        spec_file.write_text(spec, encoding="utf-8")
        os.utime(spec_file, (epoch, epoch))
        defines = {
            **_MACROS,
            "_topdir": str(top),
            "_dbpath": str(top / "db"),
            "_tmppath": str(top / "tmp"),
            **(macros or {}),
        }
        argv = ["rpmbuild", "-ba", *(["--target", f"{arch}-linux"] if arch else [])]
        for key, value in defines.items():
            argv += ["--define", f"{key} {value}"]
        logger.debug("rpmbuild of %s", name)
        env = {"HOME": str(top), "SOURCE_DATE_EPOCH": str(epoch)}
        done = run([*argv, spec_file], cwd=top, env=env, check=False)
        if done.returncode:
            raise _failure(name, done.stderr)
        return _collect(name, top, out)


def _failure(name: str, words: str) -> RunError:
    """rpmbuild's first and last words; its command line, all macros, is in the debug log."""
    lines = words.strip().splitlines()
    said = "\n".join(lines[:3] + lines[3:][-5:])
    full = "No space left" in words
    hint = f"free some space in {tempfile.gettempdir()}, or set TMPDIR" if full else "the reason stands above"
    return RunError(f"rpmbuild cannot build {name}:\n{said}", hint)


def _add_source(path: Path, content: Source, epoch: int) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        shutil.copyfile(content, path)
    path.chmod(0o644)
    os.utime(path, (epoch, epoch))


def _collect(name: str, top: Path, out: Path) -> BuiltRpms:
    """Bring the packages under ``top`` to ``out``."""
    rpms = sorted(top.glob("RPMS/*/*.rpm"), key=lambda path: (not path.name.startswith(f"{name}-"), len(path.name)))
    (srpm,) = top.glob("SRPMS/*.src.rpm")
    out.mkdir(parents=True, exist_ok=True)
    return BuiltRpms(tuple(place(path, out / path.name) for path in rpms), place(srpm, out / srpm.name))


def place(source: Path, target: Path) -> Path:
    """Copy ``source`` to ``target`` so that ``target`` is the old file or all of the new one; returns ``target``."""
    handle, beside_name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    beside = Path(beside_name)
    try:
        with os.fdopen(handle, "wb") as output, source.open("rb") as content:
            shutil.copyfileobj(content, output)
            output.flush()
            os.fsync(output.fileno())
        shutil.copystat(source, beside)
        beside.chmod(0o644)
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return target
