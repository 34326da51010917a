"""The publisher: what it adds, what it refuses, and that nobody ever sees half of it."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import createrepo_c as cr
import pytest

import rpmbuild.publish as publisher
from kpatch.errors import BadInput, KpatchError, Locked
from rpmbuild import metadata
from rpmbuild.api import PublishOptions, check_repository, publish
from rpmbuild.gpg import Key
from rpmbuild.metadata import load
from rpmbuild.package import nevra
from tests.rpm.support import EPOCH, make_rpm

PLAIN = PublishOptions()


def names(repo: Path) -> set[str]:
    return {nevra(package) for package in load(repo).packages}


def tree(top: Path) -> dict[str, str]:
    """Path -> digest of everything below ``top`` but the lock."""
    return {
        str(path.relative_to(top)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in top.rglob("*")
        if path.is_file() and path.name != ".kpatch-repo.lock"
    }


def test_a_repository_grows(packages: dict[str, Path], tmp_path: Path, key: Key) -> None:
    repo, options = tmp_path / "repo", PublishOptions(key=key, sign_rpms=True, severity="Important")
    first = publish([packages["1-1"], packages["subscription"]], repo, options)
    assert first.changed
    assert len(first.added) == 2
    second = publish([packages["1-2"]], repo, options)
    assert second.added == ("kpatch-patch-6_1_0-56-1-2.x86_64",)
    assert len(names(repo)) == second.packages == 3
    assert check_repository(repo) == []
    assert check_repository(repo, key.public) == []
    records = {record.id: record for record in load(repo).advisories}
    assert set(records) == {"KPATCH-6_1_0-56-1-1", "KPATCH-6_1_0-56-1-2"}
    newest = records["KPATCH-6_1_0-56-1-2"]
    assert [reference.id for reference in newest.references] == ["CVE-2024-1086", "CVE-2025-1111"]
    assert (newest.type, newest.severity, newest.reboot_suggested) == ("security", "Important", 0)
    assert int(newest.issued_date.replace(tzinfo=None).timestamp() - EPOCH) % 900 == 0  # UTC or the local zone
    assert not [path for path in repo.iterdir() if path.name.startswith(".kpatch-repo-staging")]


def test_publishing_again_changes_nothing(packages: dict[str, Path], tmp_path: Path, key: Key) -> None:
    repo, options = tmp_path / "repo", PublishOptions(key=key, sign_rpms=True)
    publish([packages["1-1"]], repo, options)
    before = tree(repo)
    done = publish([packages["1-1"], packages["1-1"]], repo, options)
    assert (done.changed, done.added) == (False, ())
    assert tree(repo) == before


def test_given_files_are_never_changed(packages: dict[str, Path], tmp_path: Path, key: Key) -> None:
    before = packages["1-1"].read_bytes()
    publish([packages["1-1"]], tmp_path / "repo", PublishOptions(key=key, sign_rpms=True))
    assert packages["1-1"].read_bytes() == before


def test_metadata_of_others_is_carried_over(packages: dict[str, Path], tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    shutil.copy(packages["kernel"], repo)
    comps = tmp_path / "comps.xml"
    comps.write_text("<comps><group><id>x</id></group></comps>\n")
    subprocess.run(["createrepo_c", "-q", "-g", comps, repo], check=True)
    publish([packages["1-1"]], repo)
    found = load(repo)
    assert {"kernel-core-6.1.0-56.amd64.noarch", "kpatch-patch-6_1_0-56-1-1.x86_64"} == names(repo)
    (group,) = [record for record in found.records if record.type == "group"]
    assert "<id>x</id>" in (repo / group.location_href).read_text()
    assert check_repository(repo) == []


def test_a_deleted_package_leaves_the_metadata(packages: dict[str, Path], tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    publish([packages["1-1"], packages["1-2"]], repo)
    (repo / "Packages" / packages["1-1"].name).unlink()
    assert check_repository(repo) == [f"Packages/{packages['1-1'].name} is missing"]
    assert publish([packages["subscription"]], repo).packages == 2
    assert [record.id for record in load(repo).advisories] == ["KPATCH-6_1_0-56-1-2"]
    assert check_repository(repo) == []


def test_old_metadata_is_still_there_for_slow_clients(packages: dict[str, Path], tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    publish([packages["1-1"]], repo)
    old = load(repo).referenced
    publish([packages["1-2"]], repo)
    assert old <= {path.name for path in (repo / "repodata").iterdir()}
    publish([packages["subscription"]], repo, PublishOptions(keep_seconds=0))
    assert {path.name for path in (repo / "repodata").iterdir()} == load(repo).referenced | {"repomd.xml"}


def refused(rpms: list[Path], repo: Path, options: PublishOptions, message: str) -> None:
    """The publication fails and leaves the repository as it was."""
    before = tree(repo) if repo.exists() else None
    with pytest.raises(BadInput, match=message):
        publish(rpms, repo, options)
    assert (tree(repo) if repo.exists() else None) == before


def test_bad_packages_are_refused(packages: dict[str, Path], tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    half = tmp_path / "half.rpm"
    half.write_bytes(packages["1-1"].read_bytes()[:-100])
    refused([tmp_path / "no.rpm"], repo, PLAIN, "there is no RPM")
    refused([packages["1-1"], half], repo, PLAIN, "damaged")
    no_kernel = make_rpm(tmp_path, "kpatch-patch-6_1_0-56", "1-5")
    refused([no_kernel], repo, PLAIN, "for which kernel")
    assert not repo.exists()
    publish([packages["1-1"]], repo)
    refused([packages["forgetful"]], repo, PLAIN, "no longer fixes CVE-2024-1086")
    refused([packages["1-2"], half], repo, PLAIN, "damaged")
    withdrawn = PublishOptions(withdrawn=["CVE-2024-1086"])
    assert publish([packages["forgetful"]], repo, withdrawn).changed


def test_a_published_package_never_changes(packages: dict[str, Path], tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    one = make_rpm(tmp_path / "1", "x", "1-1")
    other = make_rpm(tmp_path / "2", "x", "1-1", "Provides: something-else")
    refused([one, other], repo, PLAIN, "another x-1-1.noarch")
    publish([one], repo)
    refused([other], repo, PLAIN, "another x-1-1.noarch")


def test_signatures_are_required(packages: dict[str, Path], tmp_path: Path, keys: tuple[Key, Key]) -> None:
    ours, stranger = keys
    repo, signed = tmp_path / "repo", PublishOptions(key=ours)
    refused([packages["1-1"]], repo, signed, "not signed")
    refused([packages["1-1"]], repo, PublishOptions(sign_rpms=True), "without a key")
    publish([packages["1-1"]], repo, PublishOptions(key=ours, sign_rpms=True))
    refused([packages["1-2"]], repo, PLAIN, "no key was given")
    theirs = PublishOptions(key=stranger, sign_rpms=True)
    refused([packages["1-2"]], repo, theirs, "signed by another key")
    copy = Path(shutil.copy(packages["1-2"], tmp_path / "copy.rpm"))
    publish([copy], tmp_path / "theirs", theirs)
    (foreign,) = (tmp_path / "theirs" / "Packages").iterdir()
    refused([foreign], repo, signed, "signed by another key")


def test_an_unsigned_repository_gets_no_key_by_half(packages: dict[str, Path], tmp_path: Path, key: Key) -> None:
    repo = tmp_path / "repo"
    publish([packages["1-1"]], repo)
    refused([packages["1-2"]], repo, PublishOptions(key=key, sign_rpms=True), "1-1.x86_64.rpm is not signed")


def test_check_sees_what_a_client_would(packages: dict[str, Path], tmp_path: Path, key: Key) -> None:
    repo = tmp_path / "repo"
    publish([packages["1-1"]], repo, PublishOptions(key=key, sign_rpms=True))
    repomd = repo / "repodata" / "repomd.xml"
    repomd.write_text(repomd.read_text().replace("<revision>", "<revision>1"))
    assert check_repository(repo) == ["repomd.xml is not signed by the key, or was changed after signing"]
    (rpm,) = (repo / "Packages").iterdir()
    rpm.write_bytes(rpm.read_bytes()[:-1] + b"x")
    assert len(check_repository(repo)) == 3
    with pytest.raises(BadInput, match="no repository"):
        check_repository(tmp_path)
    (repo / load(repo).records[0].location_href).write_bytes(b"nonsense")
    with pytest.raises(BadInput, match="damaged"):
        check_repository(repo)


def test_publishers_take_turns(packages: dict[str, Path], tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    rpms = [make_rpm(tmp_path / "out", f"x{number}", "1-1") for number in range(6)]
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.starmap(publish, [([rpm], repo) for rpm in rpms])
    assert len(names(repo)) == 6
    assert check_repository(repo) == []
    with publisher._locked(repo, 0), pytest.raises(Locked, match="another publisher"):
        publish([packages["1-1"]], repo, PublishOptions(wait_seconds=0.2))


def test_a_client_never_sees_half_of_it(tmp_path: Path, key: Key) -> None:
    """Read repomd.xml all the time: it is always there, and all that it names is."""
    repo, options = tmp_path / "repo", PublishOptions(key=key, sign_rpms=True)
    rpms = [make_rpm(tmp_path / "out", f"x{number}", "1-1") for number in range(8)]
    publish(rpms[:1], repo, options)
    stop, faults, seen = threading.Event(), list[str](), set[str]()

    def client() -> None:
        while not stop.is_set():
            text = (repo / "repodata" / "repomd.xml").read_text()
            seen.add(hashlib.sha256(text.encode()).hexdigest())
            if not text.endswith("</repomd>\n"):
                faults.append("half a repomd.xml")
            for name in [part.split('"')[0] for part in text.split('<location href="')[1:]]:
                if not (repo / name).exists():
                    faults.append(f"{name} is missing")

    thread = threading.Thread(target=client)
    thread.start()
    try:
        for rpm in rpms[1:]:
            publish([rpm], repo, options)
    finally:
        stop.set()
        thread.join()
    assert faults == []
    assert len(seen) > 3


def test_a_full_disk_leaves_the_repository_as_it_was(
    packages: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = tmp_path / "repo"
    publish([packages["1-1"]], repo)
    before = tree(repo)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for step in ("place", "write", "sync_tree", "carry_over", "_switch_metadata"):
        with monkeypatch.context() as patch:
            patch.setattr(publisher, step, full)
            with pytest.raises(OSError, match="No space"):
                publish([packages["1-2"]], repo)
            if step != "carry_over":  # a new repository has no old metadata
                with pytest.raises(OSError, match="No space"):
                    publish([packages["1-2"]], tmp_path / "new")
        assert tree(repo) == before, step
        assert not (tmp_path / "new").exists(), step


def test_metadata_that_was_cut_short_is_not_published(
    packages: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = tmp_path / "repo"
    publish([packages["1-1"]], repo)
    before = tree(repo)
    write = metadata.write

    def cut(*given: Any) -> Path:
        repomd: Path = write(*given)
        (primary,) = repomd.parent.glob("*-primary.xml.gz")
        primary.write_bytes(primary.read_bytes()[:-40])
        return repomd

    monkeypatch.setattr(publisher, "write", cut)
    with pytest.raises(KpatchError, match=r"damaged|incomplete"):
        publish([packages["1-2"]], repo)
    assert tree(repo) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from typing import Any
import rpmbuild.publish as publisher
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(publisher, sys.argv[1], die)
publisher.publish([Path(sys.argv[2])], Path(sys.argv[3]))
"""


