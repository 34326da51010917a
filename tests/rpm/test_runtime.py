"""The runtime packages: contents, and scriptlets in a root that has next to nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import kpatch
from kpatch.errors import BadInput
from rpmbuild.build import BuiltRpms
from rpmbuild.patch import build_patch_rpm
from rpmbuild.runtime import build_runtime_rpms, dnf_plugin_dir
from tests.rpm.support import KERNEL, make_patch, query, unpack

UNIT = "usr/lib/systemd/system/kpatch.service"
WANTED = "etc/systemd/system/multi-user.target.wants/kpatch.service"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltRpms:
    """kpatch, kpatch-dnf, kpatch-dnf5."""
    return build_runtime_rpms(tmp_path_factory.mktemp("runtime"))


def test_three_packages(built: BuiltRpms) -> None:
    version = kpatch.__version__
    assert [path.name for path in built.rpms] == [
        f"kpatch-{version}-1.noarch.rpm",
        f"kpatch-dnf-{version}-1.noarch.rpm",
        f"kpatch-dnf5-{version}-1.noarch.rpm",
    ]


def test_the_plugin_comes_by_dependency(built: BuiltRpms) -> None:
    main, dnf, _ = built.rpms
    assert f"(kpatch-dnf = {kpatch.__version__}-1 if python3-dnf)" in query(main, "requires")
    assert "(platform-python or python3)" in query(main, "requires")
    assert f"{dnf_plugin_dir()}/kpatch.py" in query(dnf, "list")
    assert query(dnf, "configfiles") == ["/etc/dnf/plugins/kpatch.conf"]
    assert {"dnf-command(kpatch)", f"python3-dnf-plugin-kpatch = {kpatch.__version__}-1"} <= set(
        query(dnf, "provides")
    )


def test_nothing_is_unloaded_while_an_upgrade_goes_on(built: BuiltRpms) -> None:
    triggers = query(built.rpm, "filetriggers")
    kinds = [line.split(" ")[0] for line in triggers if " scriptlet (" in line]
    assert kinds == ["transfiletriggerin", "transfiletriggerpostun"]
    assert all(line.endswith("-- /usr/lib/kpatch/") for line in triggers if " scriptlet (" in line)


def test_every_scriptlet_ends_well(built: BuiltRpms) -> None:
    for path in built.rpms:
        text = "\n".join([*query(path, "scripts"), *query(path, "filetriggers")])
        scripts = text.count(" scriptlet (")
        assert sum(line == "exit 0" for line in text.splitlines()) == scripts


def test_the_command_runs_from_the_package_alone(built: BuiltRpms, tmp_path: Path) -> None:
    root = unpack(built.rpm, tmp_path / "root")
    wrapper = root / "usr/sbin/kpatch"
    subprocess.run(["sh", "-n", wrapper], check=True)
    text = wrapper.read_text().replace("/usr/share/kpatch", str(root / "usr/share/kpatch"))
    wrapper.write_text(text)
    (tmp_path / "kpatch.py").write_text("raise SystemExit('imported from the working directory')")
    done = subprocess.run([wrapper, "--version"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()[-1], done.stderr) == (0, kpatch.__version__, "")


def test_python_files_are_of_one_piece(built: BuiltRpms, tmp_path: Path) -> None:
    package = unpack(built.rpm, tmp_path) / "usr/share/kpatch/python/kpatch"
    assert (package / "host" / "engine.py").is_file()
    assert not (package / "cli" / "repo.py").exists()
    assert not list(package.rglob("*.pyc"))


def bare_root(top: Path) -> Path:
    """A root with a shell and nothing else: no python, no systemctl."""
    busybox = shutil.which("busybox")
    if busybox is None or b"ld-linux" in Path(busybox).read_bytes()[:4096]:
        pytest.skip("needs a static busybox for a shell in the root")
    if os.geteuid() != 0:
        pytest.skip("needs root for rpm --root")
    (top / "bin").mkdir(parents=True)
    for name in ("sh", "rm", "mkdir", "ln"):
        shutil.copy(busybox, top / "bin" / name)
    (top / "var/lib/rpm").mkdir(parents=True)
    return top


def rpm(root: Path, *argv: str | Path) -> str:
    """Run rpm on ``root``; whatever a scriptlet says is a failure."""
    command: list[str | Path] = ["rpm", "--root", root, "--nodeps", *argv]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "scriptlet failed" not in done.stderr
    return done.stdout


def test_a_bare_root_survives_it_and_will_boot_with_the_service(built: BuiltRpms, tmp_path: Path) -> None:
    root = bare_root(tmp_path / "root")
    patch = build_patch_rpm(make_patch(tmp_path), KERNEL, "1", "1", [], tmp_path / "out").rpm
    rpm(root, "-U", "--nosignature", built.rpm, patch)
    assert (root / UNIT).is_file()
    assert (root / WANTED).is_symlink()
    cache = root / "usr/share/kpatch/python/kpatch/host/__pycache__"
    cache.mkdir()
    (cache / "x.pyc").write_text("left by a run")
    rpm(root, "-U", "--nosignature", "--force", built.rpm)
    assert not cache.exists()
    rpm(root, "-e", patch.name.removesuffix(".x86_64.rpm"), "kpatch")
    assert not (root / WANTED).is_symlink()
    assert not (root / "usr/share/kpatch").exists()


def test_an_incomplete_checkout_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    monkeypatch.setenv("KPATCH_DATADIR", str(tmp_path))
    with pytest.raises(BadInput, match=r"lacks .*docs/kpatch\.1"):
        build_runtime_rpms(tmp_path / "out")


def test_the_version_of_the_spec_is_the_project_s() -> None:
    spec = (Path(__file__).parents[2] / "specs" / "kpatch.spec").read_text()
    assert f"\nVersion: {kpatch.__version__}\n" in spec
