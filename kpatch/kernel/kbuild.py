"""What the kernel's own build makes of its sources: evaluated by make itself, not guessed from text.

Two small makefiles include the kernel's: one gives the directories that are entered and what
each of them lists, the other compiles one object as kbuild does, which leaves its command line
in a ``.cmd`` file.  Both answers are kept in the kernel's cache directory.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kpatch.errors import BadInput, RunError
from kpatch.kernel.buildroot import Toolchain
from kpatch.kernel.cache import locked, read_json, write_json
from kpatch.kernel.source import PreparedTree

__all__ = [
    "COMPILE_FLAGS",
    "Directory",
    "Kbuild",
    "ObjectCommand",
    "objtool_args",
    "parse_command_file",
    "split_commands",
]

COMPILE_FLAGS = "-ffunction-sections -fdata-sections -g0"
"""Each function in a section of its own; debug information never changes code and is only slow."""

_OBJTOOL_ARGS = (
    "delay-objtool=",
    "objtool-args=$(filter-out --ibt --werror,$(objtool-args-y))$(if $(part-of-module), --module)",
)
"""What make is given for one object that is to be complete by itself.

Kernels with IBT run objtool only when all is linked (scripts/Makefile.lib).  Run on one object it gives the
same code and tables, except for what it must know all objects for: which functions need no ENDBR (--ibt).
"""

_OBJTOOL_STEP = "$(call cmd,objtool)"
"""In scripts/Makefile.build up to 5.15: objtool has a step of its own, which no ``.cmd`` file tells."""

_OBJTOOL_STEP_ARGS = (
    "kpatch-objtool=$(if $(__objtool_obj),$(if $(patsubst y%,,$(OBJECT_FILES_NON_STANDARD_$(basetarget).o)"
    "$(OBJECT_FILES_NON_STANDARD)n),; $(__objtool_obj) $(objtool_args) $@))",
    "cmd_cc_o_c=$(CC) $(c_flags) -c -o $@ $< $(kpatch-objtool)",
    "cmd_objtool=$(if $(filter %.S,$<),true $(kpatch-objtool))",
)
"""There objtool becomes a part of the compiler's command, as it is from 5.16 on."""

_FORMAT = 3

_AT_ONCE = 200
"""Directories in one run of make: the shell's command line is limited (128 KiB, MAX_ARG_STRLEN of Linux)."""

# The top makefile sets and exports what those of the directories use.
_TOP_MAKEFILE = """\
include Makefile
.PHONY: kpatch-show kpatch-object
kpatch-show:
	$(info ROOTS $(KBUILD_VMLINUX_OBJS) $(KBUILD_VMLINUX_LIBS))
	@$(foreach dir,$(KPATCH_DIRS),$(MAKE) -s -rR -f $(KPATCH_DIR_MAKEFILE) obj=$(dir) || echo FAILED $(dir);)
kpatch-object:
	@$(MAKE) -s $(build)=. need-builtin=1 need-modorder=1 $(KPATCH_OBJECT)
"""

# As scripts/Makefile.build begins, up to the directory's own file.
_DIR_MAKEFILE = """\
.PHONY: kpatch-show
kpatch-show:
	@:
src := $(obj)
obj-y :=
obj-m :=
lib-y :=
lib-m :=
subdir-y :=
subdir-m :=
include include/config/auto.conf
include scripts/Kbuild.include
-include scripts/Makefile.compiler
include $(firstword $(wildcard $(src)/Kbuild $(src)/Makefile))
kpatch-names := $(sort $(filter %-y %-m %-objs,$(.VARIABLES)))
$(foreach v,$(kpatch-names),$(if $(filter file override,$(origin $v)),$(info VAR $(obj) $v $($v))))
"""


def objtool_args(tree: PreparedTree) -> tuple[str, ...]:
    """What make is given in ``tree`` so that the command of an object makes it complete, objtool's tables included."""
    separate = _OBJTOOL_STEP in (tree.path / "scripts/Makefile.build").read_text("utf-8")
    return _OBJTOOL_STEP_ARGS if separate else _OBJTOOL_ARGS


