"""Signatures: made, verified, and not believed without proof."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kpatch.errors import BadInput, RunError
from rpmbuild.gpg import Key, find_key, key_of, sign_detached, verify_detached
from rpmbuild.package import read_rpm
from rpmbuild.sign import check_digests, sign_rpm, unsigned_by


@pytest.fixture
def rpm(packages: dict[str, Path], tmp_path: Path) -> Path:
    """An unsigned package to play with."""
    return Path(shutil.copy(packages["1-1"], tmp_path / "x.rpm"))


def test_a_signed_package_verifies_against_its_key_only(rpm: Path, keys: tuple[Key, Key]) -> None:
    ours, stranger = keys
    assert unsigned_by([rpm], ours.public) == {rpm: "x.rpm is not signed"}
    sign_rpm(rpm, ours)
    check_digests(rpm)
    assert unsigned_by([rpm], ours.public) == {}
    assert "another key" in unsigned_by([rpm], stranger.public)[rpm]


def test_one_changed_byte_is_seen(rpm: Path, key: Key) -> None:
    sign_rpm(rpm, key)
    data = bytearray(rpm.read_bytes())
    package = read_rpm(rpm).package
    # In the header and in the payload; before them rpm keeps room for signatures, which means nothing.
    for position in (package.rpm_header_start + 100, package.rpm_header_end - 1, len(data) - 5):
        changed = data.copy()
        changed[position] ^= 1
        rpm.write_bytes(changed)
        assert unsigned_by([rpm], key.public)


def test_a_truncated_package_is_damaged(rpm: Path) -> None:
    data = rpm.read_bytes()
    for size in (0, 10, 200, len(data) // 2, len(data) - 1):
        rpm.write_bytes(data[:size])
        with pytest.raises(BadInput, match="damaged"):
            check_digests(rpm)


def test_a_key_that_cannot_sign_leaves_the_package_as_it_was(rpm: Path, key: Key) -> None:
    before = rpm.read_bytes()
    with pytest.raises(RunError, match="cannot sign"):
        sign_rpm(rpm, Key("0" * 40, key.home, key.public))
    assert rpm.read_bytes() == before
    assert [path.name for path in rpm.parent.iterdir()] == ["x.rpm"]


def test_detached_signatures(tmp_path: Path, keys: tuple[Key, Key]) -> None:
    ours, stranger = keys
    path, signature = tmp_path / "repomd.xml", tmp_path / "repomd.xml.asc"
    path.write_text("content")
    sign_detached(ours, path, signature)
    assert verify_detached(path, signature, ours.public)
    assert not verify_detached(path, signature, stranger.public)
    assert not verify_detached(path, signature, "no key")
    assert key_of(ours.public) == ours.fingerprint
    path.write_text("other content")
    assert not verify_detached(path, signature, ours.public)


def test_keys_that_are_not_there(tmp_path: Path, key: Key) -> None:
    with pytest.raises(BadInput, match="no secret key"):
        find_key("nobody@localhost", key.home)
    with pytest.raises(BadInput, match="no GnuPG home"):
        find_key("x", tmp_path / "missing")
    with pytest.raises(BadInput, match="fits 2 secret keys"):
        find_key("@localhost", key.home)
