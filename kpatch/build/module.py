"""Links the differ's objects, the glue and what modpost generates into a module, without make.

Uses ``ld``, the kernel's ``modpost`` and, when the shortcut does not fit, the compiler.  The same
input gives the same module, bit for bit.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kpatch.build.glue import CHECKSUM_PLACE, NAME_PLACE, Glue
from kpatch.elf.object import ElfObject
from kpatch.errors import BadInput, RunError
from kpatch.log import logger

__all__ = ["ModuleParts", "check_name", "default_name", "link_module", "publish"]

_NAME_MAX = 55 - len("kpatch-")
"""``struct module.name`` holds 56 bytes (MODULE_NAME_LEN on 64 bit)."""
_VERSION_NAME_MAX = 56
_VERSION = struct.Struct(f"<Q{_VERSION_NAME_MAX}s")
"""``struct modversion_info`` (include/linux/module.h, 64 bit)."""
_VERSION_LINE = re.compile(r'^\t\{ 0x([0-9a-f]{1,8}), "(\w+)" \},$')
_DEPENDS_LINE = re.compile(r'^MODULE_INFO\(depends, "([^"]*)"\);$')


@dataclass(frozen=True)
class ModuleParts:
    """``first``, ``middle`` and ``last``: our own objects in link order; ``functions``: how many entries."""

    name: str
    first: ElfObject
    middle: Sequence[ElfObject]
    last: ElfObject
    functions: int
    checksum: str


def check_name(name: str) -> str:
    """``name`` when a module and a package can be called so. Raises :class:`BadInput`."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) or len(name) > _NAME_MAX:
        raise BadInput(
            f"{name!r} cannot be the name of a hot patch",
            f"use letters, digits, '-' and '_', at most {_NAME_MAX} characters (-n NAME)",
        )
    return name


def default_name(file_name: str) -> str:
    """What a hot patch is called after the file of its diff: git format-patch's names are longer than a module's."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", file_name.split(".")[0])
    return words.strip("-")[:_NAME_MAX].rstrip("-")


def link_module(parts: ModuleParts, glue: Glue, work: Path) -> Path:
    """Link ``kpatch-<name>.ko`` in ``work`` and return its path.

    Raises :class:`RunError` with the program's own words when a symbol stays undefined.
    """
    work.mkdir(parents=True, exist_ok=True)
    objects: list[Path] = []
    for number, obj in enumerate((parts.first, *parts.middle, parts.last)):
        path = work / f"part-{number}.o"
        path.write_bytes(obj.to_bytes())
        objects.append(path)
    for path in glue.objects(parts.functions):
        objects.append(work / path.name)
        objects[-1].write_bytes(path.read_bytes().replace(CHECKSUM_PLACE.encode(), parts.checksum.encode()))
    stem = f"kpatch-{parts.name}"
    whole = work / f"{stem}.o"
    tools = glue.tree.tools
    # By name: ld 2.35 calls objects without a file symbol by the path that it is given.
    tools.run(["ld", "-r", "-o", whole.name, *(path.name for path in objects)], cwd=work)
    _modpost(whole, glue, work)
    _make_mod_object(stem, glue, work)
    argv = [word.replace("@DIR@", str(work)).replace(NAME_PLACE, stem) for word in glue.recorded.link]
    tools.run(argv, cwd=glue.tree.path)
    return work / f"{stem}.ko"


def _modpost(whole: Path, glue: Glue, work: Path) -> None:
    """Resolve what the module imports: writes ``kpatch-NAME.mod.c`` with versions and dependencies."""
    # modpost looks for CRCs of exported symbols beside each object that these list; there are none.
    (work / f"{whole.stem}.mod").write_text(f"{whole}\n")
    (work / f".{whole.name}.cmd").write_text("\n")
    argv: list[str | Path] = [*glue.recorded.modpost, "-i", glue.tree.symvers]
    argv += ["-i", glue.core_symvers] if glue.core_symvers else []
    done = glue.tree.tools.run([*argv, "-o", work / "Module.symvers", whole], cwd=glue.tree.path, check=False)
    if done.returncode != 0:
        raise RunError(
            f"the module does not fit this kernel:\n{done.stderr.strip()}",
            "a symbol that this kernel does not export is used in a way that cannot be resolved",
        )
    if done.stderr.strip():
        logger.debug("modpost: %s", done.stderr.strip())


def _make_mod_object(stem: str, glue: Glue, work: Path) -> None:
    """``kpatch-NAME.mod.o``: from the cached template where only names and versions differ, else compiled."""
    text = (work / f"{stem}.mod.c").read_text("utf-8")
    obj = _from_template(text, glue, stem.replace("-", "_"))
    if obj is not None:
        (work / f"{stem}.mod.o").write_bytes(obj.to_bytes())
        return
    logger.debug("modpost's output has another shape than the template's: compiling it")
    commands = [[_renamed(word, stem) for word in argv] for argv in glue.recorded.mod_compile]
    glue.run_recorded(commands, work)


def _renamed(word: str, stem: str) -> str:
    """A word of the template's command for the module ``stem``: paths keep '-', names of modules do not."""
    return word.replace(NAME_PLACE, stem if "@DIR@" in word else stem.replace("-", "_"))


