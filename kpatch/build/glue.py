"""What every hot patch module of one kernel shares: the glue, the recorded link commands, the core module.

Made once per kernel and version of kmod/ by real external-module builds in the prepared tree, then
reused without make.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kpatch.build.stages import Progress
from kpatch.data import data_dir
from kpatch.elf import const as c
from kpatch.elf.object import ElfObject
from kpatch.errors import RunError
from kpatch.kernel.cache import locked, read_json, write_json
from kpatch.kernel.kbuild import COMPILE_FLAGS, objtool_args, split_commands
from kpatch.kernel.source import PreparedTree

__all__ = ["CHECKSUM_PLACE", "NAME_PLACE", "Glue", "build_core"]

CHECKSUM_PLACE = "0123456789abcdef" * 4
"""Stands for the checksum in the cached glue; as long as a SHA-256 in hexadecimal."""

NAME_PLACE = "kpatch_template".ljust(55, "_")
"""The module name in the cached ``.mod.o``, as long as names can be (MODULE_NAME_LEN)."""

_FORMAT = 2
_TRAMPOLINES = "trampolines.S"
_SOURCES = {"core": ("patch-hook.c", _TRAMPOLINES), "livepatch": ("livepatch-hook.c",)}
"""By interface: what is compiled into a module."""


def _sources_digest(directory: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(directory.iterdir()):
        if path.suffix in (".c", ".h", ".S") or path.name in ("Kbuild", "Makefile"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class _Recorded:
    """Commands of the template's build. Paths below its directory are written with ``@DIR@``."""

    compile: dict[str, list[list[str]]]
    modpost: list[str]
    mod_compile: list[list[str]]
    link: list[str]


class Glue:
    """The glue of one kernel for one ``interface``: "core" or "livepatch".

    ``include`` is kmod/patch, where patch authors' headers lie.  ``core_symvers``: what kpatch.ko exports,
    None when the module is not for it.
    """

    def __init__(self, tree: PreparedTree, core_symvers: Path | None, interface: str = "core") -> None:
        self.tree = tree
        self.sources = _SOURCES[interface]
        self.include = Path(data_dir("kmod")) / "patch"
        self.home = tree.home / "glue" / f"{_FORMAT}-{interface}-{_sources_digest(self.include)}"
        self.core_symvers = core_symvers
        self._recorded: _Recorded | None = None

    @property
    def recorded(self) -> _Recorded:
        """The recorded commands; builds the template module when there are none."""
        if self._recorded is None:
            place = self.home / "commands.json"
            value = read_json(place)
            if value is None:
                with locked(self.tree.lock, "builds the glue of hot patch modules"):
                    value = read_json(place)
                    if value is None:
                        value = self._build_template()
                        write_json(place, value)
            self._recorded = _Recorded(**value)
        return self._recorded

    @property
    def template_mod_source(self) -> Path:
        """The ``.mod.c`` that modpost wrote for the template."""
        return self.home / "template" / f"{NAME_PLACE}.mod.c"

    @property
    def template_mod_object(self) -> Path:
        """The object compiled from it."""
        return self.home / "template" / f"{NAME_PLACE}.mod.o"

    def _build_template(self) -> dict[str, object]:
        directory = self.home / "template"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self._place_sources(directory, 1)
        objects = " ".join(posixpath.splitext(name)[0] + ".o" for name in self.sources)
        (directory / "Kbuild").write_text(f"obj-m := {NAME_PLACE}.o\n{NAME_PLACE}-y := {objects}\n")
        options = [f"KCFLAGS={COMPILE_FLAGS}", *objtool_args(self.tree), "KBUILD_MODPOST_WARN=1"]
        args = [f"M={directory}", *options, "modules"]
        self.tree.tools.run(["make", "-s", *self.tree.make_args(), *args], cwd=self.tree.path)
        compile_commands = {
            name: self._read_commands(directory, posixpath.splitext(name)[0] + ".o") for name in self.sources
        }
        return {
            "compile": compile_commands,
            "modpost": self._read_modpost(directory),
            "mod_compile": self._read_commands(directory, f"{NAME_PLACE}.mod.o"),
            "link": self._read_link(directory),
        }

    def _read_link(self, directory: Path) -> list[str]:
        """The link of the ``.ko``; what all modules of a kernel have in common is taken from the template."""
        words = self._read_commands(directory, f"{NAME_PLACE}.ko", compiled=False)[0]
        shared = {f"@DIR@/{name}": str(directory / name) for name in (".module-common.o",)}
        return [shared.get(word, word) for word in words]

    def _read_line(self, directory: Path, name: str) -> str:
        text = (directory / f".{name}.cmd").read_text("utf-8")
        match = re.search(r"^(?:saved)?cmd_\S+ := (.*)$", text, re.MULTILINE)
        if not match:
            raise RunError(f"kbuild left no command that is understood in {directory}/.{name}.cmd")
        line = match[1].replace("$(pound)", "#").replace("$$", "$")
        return line.replace(str(directory), "@DIR@")

    def _read_commands(self, directory: Path, name: str, compiled: bool = True) -> list[list[str]]:
        commands = split_commands(self._read_line(directory, name), name, compiled=compiled)
        return [[_placed(word, directory) for word in argv] for argv in commands]

    def _read_modpost(self, directory: Path) -> list[str]:
        """modpost with its plain options; which files it reads and writes is ours to say."""
        line = self._read_line(directory, "Module.symvers")
        match = re.search(r"(\S*scripts/mod/modpost)((?: +\S+)*)", line)
        if not match:
            raise RunError(f"the command of modpost is not understood: {line}")
        words = iter(match[2].split())
        argv = [match[1]]
        for word in words:
            if word in ("-o", "-i", "-T", "-d"):
                next(words, None)
            elif word.startswith("-") and word not in ("-w", "-a", "-n"):
                argv.append(word)
        return argv

    def _place_sources(self, directory: Path, functions: int) -> None:
        for path in self.include.iterdir():
            if path.suffix in (".c", ".h", ".S"):
                shutil.copyfile(path, directory / path.name)
        (directory / "kpatch-params.h").write_text(
            f'#define KPATCH_NR_FUNCS {functions}\n#define KPATCH_CHECKSUM "{CHECKSUM_PLACE}"\n'
        )

    def objects(self, functions: int) -> list[Path]:
        """The glue's objects for a patch of ``functions`` entries; compiled when the cache lacks them.

        A patch of callbacks alone has no functions, and needs no trampolines.
        """
        recorded = self.recorded
        functions = functions if _TRAMPOLINES in self.sources else 0  # only trampolines are counted
        directory = self.home / f"functions-{functions}"
        sources = [name for name in self.sources if functions or name != _TRAMPOLINES]
        found = [directory / (posixpath.splitext(name)[0] + ".o") for name in sources]
        stamp = directory / "done.json"
        if read_json(stamp) is None:
            with locked(self.home / "lock", "compiles the glue of hot patch modules"):
                if read_json(stamp) is None:
                    self._compile_sources(recorded, directory, functions, sources)
                    write_json(stamp, {"format": _FORMAT})
        return found

    def _compile_sources(self, recorded: _Recorded, directory: Path, functions: int, sources: Sequence[str]) -> None:
        directory.mkdir(exist_ok=True)
        self._place_sources(directory, functions)
        for name in sources:
            self.run_recorded(recorded.compile[name], directory)
            path = directory / (posixpath.splitext(name)[0] + ".o")
            path.write_bytes(_linkable(ElfObject.read(path)).to_bytes())

    def run_recorded(self, commands: Sequence[Sequence[str]], directory: Path) -> None:
        """Run recorded ``commands`` with ``directory`` in the template's place."""
        for argv in commands:
            self.tree.tools.run([word.replace("@DIR@", str(directory)) for word in argv], cwd=self.tree.path)


