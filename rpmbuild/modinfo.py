"""What a kernel module says of itself: its ``.modinfo`` section (docs/module-format.md)."""

from __future__ import annotations

from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from kpatch.errors import BadInput

__all__ = ["check_kernel", "internal_name", "read_modinfo"]

_MACHINE = {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64", "ppc64le": "EM_PPC64", "s390x": "EM_S390"}


def read_modinfo(path: Path, arch: str | None = None) -> dict[str, str]:
    """The key=value pairs of the module at ``path``; the first one wins.

    Raises :class:`BadInput` when the file is no kernel module, or not one for ``arch`` (rpm's name).
    """
    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            section = elf.get_section_by_name(".modinfo")
            data: bytes = section.data() if section is not None else b""
            machine = str(elf["e_machine"])
    except FileNotFoundError as error:
        raise BadInput(f"there is no module {path}") from error
    except (ELFError, ValueError, KeyError) as error:
        raise BadInput(f"{path} is no kernel module: {error}", "give the .ko file that kpatch-build wrote") from error
    if not data:
        raise BadInput(f"{path} is no kernel module: it has no .modinfo section", "give a linked .ko file")
    if arch in _MACHINE and machine != _MACHINE[arch]:
        raise BadInput(f"{path} is a module for {machine}, but the kernel's packages are {arch}")
    pairs: dict[str, str] = {}
    for entry in data.split(b"\0"):
        key, equals, value = entry.decode("utf-8", "replace").partition("=")
        if equals:
            pairs.setdefault(key, value)
    return pairs


def internal_name(path: Path, info: dict[str, str]) -> str:
    """The name that /sys/module shows for the module at ``path``."""
    return info.get("name") or path.name.split(".ko")[0].replace("-", "_")


def check_kernel(path: Path, info: dict[str, str], release: str) -> None:
    """Raise :class:`BadInput` unless the module says that it is for the kernel ``release``."""
    wanted = info.get("kpatch_kernel") or info.get("vermagic", "").split(" ")[0]
    if wanted != release:
        raise BadInput(
            f"{path} is for kernel {wanted or '(none named)'}, not for {release}",
            f"package it with --kernel {wanted}" if wanted else "build it with kpatch-build",
        )
