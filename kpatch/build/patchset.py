"""The user's diffs: read, judged, and applied to a private copy of the files that they touch.

Accepts what ``patch -p1`` accepts: output of diff, git and quilt.  Uses GNU ``patch``.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kpatch.errors import BadInput, RunError, Unchanged, Unpatchable
from kpatch.log import logger
from kpatch.run import run

__all__ = ["FileChange", "PatchedFiles", "apply_patches", "judge_path", "read_patch"]

_GIT = re.compile(r'^diff --git "?a/(.*?)"? "?b/(.*?)"?$')
_SHOWN_HUNK_LINES = 30


@dataclass(frozen=True)
class FileChange:
    """One file of one diff, relative to the top. ``old`` or ``new`` is None for a file that appears or goes."""

    old: str | None
    new: str | None


@dataclass(frozen=True)
class PatchedFiles:
    """``changed``: files whose contents differ; ``added``: files that the kernel did not have.

    ``top`` holds the patched ones, at their places below the source's top directory.
    """

    top: Path
    changed: tuple[str, ...]
    added: tuple[str, ...]

    @property
    def headers(self) -> tuple[str, ...]:
        """Changed files that are compiled only as part of others."""
        return tuple(name for name in self.changed if not name.endswith(".c"))

    @property
    def sources(self) -> tuple[str, ...]:
        """Changed files that may be objects of their own."""
        return tuple(name for name in self.changed if name.endswith(".c"))


def _strip(name: str, where: str) -> str | None:
    """The path of a ``---`` or ``+++`` line with one directory stripped; None for /dev/null."""
    name = name.split("\t")[0].strip().strip('"')
    if name == "/dev/null":
        return None
    _, slash, path = name.partition("/")
    if not slash or path.startswith("/") or ".." in path.split("/"):
        raise BadInput(
            f"{where}: the file name {name!r} cannot be taken from a -p1 diff",
            "make the diff from the directory above the source (diff -u a/... b/...) or with git diff",
        )
    return path


def read_patch(path: Path) -> list[FileChange]:
    """The files that the diff at ``path`` touches. Raises :class:`BadInput` when it is none, or is binary."""
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise BadInput(f"cannot read the patch {path}: {error.strerror}") from error
    changes = _git_renames(text, path) + _unified_changes(text, path)
    if not changes:
        raise BadInput(
            f"{path} is no unified diff: it has no '---' and '+++' lines",
            "give the output of diff -u, git diff, git format-patch or quilt",
        )
    return list(dict.fromkeys(changes))


def _git_renames(text: str, path: Path) -> list[FileChange]:
    """Renames, copies and mode changes of a git diff, which need not have hunks."""
    changes: list[FileChange] = []
    names: tuple[str, str] | None = None
    for line in text.splitlines():
        match = _GIT.match(line)
        if match:
            names = (match[1], match[2])
        elif names and (line.startswith("GIT binary patch") or re.match(r"Binary files .* differ$", line)):
            raise BadInput(f"{path}: {names[1]} is changed by a binary diff", "only source text can be hot patched")
        elif names and line.startswith(("rename from ", "copy from ")):
            changes.append(FileChange(_strip(f"a/{names[0]}", str(path)), _strip(f"b/{names[1]}", str(path))))
    if names is None and re.search(r"^Binary files \S+ and \S+ differ$", text, re.MULTILINE):
        raise BadInput(f"{path} holds a binary diff", "only source text can be hot patched")
    return changes


def _unified_changes(text: str, path: Path) -> list[FileChange]:
    changes: list[FileChange] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines) - 2:
        old, new, hunk = lines[at : at + 3]
        if old.startswith("--- ") and new.startswith("+++ ") and hunk.startswith("@@ "):
            where = f"{path}:{at + 1}"
            changes.append(FileChange(_strip(old[4:], where), _strip(new[4:], where)))
            at = _end_of_hunks(lines, at + 2)
        else:
            at += 1
    return changes


def _end_of_hunks(lines: Sequence[str], at: int) -> int:
    """Index behind the hunks that begin at ``at``: a removed line ``-- x`` looks like a file's header."""
    while at < len(lines):
        match = re.match(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@", lines[at])
        if not match:
            break
        old, new = int(match[1] or 1), int(match[2] or 1)
        at += 1
        while at < len(lines) and (old > 0 or new > 0):
            sign = lines[at][:1]
            old -= sign in (" ", "-", "")
            new -= sign in (" ", "+", "")
            at += 1
        while at < len(lines) and lines[at].startswith("\\"):
            at += 1
    return at


@dataclass(frozen=True)
class _Verdict:
    """What a path means: ``ignored`` (in no kernel) or refused for ``reason``."""

    pattern: re.Pattern[str]
    reason: str
    remedy: str


_NOT_BUILT = re.compile(
    r"^(Documentation|tools|scripts|samples|LICENSES|include/uapi/linux/README)/|(^|/)(MAINTAINERS|CREDITS|COPYING|README"
    r"|\.gitignore|\.mailmap|\.get_maintainer\.ignore)$|\.(rst|txt|md)$"
)

_REFUSED = (
    _Verdict(
        re.compile(r"(^|/)(vdso|vdso32|vsyscall)/|^lib/vdso/"),
        "vdso code runs in processes, mapped when they started",
        "such a change needs a new kernel and a reboot",
    ),
    _Verdict(
        re.compile(r"^arch/[^/]+/(boot|realmode|purgatory)/|^drivers/firmware/efi/libstub/|^usr/"),
        "this code runs before the kernel does, or in its place, never in it",
        "such a change needs a new kernel and a reboot",
    ),
    _Verdict(
        re.compile(r"\.lds(\.[hS])?$"),
        "the linker's script decides where everything lies, and would no longer be the shipped kernel's",
        "leave the change out",
    ),
    _Verdict(
        re.compile(r"\.(S|s)$"),
        "assembler code cannot be redirected: it has no call at its entry",
        "change the C function that calls it instead",
    ),
    _Verdict(
        re.compile(r"(^|/)Kconfig[^/]*$|(^|/)\.config$"),
        "the configuration decides what all objects are, and would no longer be the shipped kernel's",
        "leave the configuration out of the patch",
    ),
    _Verdict(
        re.compile(r"(^|/)(Makefile|Kbuild)[^/]*$|\.mk$"),
        "makefiles decide what objects there are and how they are compiled",
        "put new code into an existing .c file instead of adding one to the build",
    ),
)


def judge_path(path: str, arch: str) -> bool:
    """Whether a change of ``path`` can reach the running kernel. Raises :class:`Unpatchable` if it cannot be made.

    ``arch``: the kernel's directory below arch/.
    """
    match = re.match(r"arch/([^/]+)/", path)
    if match and match[1] != arch:
        return False
    if _NOT_BUILT.search(path) and not path.startswith("include/"):
        return False
    for verdict in _REFUSED:
        if verdict.pattern.search(path):
            raise Unpatchable(f"{path} cannot be hot patched: {verdict.reason}", verdict.remedy)
    if not path.endswith((".c", ".h", ".inc")):
        raise Unpatchable(
            f"{path} cannot be hot patched: only C source files and headers can, and what this file does is not known",
            "leave this file out of the patch",
        )
    return True


def apply_patches(patches: Sequence[Path], tree: Path, work: Path, arch: str) -> PatchedFiles:
    """Apply ``patches`` in order to copies, below ``work``, of the files of ``tree`` that they touch.

    Raises :class:`BadInput` with the first hunk that fails, :class:`Unpatchable` for files that cannot
    be hot patched (all of them), :class:`Unchanged` when nothing of the kernel changes.
    """
    touched: dict[str, None] = {}
    for patch in patches:
        changes = read_patch(patch)
        names = [name for change in changes for name in (change.old, change.new) if name]
        touched.update(dict.fromkeys(names))
        _copy_touched(names, tree, work)
        _apply(patch, work)
    changed, added = _judge_changes(touched, tree, work, arch)
    if not changed and not added:
        raise Unchanged(
            f"{', '.join(str(patch) for patch in patches)}: nothing that is built into this kernel changes",
            "there is nothing to patch",
        )
    return PatchedFiles(work, tuple(changed), tuple(added))


def _copy_touched(names: Sequence[str], tree: Path, work: Path) -> None:
    for name in names:
        copy, original = work / name, tree / name
        if copy.exists() or not original.is_file():
            continue
        if original.is_symlink():
            raise Unpatchable(f"{name} is a symbolic link in the source", "patch the file that it points to")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, copy)