@dataclass(frozen=True)
class _ModSource:
    """A ``.mod.c`` taken apart: what differs between two modules, and the rest."""

    versions: tuple[tuple[int, str], ...]
    depends: str
    rest: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> _ModSource:
        versions, rest, depends = [], [], ""
        for line in text.splitlines():
            version, needs = _VERSION_LINE.match(line), _DEPENDS_LINE.match(line)
            if version:
                versions.append((int(version[1], 16), version[2]))
            elif needs:
                depends = needs[1]
            else:
                rest.append(line)
        return cls(tuple(versions), depends, tuple(rest))


def _from_template(text: str, glue: Glue, name: str) -> ElfObject | None:
    """The template's object with this module's name, versions and dependencies; None when that is not enough."""
    wanted = _ModSource.parse(text)
    known = _ModSource.parse(glue.template_mod_source.read_text("utf-8"))
    if wanted.rest != known.rest or any(len(symbol) >= _VERSION_NAME_MAX for _, symbol in wanted.versions):
        return None
    obj = ElfObject.read(glue.template_mod_object)
    this, info, versions = (obj.section(n) for n in (".gnu.linkonce.this_module", ".modinfo", "__versions"))
    if this is None or info is None or (versions is None) != (not wanted.versions):
        return None
    old, new = NAME_PLACE.encode() + b"\0", name.encode() + b"\0"
    if this.data.count(old) != 1 or info.data.count(b"name=" + old) != 1:
        return None
    this.data = this.data.replace(old, new.ljust(len(old), b"\0"))
    info.data = info.data.replace(b"name=" + old, b"name=" + new)
    info.data = info.data.replace(
        b"depends=" + known.depends.encode() + b"\0", b"depends=" + wanted.depends.encode() + b"\0"
    )
    info.size = len(info.data)
    if versions is not None:
        if len(versions.data) != _VERSION.size * len(known.versions):
            return None
        versions.data = b"".join(_VERSION.pack(crc, symbol.encode()) for crc, symbol in wanted.versions)
        versions.size = len(versions.data)
    # Local symbols of the strings and of the table: their places and sizes are those of the template.
    obj.symbols = [
        symbol for symbol in obj.symbols if symbol.section not in (info, versions) or symbol.section is None
    ]
    return obj


def publish(module: Path, target: Path) -> None:
    """Copy ``module`` beside ``target`` and rename it there, so that nobody sees half of it.

    Raises OSError that names ``target``.
    """
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with open(module, "rb") as source, open(beside, "wb") as file:
            shutil.copyfileobj(source, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(target)) from error
        raise
