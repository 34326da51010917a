"""The runtime package: the kpatch command, its service and the dnf plugins, from this checkout or installation."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from pathlib import Path

import kpatch
from kpatch.data import data_dir
from kpatch.errors import BadInput
from kpatch.run import run
from rpmbuild.build import BuiltRpms, rpmbuild, source_date

__all__ = ["build_runtime_rpms", "dnf_plugin_dir", "runtime_files"]

# The part of the Python package that runs on the patched machine (Python 3.6, standard library only).
_PYTHON = ("__init__.py", "errors.py", "log.py", "run.py", "data.py", "version.py")
_CLI = ("__init__.py", "main.py", "kpatch.py")
# data directory -> the files that the spec installs from it
_DATA = {
    "specs": (
        "kpatch.service",
        "kpatch-retry.service",
        "kpatch-retry.timer",
        "kpatch.spec",
        "kpatch.sh",
        "kpatch.bash-completion",
    ),
    "dnf-plugin": ("kpatch.py", "kpatch.conf", "kpatch.actions", "dnf.kpatch.8"),
    "docs": ("kpatch.1",),
}
# dnf's own notion of its plugin directory, or the one of the Python that will run it: where packages install, which
# is not the default (that is /usr/local) with the Python of Debian or Fedora.
_ASK_PYTHON = """
import os, sysconfig
try:
    import dnf.const
    print(dnf.const.PLUGINPATH)
except ImportError:
    scheme = [name for name in ("deb_system", "rpm_prefix") if name in sysconfig.get_scheme_names()]
    print(os.path.join(sysconfig.get_path("purelib", *scheme[:1]), "dnf-plugins"))
"""
_PYTHONS = ("/usr/libexec/platform-python", "/usr/bin/python3")


def runtime_files() -> dict[str, Path]:
    """Path in the source archive -> file; raises :class:`BadInput` naming everything that is missing."""
    package = Path(kpatch.__file__).parent
    files = {f"kpatch/{name}": package / name for name in _PYTHON}
    files.update({f"kpatch/cli/{name}": package / "cli" / name for name in _CLI})
    files.update({f"kpatch/host/{path.name}": path for path in sorted((package / "host").glob("*.py"))})
    for folder, names in _DATA.items():
        files.update({f"{folder}/{name}": Path(data_dir(folder)) / name for name in names})
    missing = [str(path) for path in files.values() if not path.is_file()]
    if missing:
        raise BadInput(f"the runtime package lacks {', '.join(missing)}", "build it from a complete checkout")
    return files


def dnf_plugin_dir() -> str:
    """Where dnf looks for plugins on this machine; the runtime package is for machines laid out like it."""
    python = next((path for path in _PYTHONS if Path(path).exists()), "python3")
    path = run([python, "-I", "-c", _ASK_PYTHON]).stdout.strip()
    if not re.fullmatch(r"/[A-Za-z0-9._+/-]+", path):
        raise BadInput(f"{python} names {path!r} as the directory of dnf plugins", "give it with --dnf-plugin-dir")
    return path


def build_runtime_rpms(out: Path, plugin_dir: str | None = None) -> BuiltRpms:
    """Build kpatch, kpatch-dnf and kpatch-dnf5 into ``out``; ``plugin_dir`` is dnf 4's plugin directory."""
    files = runtime_files()
    spec = files["specs/kpatch.spec"].read_text(encoding="utf-8")
    epoch = source_date(files.values())
    top = f"kpatch-{kpatch.__version__}"
    macros = {"kpatch_dnf_plugin_dir": plugin_dir or dnf_plugin_dir()}
    return rpmbuild("kpatch", spec, {f"{top}.tar.gz": _archive(top, files, epoch)}, out, epoch, macros=macros)


def _archive(top: str, files: dict[str, Path], epoch: int) -> bytes:
    """A .tar.gz of ``files`` under ``top``, the same bytes each time."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, path in sorted(files.items()):
            member = tarfile.TarInfo(f"{top}/{name}")
            content = path.read_bytes()
            member.size, member.mtime, member.mode = len(content), epoch, 0o644
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=epoch)
