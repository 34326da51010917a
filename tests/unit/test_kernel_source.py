"""The source in the cache: unpacked once, prepared once, refused when it is not the kernel's."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kpatch.errors import BadInput, KpatchError, MismatchError, RunError
from kpatch.kernel import source
from kpatch.kernel.compiler import Compiler
from kpatch.kernel.config import KernelConfig
from kpatch.kernel.release import KernelFiles
from kpatch.kernel.source import PreparedTree, kernel_home, prepare

RELEASE = "6.1.0-1-mini"
CONFIG = "# Linux/x86 6.1.5 Kernel Configuration\nCONFIG_A=y\nCONFIG_PAHOLE_VERSION=124\n"
MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 1
SUBLEVEL = 5
modules_prepare:
	@echo $(KERNELRELEASE) $(CC) >> prepared
	@$(PAHOLE) --version >> prepared
mrproper:
	@rm -f left-over.o
"""
SYMVERS = "0x12345678\t_printk\tvmlinux\tEXPORT_SYMBOL\t\n"

steps: list[str] = []


@contextmanager
def step(what: str) -> Iterator[None]:
    """Remembers what was done."""
    steps.append(what.split()[0])
    yield


class Place:
    """A kernel's parts in a directory, and its home in the cache."""

    def __init__(self, top: Path) -> None:
        self.top = top
        tree = top / "linux-6.1"
        tree.mkdir()
        (tree / "Makefile").write_text(MAKEFILE)
        (tree / "Kconfig").write_text("")
        (tree / "left-over.o").write_text("")
        (top / "config").write_text(CONFIG)
        (top / "symvers.gz").write_bytes(gzip.compress(SYMVERS.encode()))
        self.tree = tree
        self.archive = top / "linux.tar.gz"
        self.pack()

    def pack(self) -> None:
        subprocess.run(["tar", "-czf", self.archive, "-C", self.top, self.tree.name], check=True)

    def files(self, where: Path | None = None) -> KernelFiles:
        chosen = where or self.archive
        return KernelFiles(
            RELEASE, self.top, self.top, self.top / "config", self.top / "symvers.gz", chosen, None, None
        )

    def prepare(self, where: Path | None = None) -> PreparedTree:
        steps.clear()
        files = self.files(where)
        config = KernelConfig.read(files.config)
        compiler = Compiler("gcc", "gcc 12")
        home = kernel_home(self.top / "cache", files, config, compiler)
        return prepare(home, files, config, compiler, 1, step, lambda _: None)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_source_is_unpacked_and_prepared_as_the_kernel_itself(place: Place) -> None:
    tree = place.prepare()
    assert steps == ["unpacking", "preparing"]
    assert (tree.path / "prepared").read_text() == f"{RELEASE} gcc\nv1.24\n"
    assert (tree.path / ".config").read_text() == CONFIG
    assert tree.symvers.read_text() == SYMVERS


def test_the_second_run_finds_it_done(place: Place) -> None:
    place.prepare()
    place.prepare()
    assert steps == []


def test_an_interrupted_step_is_done_again(place: Place) -> None:
    tree = place.prepare()
    (tree.home / "prepared.json").unlink()
    place.prepare()
    assert steps == ["preparing"]
    (tree.home / "prepared.json").unlink()
    (tree.home / "unpacked.json").unlink()
    (tree.path / "half").write_text("")
    place.prepare()
    assert steps == ["unpacking", "preparing"]
    assert not (tree.path / "half").exists()


def test_another_configuration_is_another_place(place: Place) -> None:
    one = place.prepare()
    (place.top / "config").write_text(CONFIG + "CONFIG_B=y\n")
    assert place.prepare().home != one.home


def test_a_users_tree_is_copied_cleaned_and_left_alone(place: Place) -> None:
    tree = place.prepare(place.tree)
    assert steps == ["copying", "preparing"]
    assert not (tree.path / "left-over.o").exists()
    assert sorted(path.name for path in place.tree.iterdir()) == ["Kconfig", "Makefile", "left-over.o"]
    place.prepare(place.tree)
    assert steps == []
    (place.tree / "Kconfig").write_text("changed")
    assert place.prepare(place.tree).home != tree.home


def test_the_source_of_another_version_is_refused(place: Place) -> None:
    (place.tree / "Makefile").write_text(MAKEFILE.replace("SUBLEVEL = 5", "SUBLEVEL = 6"))
    place.pack()
    with pytest.raises(MismatchError, match=r"6\.1\.6.*6\.1\.5"):
        place.prepare()


def test_settings_that_get_lost_are_told(place: Place) -> None:
    (place.tree / "Makefile").write_text(MAKEFILE.replace("\t@echo", "\t@echo CONFIG_A=m > .config; echo"))
    place.pack()
    with pytest.raises(MismatchError, match="CONFIG_A: kernel y, here m"):
        place.prepare()


def test_what_is_no_source_is_refused(place: Place) -> None:
    (place.tree / "Kconfig").unlink()
    place.pack()
    with pytest.raises(BadInput, match="no kernel source"):
        place.prepare()
    steps.clear()
    with pytest.raises(BadInput, match="no kernel source"):
        place.prepare(place.tree)
    assert steps == [], "told before anything is copied"


def test_a_truncated_archive_is_refused(place: Place) -> None:
    place.archive.write_bytes(place.archive.read_bytes()[:100])
    with pytest.raises(KpatchError, match=r"linux\.tar\.gz"):
        place.prepare()


def test_a_make_that_fails_is_told_with_what_to_install(place: Place) -> None:
    (place.tree / "Makefile").write_text(
        MAKEFILE.replace("\t@$(PAHOLE)", "\t@echo flex: not found >&2; exit 1; $(PAHOLE)")
    )
    place.pack()
    with pytest.raises(RunError, match="flex: not found") as caught:
        place.prepare()
    assert "flex" in (caught.value.hint or "")


def test_too_little_space_is_told_before_anything_is_unpacked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_NEEDED_BYTES", 1 << 62)
    with pytest.raises(BadInput, match="MiB"):
        place.prepare()
    assert steps == []


def test_damaged_symvers_are_refused(place: Place) -> None:
    (place.top / "symvers.gz").write_bytes(gzip.compress(SYMVERS.encode() * 99)[:40])
    with pytest.raises(BadInput, match=r"symvers\.gz"):
        place.prepare()
    assert steps == [], "told before anything is unpacked"


SPEC = """\
Name: kernel
Version: 6.1.5
Release: 1
Summary: x
License: x
Source0: linux.tar.gz
%description
%prep
%setup -q -n linux-6.1
echo prep > from-prep
"""


@pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="rpmbuild is not installed")
def test_a_source_rpm_is_unpacked_with_its_patches(place: Place) -> None:
    (place.top / "kernel.spec").write_text(SPEC)
    macros = [
        "--define",
        f"_sourcedir {place.top}",
        "--define",
        f"_srcrpmdir {place.top}",
        "--define",
        f"_topdir {place.top}/r",
    ]
    subprocess.run(["rpmbuild", "-bs", *macros, place.top / "kernel.spec"], check=True, capture_output=True)
    (rpm,) = place.top.glob("*.src.rpm")
    tree = place.prepare(rpm)
    assert (tree.path / "from-prep").read_text() == "prep\n"
    assert not (tree.path / "left-over.o").exists()