def _apply(patch: Path, work: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    options = ["--strip=1", "--forward", "--batch", "--no-backup-if-mismatch", f"--directory={work.absolute()}"]
    done = run(["patch", *options, f"--input={patch.absolute()}"], check=False)
    output = (done.stdout + done.stderr).strip()
    if done.returncode > 1:
        raise RunError(f"patch cannot work with {patch}:\n{output}")
    if done.returncode == 1:
        raise _refused_by_patch(patch, work, output)
    for line in output.splitlines():
        if "fuzz" in line:
            logger.warning("warning: %s: %s: check that the change landed where it belongs", patch, line.strip())


def _refused_by_patch(patch: Path, work: Path, output: str) -> BadInput:
    if "previously applied" in output or "Reversed" in output:
        return BadInput(
            f"{patch} is in this kernel's source already, or is reversed\n{output}",
            "check with which kernel the fix came; there may be nothing to patch",
        )
    hunks = ""
    for reject in sorted(work.rglob("*.rej")):
        lines = reject.read_text("utf-8", "replace").splitlines()
        shown = "\n".join(lines[:_SHOWN_HUNK_LINES])
        hunks += f"\n{shown}" + ("\n[...]" if len(lines) > _SHOWN_HUNK_LINES else "")
    return BadInput(
        f"{patch} does not apply to the source of this kernel:\n{output}{hunks}",
        "make the diff against exactly this kernel's source (it lies in the kernel's directory of the cache)",
    )


def _judge_changes(touched: dict[str, None], tree: Path, work: Path, arch: str) -> tuple[list[str], list[str]]:
    changed: list[str] = []
    added: list[str] = []
    faults: list[Unpatchable] = []
    for name in touched:
        before, after = tree / name, work / name
        if _same(before, after):
            continue
        try:
            if not judge_path(name, arch):
                logger.info("%s is not part of this kernel's code: its change is left out", name)
                continue
            if not after.exists():
                raise Unpatchable(
                    f"{name} cannot be hot patched: the patch removes or renames it, and with it all of its functions",
                    "empty the functions that must go instead of removing the file",
                )
        except Unpatchable as error:
            faults.append(error)
            continue
        (changed if before.exists() else added).append(name)
    if faults:
        raise Unpatchable("\n".join(fault.message for fault in faults), faults[0].hint)
    return changed, added


def _same(before: Path, after: Path) -> bool:
    if not before.is_file() or not after.is_file():
        return before.is_file() == after.is_file()
    return before.read_bytes() == after.read_bytes()