def _placed(word: str, directory: Path) -> str:
    """A word of a command, as it is where make works in the kernel's tree: since 6.13 it works in the module's."""
    if word.startswith("-Wp,-MMD,./"):
        return word.replace("./", "@DIR@/", 1)
    return f"@DIR@/{word}" if (directory / word).is_file() and "/" not in word else word


def _linkable(obj: ElfObject) -> ElfObject:
    """``obj`` as it can be linked with the differ's objects into the same module everywhere.

    Debug information holds paths of this machine: the assembler adds it in spite of -g0.  gcc marks
    tables of function entries as ordered like their functions, which the differ's are not, and ld
    takes no mixture.
    """
    gone = {section for section in obj.sections if section.name.startswith(".debug")}
    obj.sections = [section for section in obj.sections if section not in gone]
    obj.symbols = [symbol for symbol in obj.symbols if symbol.section is None or symbol.section not in gone]
    for section in obj.sections:
        section.flags &= ~c.SHF_LINK_ORDER
        section.link = None
    return obj


def build_core(tree: PreparedTree, jobs: int, progress: Progress) -> Path:
    """The directory with ``kpatch.ko`` and its ``Module.symvers`` for this kernel, built once."""
    source = Path(data_dir("kmod")) / "core"
    headers = Path(data_dir("kmod")) / "patch"
    home = tree.home / "core" / f"{_sources_digest(source)}-{_sources_digest(headers)}"
    stamp = home / "done.json"
    if read_json(stamp) is None:
        with locked(tree.lock, "builds the core module"), progress("building the core module kpatch.ko"):
            if read_json(stamp) is None:
                shutil.rmtree(home, ignore_errors=True)
                shutil.copytree(source, home / "core")
                shutil.copytree(headers, home / "patch")
                args = [f"-j{jobs}", f"M={home / 'core'}", f"KCFLAGS={COMPILE_FLAGS}", "modules"]
                tree.tools.run(["make", "-s", *tree.make_args(), *args], cwd=tree.path)
                write_json(stamp, {"format": _FORMAT})
    return home / "core"
