"""The store: which patches are there, which counts, and that installing leaves nothing half-done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kpatch.errors import BadInput
from kpatch.host import store
from kpatch.host.modinfo import read_modinfo
from tests.unit.host_machine import RELEASE, Machine, machine, module_bytes, patch_bytes

__all__ = ["machine"]


def modules(patches: list[store.Installed]) -> list[str]:
    return [patch.module for patch in patches]


def test_core_module_sidecar_and_unfinished_file_are_no_patches(machine: Machine) -> None:
    machine.package("a")
    folder = f"usr/lib/kpatch/{RELEASE}/"
    machine.write(folder + "kpatch.ko", module_bytes(["name=kpatch"]))
    machine.write(folder + "kpatch-a.json", "{}")
    machine.write(folder + ".kpatch-x1.ko", b"half")
    machine.write(folder + "other.ko", module_bytes(["name=other", f"vermagic={RELEASE} SMP"]))
    contents = store.read(machine.paths, RELEASE)
    assert modules(contents.patches) == ["kpatch_a"]
    assert contents.faults == []


def test_patch_of_another_kernel_in_this_directory_is_a_fault(machine: Machine) -> None:
    machine.package("a", release="6.1.0-55-amd64")
    contents = store.read(machine.paths, RELEASE)
    assert contents.patches == []
    assert "built for kernel 6.1.0-55-amd64, not for " + RELEASE in contents.faults[0].message


@pytest.mark.parametrize(
    ("release", "part"),
    [
        ("6.1.0-56-amd64", "6_1_0-56"),
        ("5.14.0-427.13.1.el9_4.x86_64", "5_14_0-427_13_1"),
        ("6.1.134-150.224.amzn2023.x86_64", "6_1_134-150_224"),
        ("6.14.0-63.fc42.x86_64", "6_14_0-63"),
    ],
)
def test_series_and_version_of_packaged_patches(tmp_path: Path, release: str, part: str) -> None:
    names = [f"{part}-{version}" for version in ("1-9", "1-10", "1.1-1", "1-2")]
    patches = []
    for name in names:
        path = tmp_path / f"kpatch-{name}.ko"
        path.write_bytes(patch_bytes(name.replace(".", "_"), release=release))
        patches.append(store.Installed(read_modinfo(str(path)), False))
    assert {patch.series[0] for patch in patches} == {part}
    assert [os.path.basename(patch.info.path) for patch in store.current(patches)] == [f"kpatch-{part}-1.1-1.ko"]


def test_names_with_numbers_are_no_series(machine: Machine) -> None:
    machine.package("cve-2024-1", replace=False)
    machine.package("cve-2024-2", replace=False)
    assert modules(store.current(store.read(machine.paths, RELEASE).patches)) == [
        "kpatch_cve_2024_1",
        "kpatch_cve_2024_2",
    ]


def test_install_twice_and_uninstall(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "kpatch-a-b.ko"
    file.write_bytes(patch_bytes("a-b"))
    info = read_modinfo(str(file))
    path = Path(store.install(machine.paths, info, RELEASE))
    assert path == machine.root / f"var/lib/kpatch/{RELEASE}/kpatch-a-b.ko"
    assert path.read_bytes() == file.read_bytes()
    assert store.install(machine.paths, info, RELEASE) == str(path)
    file.write_bytes(patch_bytes("a-b", checksum="other"))
    with pytest.raises(BadInput, match="another build of kpatch_a_b"):
        store.install(machine.paths, read_modinfo(str(file)), RELEASE)
    assert store.uninstall(machine.paths, "a-b", RELEASE).module == "kpatch_a_b"
    assert not path.parent.exists()


def test_install_refuses_other_kernels_other_modules_and_bad_releases(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "kpatch-a.ko"
    file.write_bytes(patch_bytes("a"))
    info = read_modinfo(str(file))
    with pytest.raises(BadInput, match=f"for kernel {RELEASE}, not for 6.1.0-57-amd64"):
        store.install(machine.paths, info, "6.1.0-57-amd64")
    for release in ("../x", "", "a/b", ".."):
        with pytest.raises(BadInput, match="not a kernel release"):
            store.install(machine.paths, info._replace(fields={**info.fields, "kpatch_kernel": [release]}), release)
    file.write_bytes(module_bytes(["name=ext4", f"vermagic={RELEASE} SMP"]))
    with pytest.raises(BadInput, match="no hot patch"):
        store.install(machine.paths, read_modinfo(str(file)), RELEASE)
    assert list((machine.root / "var/lib/kpatch").iterdir()) == []


def test_full_disk_leaves_nothing(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "kpatch-a.ko"
    file.write_bytes(patch_bytes("a"))

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.install(machine.paths, read_modinfo(str(file)), RELEASE)
    assert list((machine.root / f"var/lib/kpatch/{RELEASE}").iterdir()) == []


def test_uninstall_of_a_packaged_patch_names_the_way(machine: Machine) -> None:
    machine.package("a")
    with pytest.raises(BadInput, match="belongs to a package") as caught:
        store.uninstall(machine.paths, "a", RELEASE)
    assert "dnf remove" in (caught.value.hint or "")
    with pytest.raises(BadInput, match="not installed"):
        store.uninstall(machine.paths, "b", RELEASE)


@pytest.mark.parametrize("name", ["kpatch_a_b", "kpatch-a-b", "a-b", "a_b", "kpatch-a-b.ko"])
def test_find_takes_all_usual_spellings(machine: Machine, name: str) -> None:
    machine.package("a-b")
    found = store.find(store.read(machine.paths, RELEASE).patches, name)
    assert found is not None and found.module == "kpatch_a_b"