@pytest.mark.parametrize("step", ["write", "_switch", "_switch_metadata"])
def test_a_killed_publication_is_cleared_away(packages: dict[str, Path], tmp_path: Path, step: str) -> None:
    repo = tmp_path / "repo"
    publish([packages["1-1"]], repo)
    before = tree(repo)
    top = str(Path(__file__).parents[2])
    argv: list[str | Path] = [sys.executable, "-c", KILLED, step, packages["1-2"], repo]
    killed = subprocess.run(argv, env={**os.environ, "PYTHONPATH": top}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert set(before.items()) <= set(tree(repo).items())
    assert check_repository(repo) == []
    assert not publish([packages["1-1"]], repo).changed
    assert tree(repo) == before
    assert publish([packages["1-2"]], repo).changed


def test_a_file_that_lay_there_unpublished_survives_a_failure(
    packages: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = tmp_path / "repo"
    (repo / "Packages").mkdir(parents=True)
    mine = Path(shutil.copy(packages["1-1"], repo / "Packages"))

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="Input/output"):
        patch.setattr(publisher, "_switch_metadata", fail)
        publish([mine], repo)
    assert mine.exists()
    publish([mine], repo)
    assert check_repository(repo) == []


def test_an_interrupt_after_the_switch_takes_nothing_back(
    packages: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = tmp_path / "repo"
    publish([packages["1-1"]], repo)
    switch = publisher._switch_metadata

    def interrupted(new: Path, live: Path) -> None:
        switch(new, live)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(publisher, "_switch_metadata", interrupted)
        publish([packages["1-2"]], repo)
    assert len(names(repo)) == 2
    assert check_repository(repo) == []


def test_without_exchange_files_are_replaced_one_by_one(
    packages: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: Key
) -> None:
    monkeypatch.setattr(publisher, "exchange", lambda *_: False)
    repo, options = tmp_path / "repo", PublishOptions(key=key, sign_rpms=True)
    publish([packages["1-1"]], repo, options)
    publish([packages["1-2"]], repo, options)
    assert check_repository(repo, key.public) == []


def test_six_hundred_packages_take_no_time(packages: dict[str, Path], tmp_path: Path) -> None:
    """Not a timing test: the work for one more package must not read the others' files again."""
    repo = tmp_path / "repo"
    publish([packages["1-1"]], repo)
    found = load(repo)
    template = found.packages[0]
    with cr.RepositoryWriter(str(tmp_path / "big"), num_packages=600) as writer:
        for number in range(600):
            package = template.copy()
            package.name, package.location_href = f"x{number}", f"Packages/x{number}.rpm"
            package.pkgId = f"{number:064x}"
            writer.add_pkg(package)
            (tmp_path / "big" / "Packages").mkdir(exist_ok=True)
            with (tmp_path / "big" / "Packages" / f"x{number}.rpm").open("wb") as file:
                file.truncate(template.size_package)  # nothing that could be read as an RPM
    started = time.monotonic()
    assert publish([packages["1-2"]], tmp_path / "big").packages == 601
    print(json.dumps({"publish_601_s": round(time.monotonic() - started, 2)}))
