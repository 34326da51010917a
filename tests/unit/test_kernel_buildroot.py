"""Programs of a chroot: what they see, what they leave behind, and roots that are none."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

import pytest

from kpatch.errors import BadInput, RunError
from kpatch.kernel.buildroot import Buildroot
from kpatch.kernel.compiler import find_compiler
from tests.unit.test_kernel_config import GOOD, read

BUSYBOX = shutil.which("busybox")
needs_root = pytest.mark.skipif(os.geteuid() != 0 or not BUSYBOX, reason="needs root and a static busybox")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The smallest system there is."""
    top = tmp_path / "root"
    for name in ("bin", "usr/bin", "tmp", "etc"):
        (top / name).mkdir(parents=True)
    (top / "etc/os-release").write_text("ID=small\n")
    if BUSYBOX:
        shutil.copy(BUSYBOX, top / "bin/busybox")
    for name in ("bin/sh", "usr/bin/env", "bin/true", "bin/cat", "bin/touch", "bin/ls"):
        (top / name).symlink_to("/bin/busybox")
    return top


def files(top: Path) -> list[str]:
    return sorted(str(path.relative_to(top)) for path in top.rglob("*"))


@needs_root
def test_programs_see_what_is_shown_and_nothing_of_ours(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/root")
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{tmp_path}")
    work = tmp_path / "a work directory, shown"
    work.mkdir()
    (work / "input").write_text("hello\n")
    buildroot = Buildroot(root, [work])
    assert buildroot.run(["cat", work / "input"]).stdout == "hello\n"
    buildroot.run(["touch", "output"], cwd=work)
    assert (work / "output").exists()
    environment = dict(line.split("=", 1) for line in buildroot.run(["env"]).stdout.splitlines())
    assert environment.keys() - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "HOME", "LANG", "LC_ALL"}
    assert str(tmp_path) not in environment["PATH"]
    assert environment["HOME"] == "/"
    assert buildroot.run(["ls", tmp_path]).stdout.split("\n")[:-1] == [work.name], "no other directory of this machine"


@needs_root
def test_single_files_and_a_secret_are_shown_to_one_program(root: Path, tmp_path: Path) -> None:
    work, keys = tmp_path / "work", tmp_path / "keys"
    for place in (work, keys):
        place.mkdir()
        (place / "key").write_text(f"that of {place.name}\n")
    (keys / "other").touch()
    buildroot = Buildroot(root, [work])
    also = [work / "key", keys / "key"]
    assert buildroot.run(["cat", *also], also=also).stdout == "that of work\nthat of keys\n"
    assert buildroot.run(["ls", keys], also=also).stdout == "key\n"
    assert [path.read_text() for path in also] == ["that of work\n", "that of keys\n"]
    done = buildroot.run(["env"], env={"SECRET": "in no command line"})
    assert "SECRET=in no command line" in done.stdout.splitlines()
    assert "in no command line" not in str(done.args)


@needs_root
def test_the_root_is_never_written_to_and_no_mount_stays(root: Path) -> None:
    before, mounts = files(root), Path("/proc/self/mounts").read_text()
    buildroot = Buildroot(root, [])
    buildroot.run(["touch", "/etc/new", "/tmp/new", "/new"])
    with pytest.raises(RunError, match=r"cat /nowhere") as caught:
        buildroot.run(["cat", "/nowhere"])
    assert "unshare" not in caught.value.message, "the command that the user cares for"
    assert files(root) == before
    assert Path("/proc/self/mounts").read_text() == mounts


@needs_root
def test_a_root_without_compiler_says_where_to_install_it(root: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=f"no compiler is installed in {root}") as caught:
        find_compiler(read(tmp_path, GOOD), tools=Buildroot(root, []))
    assert "install gcc-12 in" in (caught.value.hint or "")


def test_what_is_no_root_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not a directory"):
        Buildroot(tmp_path / "none", [])
    with pytest.raises(BadInput, match="no bin/sh"):
        Buildroot(tmp_path, [])
    (root / "bin/sh").unlink()
    (root / "bin/sh").write_bytes(b"\x7fELF" + bytes(12) + struct.pack("<HH", 2, 183))
    with pytest.raises(BadInput, match="another machine"):
        Buildroot(root, [])


def test_only_root_can_enter_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not BUSYBOX:
        pytest.skip("needs a static busybox")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BadInput, match="only root"):
        Buildroot(root, [])