@dataclass(frozen=True)
class Directory:
    """One directory's lists: ``variables`` maps ``obj-y``, ``proc-y``, ``kvm-objs`` ... to their words."""

    path: str
    variables: dict[str, list[str]]

    def words(self, name: str) -> list[str]:
        """The words of one list."""
        return self.variables.get(name, [])

    def members(self, target: str, modular: bool) -> list[str]:
        """The objects that ``target`` (``proc.o``) is linked from, itself when it is no composite."""
        stem = target[: -len(".o")]
        suffixes = ("-objs", "-y", "-m") if modular else ("-objs", "-y")
        parts = [word for suffix in suffixes for word in self.words(stem + suffix)]
        return parts or [target]

    def subdirs(self, name: str) -> set[str]:
        """Directories that the list ``name`` enters, relative to the top."""
        return {posixpath.normpath(posixpath.join(self.path, w)) for w in self.words(name) if w.endswith("/")}


@dataclass(frozen=True)
class ObjectCommand:
    """How kbuild makes one object: programs to run in turn in the top directory of the source.

    ``sources``: files that the compiler read, below the top directory.  ``module``: name of the
    module that it belongs to, None for vmlinux.  ``tools``: whose programs these are.
    """

    target: str
    commands: tuple[tuple[str, ...], ...]
    sources: frozenset[str]
    module: str | None
    tools: Toolchain

    @property
    def path(self) -> str:
        """The object's place below the top directory."""
        return posixpath.normpath(self.target)

    @property
    def source(self) -> str:
        """The file that is compiled."""
        return posixpath.normpath(self.commands[0][-1])


class Kbuild:
    """Answers questions about one prepared tree, from its cache where it can."""

    def __init__(self, tree: PreparedTree) -> None:
        self.tree = tree
        self._cache = tree.home / "kbuild.json"
        known = read_json(self._cache)
        if not isinstance(known, dict) or known.get("format") != _FORMAT:
            known = {"format": _FORMAT, "roots": None, "dirs": {}}
        self._known = known

    def roots(self) -> list[str]:
        """Directories whose built-in objects the kernel is linked from; ``.`` where one makefile enters all."""
        if self._known["roots"] is None:
            self.directories([])
        return [posixpath.normpath(posixpath.dirname(word)) for word in self._known["roots"]]

    def directory(self, path: str) -> Directory | None:
        """The lists of directory ``path`` (relative to the top), None when it has no makefile that stands alone."""
        return self.directories([path])[0]

    def directories(self, paths: Sequence[str]) -> list[Directory | None]:
        """The same for several directories in one run of make."""
        missing = [path for path in paths if path not in self._known["dirs"]]
        if missing or self._known["roots"] is None:
            for start in range(0, len(missing) or 1, _AT_ONCE):
                self._evaluate(missing[start : start + _AT_ONCE])
        lists = self._known["dirs"]
        return [None if lists[path] is None else Directory(path, lists[path]) for path in paths]

    def _evaluate(self, paths: Sequence[str]) -> None:
        dirs = self._known["dirs"]
        having = [path for path in paths if self._makefile(path)]
        dirs.update({path: None for path in paths if path not in having})
        output = self._make(["kpatch-show", f"KPATCH_DIRS={' '.join(having)}"])
        dirs.update({path: {} for path in having})
        failed = set()
        for line in output.splitlines():
            kind, _, rest = line.partition(" ")
            if kind == "ROOTS":
                self._known["roots"] = rest.split()
            elif kind == "VAR":
                path, name, *words = rest.split()
                dirs[path][name] = words
            elif kind == "FAILED":
                failed.add(rest)
        # A makefile that is only there to be included by another one, or for other configurations.
        dirs.update(dict.fromkeys(failed))
        if self._known["roots"] is None:
            raise RunError(f"the makefile of {self.tree.path} does not say what vmlinux is linked from")
        write_json(self._cache, self._known)

    def _makefile(self, path: str) -> Path | None:
        places = (self.tree.path / path / name for name in ("Kbuild", "Makefile"))
        return next((place for place in places if place.is_file()), None)

    def _make(self, args: Sequence[str]) -> str:
        scripts = self.tree.home / "bin"
        top, directory = scripts / "top.mk", scripts / "dir.mk"
        top.write_text(_TOP_MAKEFILE)
        directory.write_text(_DIR_MAKEFILE)
        options: list[str | Path] = [
            "make",
            "-s",
            "--no-print-directory",
            "-rR",
            "-f",
            top,
            f"KPATCH_DIR_MAKEFILE={directory}",
        ]
        return self.tree.tools.run([*options, *self.tree.make_args(), *args], cwd=self.tree.path).stdout

    def command(self, target: str) -> ObjectCommand:
        """How ``target`` (a path of an object, as kbuild spells it) is made; compiles it once to learn that.

        Raises :class:`RunError` with the compiler's message when it does not compile.
        """
        return self.commands([target])[0]

    def commands(self, targets: Sequence[str], jobs: int = 1) -> list[ObjectCommand]:
        """The same for several targets; those not known yet are compiled by one run of make."""
        values = {target: _current(self._kept(target)) for target in targets}
        if any(value is None for value in values.values()):
            with locked(self.tree.lock, "compiles in the prepared source"):
                values = {target: _current(self._kept(target)) for target in targets}
                missing = [target for target, value in values.items() if value is None]
                self._compile(missing, jobs)
                for target in missing:
                    values[target] = self._record(target)
                    write_json(self._kept(target), values[target])
        return [self._command(target, values[target]) for target in targets]

    def _command(self, target: str, value: Any) -> ObjectCommand:
        commands = tuple(tuple(argv) for argv in value["commands"])
        return ObjectCommand(target, commands, frozenset(value["sources"]), value["module"], self.tree.tools)

    def _kept(self, target: str) -> Path:
        return self.tree.home / "commands" / (target.replace("/", ",") + ".json")

    def _compile(self, targets: Sequence[str], jobs: int) -> None:
        if not targets:
            return
        options = [f"-j{jobs}", f"KCFLAGS={COMPILE_FLAGS}", *objtool_args(self.tree)]
        if "." in self.roots():
            self._make(["kpatch-object", f"KPATCH_OBJECT={' '.join(targets)}", *options])
        else:
            self.tree.tools.run(["make", "-s", *self.tree.make_args(), *options, *targets], cwd=self.tree.path)

    def _record(self, target: str) -> dict[str, Any]:
        place = self.tree.path / posixpath.normpath(target)
        text = _read_command_file(place.with_name(f".{place.name}.cmd"))
        commands, sources = parse_command_file(text, target)
        return {
            "format": _FORMAT,
            "commands": commands,
            "sources": sorted(sources),
            "module": module_of(commands[0]),
        }


