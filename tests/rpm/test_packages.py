"""The packages that rpmbuild makes, looked at with rpm."""

from __future__ import annotations

import json
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from kpatch.errors import BadInput, RunError
from rpmbuild.build import rpmbuild
from rpmbuild.patch import build_core_rpm, build_patch_rpm, build_subscription_rpm
from tests.rpm.support import EPOCH, KERNEL, UNAME_R, make_module, make_patch, query, unpack

SIGNATURE = b"\x30\x82\x01signature~Module signature appended~\n"


def test_the_patch_package_says_what_it_is(packages: dict[str, Path]) -> None:
    rpm = packages["1-2"]
    assert rpm.name == "kpatch-patch-6_1_0-56-1-2.x86_64.rpm"
    assert {
        "kpatch-patch = 6.1.0-56",
        f"kpatch-patch = {UNAME_R}",
        "kpatch-cve(CVE-2024-1086)",
        "kpatch-cve(CVE-2025-1111)",
        "kpatch-module(kpatch_second)",
    } <= set(query(rpm, "provides"))
    assert {"kpatch >= 1.0", f"kernel-uname-r = {UNAME_R}", f"kpatch-core({KERNEL})"} <= set(query(rpm, "requires"))
    assert query(rpm, "conflicts") == ["kpatch-patch-6_1_0-56 < 1-2"]
    assert query(rpm, "supplements") == [f"kernel-uname-r = {UNAME_R}"]
    assert "- fixes {CVE-2025-1111}" in query(rpm, "changelog")
    assert "  CVE-2025-1111" in query(rpm, "info")
    assert query(rpm, "scripts") == []


def test_the_module_arrives_as_it_was_signed(tmp_path: Path) -> None:
    module = make_patch(tmp_path, "demo", cves="CVE-2023-9999", kpatch_replace="1")
    with module.open("ab") as file:
        file.write(SIGNATURE)
    diff = tmp_path / "fix it.patch"
    diff.write_text("--- a/x\n+++ b/x\n")
    built = build_patch_rpm(module, KERNEL, "1", "1", ["CVE-2024-1086"], tmp_path / "out", sources=[diff])
    folder = unpack(built.rpm, tmp_path / "root") / "usr/lib/kpatch" / KERNEL
    assert (folder / "kpatch-demo.ko").read_bytes() == module.read_bytes()
    assert stat.S_IMODE((folder / "kpatch-demo.ko").stat().st_mode) == 0o755
    facts = json.loads((folder / "kpatch-demo.json").read_text())
    assert (facts["kernel"], facts["module"]) == (KERNEL, "kpatch_demo")
    assert facts["cves"] == ["CVE-2023-9999", "CVE-2024-1086"]
    assert len(facts["source_sha256"]) == 64
    assert (unpack(built.srpm, tmp_path / "source") / "fix_it.patch").read_text() == diff.read_text()


def test_the_source_package_builds_the_same_again(tmp_path: Path) -> None:
    """Who signs modules elsewhere rebuilds from it."""
    built = build_patch_rpm(make_patch(tmp_path), KERNEL, "1", "1", [], tmp_path / "out")
    argv: list[str | Path] = ["rpmbuild", "--rebuild", "--define", f"_topdir {tmp_path}/top", built.srpm]
    subprocess.run(argv, check=True, capture_output=True)
    (again,) = (tmp_path / "top").glob("RPMS/*/*.rpm")
    assert query(again, "provides") == query(built.rpm, "provides")
    one, other = unpack(built.rpm, tmp_path / "1"), unpack(again, tmp_path / "2")
    name = f"usr/lib/kpatch/{KERNEL}/kpatch-demo.ko"
    assert (one / name).read_bytes() == (other / name).read_bytes()


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    module = make_patch(tmp_path)
    first = build_patch_rpm(module, KERNEL, "1", "1", ["CVE-2024-1086"], tmp_path / "one")
    time.sleep(1.1)
    second = build_patch_rpm(module, KERNEL, "1", "1", ["CVE-2024-1086"], tmp_path / "other")
    assert first.rpm.read_bytes() == second.rpm.read_bytes()
    assert first.srpm.read_bytes() == second.srpm.read_bytes()
    assert query(first.rpm, "queryformat", "%{BUILDTIME}") == [str(EPOCH)]


