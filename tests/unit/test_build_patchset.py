"""Reading, judging and applying diffs."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpatch.build.patchset import FileChange, apply_patches, judge_path, read_patch
from kpatch.errors import BadInput, Unchanged, Unpatchable

ORIGINAL = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n"
HUNK = "@@ -2,3 +2,3 @@\n two\n-three\n+THREE\n four\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write(tmp_path / "tree/fs/a.c", ORIGINAL)
    write(tmp_path / "tree/fs/b.c", ORIGINAL)
    write(tmp_path / "tree/fs/a.h", ORIGINAL)
    write(tmp_path / "tree/Documentation/x.rst", ORIGINAL)
    return tmp_path / "tree"


def diff(path: Path, name: str, hunk: str = HUNK) -> Path:
    return write(path, f"--- a/{name}\n+++ b/{name}\n{hunk}")


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (f"--- a/fs/a.c\n+++ b/fs/a.c\n{HUNK}", [FileChange("fs/a.c", "fs/a.c")]),
        (f"--- linux.orig/fs/a.c\t2026-01-01\n+++ linux/fs/a.c\t2026-01-02\n{HUNK}", [FileChange("fs/a.c", "fs/a.c")]),
        (
            f"Index: linux/fs/a.c\n=====\n--- linux.orig/fs/a.c\n+++ linux/fs/a.c\n{HUNK}",
            [FileChange("fs/a.c", "fs/a.c")],
        ),
        (
            "diff --git a/fs/n.c b/fs/n.c\nnew file mode 100644\n--- /dev/null\n+++ b/fs/n.c\n@@ -0,0 +1 @@\n+int;\n",
            [FileChange(None, "fs/n.c")],
        ),
        ("--- a/fs/a.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-int x;\n", [FileChange("fs/a.c", None)]),
        (
            "diff --git a/fs/a.c b/fs/z.c\nsimilarity index 100%\nrename from fs/a.c\nrename to fs/z.c\n",
            [FileChange("fs/a.c", "fs/z.c")],
        ),
        (
            f"From 1234\nSubject: x\n---\n fs/a.c | 2 +-\n\n--- a/fs/a.c\n+++ b/fs/a.c\n{HUNK}-- \n2.39\n",
            [FileChange("fs/a.c", "fs/a.c")],
        ),
    ],
    ids=["diff", "dates", "quilt", "new", "deleted", "rename", "mail"],
)
def test_every_kind_of_diff_names_its_files(tmp_path: Path, text: str, changes: list[FileChange]) -> None:
    assert read_patch(write(tmp_path / "p", text)) == changes


def test_a_removed_line_that_looks_like_a_header_is_none(tmp_path: Path) -> None:
    text = "--- a/fs/a.c\n+++ b/fs/a.c\n@@ -1,2 +1,2 @@\n--- a/fs/evil.c\n+++ b/fs/evil.c\n x\n"
    assert read_patch(write(tmp_path / "p", text)) == [FileChange("fs/a.c", "fs/a.c")]


@pytest.mark.parametrize(
    "text",
    [
        "hello\n",
        "",
        "--- a/../../etc/passwd\n+++ b/../../etc/passwd\n" + HUNK,
        "--- a//etc/passwd\n+++ b//etc/passwd\n" + HUNK,
        "--- fs.c\n+++ fs.c\n" + HUNK,
        "diff --git a/fs/a.c b/fs/a.c\nGIT binary patch\nliteral 1\n",
        "diff --git a/fs/a.c b/fs/a.c\nBinary files a/fs/a.c and b/fs/a.c differ\n",
        "Binary files linux.orig/x.bin and linux/x.bin differ\n",
    ],
)
def test_what_is_no_text_diff_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_patch(write(tmp_path / "p", text))
    assert caught.value.hint


def test_a_missing_patch_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nosuch"):
        read_patch(tmp_path / "nosuch")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("arch/x86/entry/entry_64.S", "assembler"),
        ("arch/x86/kernel/vmlinux.lds.S", "linker"),
        ("include/asm-generic/vmlinux.lds.h", "linker"),
        ("fs/Kconfig", "configuration"),
        ("fs/Kconfig.binfmt", "configuration"),
        ("fs/proc/Makefile", "makefiles"),
        ("arch/x86/Kbuild", "makefiles"),
        ("virt/kvm/Makefile.kvm", "makefiles"),
        ("arch/x86/entry/vdso/vma.c", "vdso"),
        ("lib/vdso/gettimeofday.c", "vdso"),
        ("arch/x86/boot/compressed/misc.c", "before the kernel"),
        ("arch/x86/purgatory/purgatory.c", "before the kernel"),
        ("drivers/firmware/efi/libstub/file.c", "before the kernel"),
        ("rust/kernel/lib.rs", "only C source"),
    ],
)
def test_what_cannot_be_patched_is_refused_with_its_reason(path: str, reason: str) -> None:
    with pytest.raises(Unpatchable, match=reason) as caught:
        judge_path(path, "x86")
    assert path in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("path", "reaches"),
    [
        ("fs/namei.c", True),
        ("include/linux/fs.h", True),
        ("arch/x86/kernel/cpu/common.c", True),
        ("arch/arm64/kernel/entry.S", False),
        ("Documentation/admin-guide/x.rst", False),
        ("tools/perf/perf.c", False),
        ("tools/include/linux/list.h", False),
        ("samples/livepatch/x.c", False),
        ("MAINTAINERS", False),
        ("fs/README", False),
    ],
)
def test_only_source_of_this_kernel_reaches_it(path: str, reaches: bool) -> None:
    assert judge_path(path, "x86") is reaches


def test_several_patches_apply_in_order(tree: Path, tmp_path: Path) -> None:
    second = "@@ -2,3 +2,3 @@\n two\n-THREE\n+THIRD\n four\n"
    patches = [diff(tmp_path / "1", "fs/a.c"), diff(tmp_path / "2", "fs/a.c", second)]
    files = apply_patches(patches, tree, tmp_path / "work", "x86")
    assert (files.changed, files.added) == (("fs/a.c",), ())
    assert "THIRD" in (files.top / "fs/a.c").read_text()
    assert (tree / "fs/a.c").read_text() == ORIGINAL


def test_a_change_that_is_taken_back_is_no_change(tree: Path, tmp_path: Path) -> None:
    back = "@@ -2,3 +2,3 @@\n two\n-THREE\n+three\n four\n"
    patches = [diff(tmp_path / "1", "fs/a.c"), diff(tmp_path / "2", "fs/a.c", back)]
    with pytest.raises(Unchanged):
        apply_patches(patches, tree, tmp_path / "work", "x86")


def test_documentation_only_is_unchanged(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(Unchanged):
        apply_patches([diff(tmp_path / "1", "Documentation/x.rst")], tree, tmp_path / "work", "x86")


def test_documentation_beside_code_is_left_out(tree: Path, tmp_path: Path) -> None:
    patches = [diff(tmp_path / "1", "Documentation/x.rst"), diff(tmp_path / "2", "fs/b.c")]
    assert apply_patches(patches, tree, tmp_path / "work", "x86").changed == ("fs/b.c",)


def test_all_files_that_cannot_be_patched_are_named(tree: Path, tmp_path: Path) -> None:
    write(tree / "fs/Makefile", ORIGINAL)
    write(tree / "fs/a.S", ORIGINAL)
    patches = [diff(tmp_path / "1", "fs/a.S"), diff(tmp_path / "2", "fs/Makefile"), diff(tmp_path / "3", "fs/a.c")]
    with pytest.raises(Unpatchable, match=r"fs/a\.S(.|\n)*fs/Makefile"):
        apply_patches(patches, tree, tmp_path / "work", "x86")


def test_the_hunk_that_fails_is_shown(tree: Path, tmp_path: Path) -> None:
    patch = diff(tmp_path / "1", "fs/a.c", HUNK.replace("-three", "-drei"))
    with pytest.raises(BadInput, match="does not apply") as caught:
        apply_patches([patch], tree, tmp_path / "work", "x86")
    assert "+THREE" in str(caught.value)
    assert "-drei" in str(caught.value)


def test_a_patch_that_is_in_already_is_told(tree: Path, tmp_path: Path) -> None:
    patch = diff(tmp_path / "1", "fs/a.c", "@@ -2,3 +2,3 @@\n two\n-drei\n+three\n four\n")
    with pytest.raises(BadInput, match="already"):
        apply_patches([patch], tree, tmp_path / "work", "x86")


def test_a_file_that_is_not_there_is_an_error(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not apply"):
        apply_patches([diff(tmp_path / "1", "fs/none.c")], tree, tmp_path / "work", "x86")


def test_a_new_file_is_added_and_a_deleted_one_refused(tree: Path, tmp_path: Path) -> None:
    new = write(tmp_path / "1", "--- /dev/null\n+++ b/fs/n.c\n@@ -0,0 +1 @@\n+int x;\n")
    files = apply_patches([new], tree, tmp_path / "work", "x86")
    assert (files.changed, files.added) == ((), ("fs/n.c",))
    lines = "".join(f"-{line}\n" for line in ORIGINAL.splitlines())
    gone = write(tmp_path / "2", f"--- a/fs/a.c\n+++ /dev/null\n@@ -1,7 +0,0 @@\n{lines}")
    with pytest.raises(Unpatchable, match="removes"):
        apply_patches([gone], tree, tmp_path / "work2", "x86")


def test_a_rename_is_refused(tree: Path, tmp_path: Path) -> None:
    text = "diff --git a/fs/a.c b/fs/z.c\nsimilarity index 100%\nrename from fs/a.c\nrename to fs/z.c\n"
    with pytest.raises(Unpatchable, match="renames"):
        apply_patches([write(tmp_path / "1", text)], tree, tmp_path / "work", "x86")