def _current(path: Path) -> dict[str, Any] | None:
    """What is kept in ``path`` when it has the present format."""
    value = read_json(path)
    return value if isinstance(value, dict) and value.get("format") == _FORMAT else None


def _read_command_file(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise RunError(f"kbuild left no command in {path}: {error.strerror}") from error


def parse_command_file(text: str, target: str) -> tuple[list[list[str]], set[str]]:
    """The commands and the source files below the top directory in kbuild's ``.cmd`` file ``text``."""
    match = re.search(r"^(?:saved)?cmd_\S+ := (.*)$", text, re.MULTILINE)
    if not match:
        raise RunError(f"the .cmd file of {target} holds no command that is understood")
    # How kbuild quotes for make: scripts/Kbuild.include, make-cmd.
    line = match[1].replace("$(pound)", "#").replace("$$", "$")
    commands = split_commands(line, target)
    words = re.findall(r"[^\s\\]+", text[match.end() :])
    names = (word for word in words if re.search(r"\.([chS]|inc)$", word) and not word.startswith("/"))
    return commands, {posixpath.normpath(name) for name in names}


def split_commands(line: str, target: str, compiled: bool = True) -> list[list[str]]:
    """A shell line of plain programs joined by ``;`` as argument lists; with ``compiled`` the compiler comes first."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|<>()")
    lexer.whitespace_split = True
    lexer.commenters = ""
    commands: list[list[str]] = [[]]
    for token in lexer:
        if token == ";":
            commands.append([])
        elif token and set(token) <= set(";&|<>()"):
            raise RunError(f"the command of {target} is more than a list of programs: {token!r} in {line[-200:]!r}")
        else:
            commands[-1].append(token)
    commands = [argv for argv in commands if argv and argv != ["true"]]
    if not commands or (compiled and not {"-c", "-S"} & {*commands[0]}):
        raise BadInput(f"{target} is not made by a compiler: {line[:200]}")
    return commands


def module_of(argv: Iterable[str]) -> str | None:
    """The module that the compiler command is for, ``a:b`` when two share the object; None for the kernel proper.

    -DMODULE and KBUILD_MODNAME come from scripts/Makefile.lib.
    """
    words = list(argv)
    if "-DMODULE" not in words:
        return None
    names = [match[1] for word in words if (match := re.fullmatch(r'-DKBUILD_MODNAME="(.*)"', word))]
    if not names:
        raise RunError("the command of a module's object does not name the module (KBUILD_MODNAME)")
    return names[-1]