def test_source_date_epoch_sets_the_build_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
    built = build_patch_rpm(make_patch(tmp_path), KERNEL, "1", "1", [], tmp_path / "out")
    assert query(built.rpm, "queryformat", "%{BUILDTIME}") == ["1600000000"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(BadInput, match="SOURCE_DATE_EPOCH"):
        build_patch_rpm(make_patch(tmp_path), KERNEL, "1", "1", [], tmp_path / "out")


def test_a_livepatch_module_needs_no_core(tmp_path: Path) -> None:
    module = make_patch(tmp_path, kpatch_interface="livepatch", livepatch="Y")
    built = build_patch_rpm(module, KERNEL, "1", "1", [], tmp_path / "out")
    assert not [line for line in query(built.rpm, "requires") if line.startswith("kpatch-core")]


def test_a_module_of_another_name_gets_the_customary_one(tmp_path: Path) -> None:
    module = make_patch(tmp_path).rename(tmp_path / "livepatch-x.ko")
    built = build_patch_rpm(module, KERNEL, "2", "1", [], tmp_path / "out")
    assert f"/usr/lib/kpatch/{KERNEL}/kpatch-6_1_0-56-2-1.ko" in query(built.rpm, "list")


@pytest.mark.parametrize(
    ("kernel", "text"),
    [
        ("5.14.0-427.13.1.el9_4.x86_64", "kpatch-patch-5_14_0-427_13_1-1-1.x86_64.rpm"),
        ("6.1.134-150.224.amzn2023.x86_64", "kpatch-patch-6_1_134-150_224-1-1.x86_64.rpm"),
        ("6.14.0-63.fc42.x86_64", "kpatch-patch-6_14_0-63-1-1.x86_64.rpm"),
        ("7.2.0-rc1+", "kpatch-patch-7_2_0-rc1_-1-1.x86_64.rpm"),
        ("7.2.0", "kpatch-patch-7_2_0-1-1.x86_64.rpm"),
    ],
)
def test_rpm_takes_the_names_of_all_distributions(kernel: str, text: str, tmp_path: Path) -> None:
    module = make_patch(tmp_path, kernel=kernel)
    assert build_patch_rpm(module, kernel, "1", "1", [], tmp_path / "out").rpm.name == text


def test_the_core_package(packages: dict[str, Path]) -> None:
    rpm = packages["core"]
    assert rpm.name == "kmod-kpatch-6_1_0-56-1.0.0-1.x86_64.rpm"
    assert f"kpatch-core({KERNEL}) = 1.0.0-1" in query(rpm, "provides")
    assert f"kernel-uname-r = {UNAME_R}" in query(rpm, "requires")
    assert f"/usr/lib/modules/{KERNEL}/extra/kpatch/kpatch.ko" in query(rpm, "list")
    scripts = "\n".join(query(rpm, "scripts"))
    assert "posttrans" in scripts
    assert f'depmod -a "{KERNEL}"' in scripts


def test_the_subscription_is_empty(tmp_path: Path) -> None:
    rpm = build_subscription_rpm(KERNEL, tmp_path).rpm
    assert rpm.name == "kpatch-patch-6_1_0-56-0-0.x86_64.rpm"
    assert query(rpm, "list") == ["(contains no files)"]
    assert f"kernel-uname-r = {UNAME_R}" in query(rpm, "requires")


def refuse_other_kernel(folder: Path) -> None:
    build_patch_rpm(make_patch(folder), "6.1.0-57-amd64", "1", "1", [], folder / "out")


def refuse_plain_module(folder: Path) -> None:
    build_patch_rpm(make_module(folder / "loop.ko"), KERNEL, "1", "1", [], folder / "out")


def refuse_missing(folder: Path) -> None:
    build_patch_rpm(folder / "kpatch-x.ko", KERNEL, "1", "1", [], folder / "out")


def refuse_text(folder: Path) -> None:
    (folder / "kpatch-x.ko").write_text("hello")
    build_patch_rpm(folder / "kpatch-x.ko", KERNEL, "1", "1", [], folder / "out")


def refuse_truncated(folder: Path) -> None:
    module = make_patch(folder)
    module.write_bytes(module.read_bytes()[:200])
    build_patch_rpm(module, KERNEL, "1", "1", [], folder / "out")


def refuse_dash(folder: Path) -> None:
    build_patch_rpm(make_patch(folder), KERNEL, "1-1", "1", [], folder / "out")


def refuse_cve(folder: Path) -> None:
    build_patch_rpm(make_patch(folder, cves="%post"), KERNEL, "1", "1", [], folder / "out")


def refuse_core(folder: Path) -> None:
    build_core_rpm(make_patch(folder), KERNEL, folder / "out")


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (refuse_other_kernel, "is for kernel 6.1.0-56-amd64, not for 6.1.0-57-amd64"),
        (refuse_plain_module, "no hot patch"),
        (refuse_missing, "there is no module"),
        (refuse_text, "no kernel module"),
        (refuse_truncated, "no kernel module"),
        (refuse_dash, "cannot be the version"),
        (refuse_cve, "no CVE identifier"),
        (refuse_core, "not the core module"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(attempt: object, message: str, tmp_path: Path) -> None:
    assert callable(attempt)
    with pytest.raises(BadInput, match=message):
        attempt(tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_module_damaged_at_any_byte_count_never_raises_anything_else(tmp_path: Path) -> None:
    whole = make_patch(tmp_path).read_bytes()
    for size in range(0, len(whole), 97):
        short = tmp_path / "kpatch-short.ko"
        short.write_bytes(whole[:size])
        with pytest.raises(BadInput):
            build_patch_rpm(short, KERNEL, "1", "1", ["x"], tmp_path / "out")


def test_a_failing_rpmbuild_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with pytest.raises(RunError, match="rpmbuild cannot build x:\nerror: "):
        rpmbuild("x", "Name: x\n", {}, tmp_path / "out", EPOCH)
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not (tmp_path / "out").exists()
