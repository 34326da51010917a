"""OpenPGP keys through gpg: find one, export it, sign a file, check the signature."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from kpatch.errors import BadInput, Refused
from kpatch.run import run

__all__ = ["Key", "find_key", "key_of", "sign_detached", "verify_detached"]

_GPG = ("gpg", "--batch", "--no-tty", "--pinentry-mode", "error")


@dataclass(frozen=True)
class Key:
    """A secret key that gpg can use without asking."""

    fingerprint: str
    home: Path | None
    """GNUPGHOME, or None for gpg's own default."""
    public: str
    """The public half, armored."""

    @property
    def env(self) -> dict[str, str]:
        """The environment that leads gpg to the key."""
        return {"GNUPGHOME": str(self.home)} if self.home else {}


def find_key(name: str, home: Path | None = None) -> Key:
    """The one secret key called ``name`` (fingerprint, key ID or address); raises :class:`BadInput` otherwise."""
    if home is not None and not home.is_dir():
        raise BadInput(f"there is no GnuPG home {home}", "give the directory that holds the key's keyring")
    env = {"GNUPGHOME": str(home.resolve())} if home else {}
    where = home or "the GnuPG home"
    done = run([*_GPG, "--with-colons", "--list-secret-keys", "--", name], env=env, check=False)
    records = [line.split(":") for line in done.stdout.splitlines()]
    primary = [index for index, record in enumerate(records) if record[0] == "sec"]
    if done.returncode or not primary:
        raise BadInput(f"no secret key {name!r} in {where}", "gpg --list-secret-keys shows those that are there")
    if len(primary) > 1:
        raise BadInput(f"{name!r} fits {len(primary)} secret keys in {where}", "give the fingerprint")
    if records[primary[0]][1] in ("e", "r", "i"):
        raise BadInput(f"the key {name!r} is expired, revoked or invalid", "make a new key, or extend this one")
    fingerprint = next(record[9] for record in records[primary[0] :] if record[0] == "fpr")
    public = run([*_GPG, "--armor", "--export", "--", fingerprint], env=env).stdout
    return Key(fingerprint, home.resolve() if home else None, public)


def sign_detached(key: Key, path: Path, signature: Path) -> None:
    """Write the armored signature of ``path`` to ``signature`` and check it against the public key."""
    argv: list[str | Path] = [
        *_GPG,
        "--yes",
        "--local-user",
        f"{key.fingerprint}!",
        "--armor",
        "--output",
        signature,
        "--detach-sign",
    ]
    run([*argv, "--", path], env=key.env)
    if not verify_detached(path, signature, key.public):
        raise Refused(f"the signature just made of {path} does not verify", "look at the key with gpg --edit-key")


def verify_detached(path: Path, signature: Path, public: str) -> bool:
    """Whether ``signature`` is one of ``path`` by the armored key ``public``, and by no other."""
    with tempfile.TemporaryDirectory(prefix="kpatch-gpg-") as home:
        ring = Path(home) / "key.gpg"
        done = run([*_GPG, "--homedir", home, "--output", ring, "--dearmor"], stdin=public, check=False)
        if done.returncode:
            return False
        done = run(["gpgv", "--homedir", home, "--keyring", ring, "--", signature, path], check=False)
        return done.returncode == 0


def key_of(public: str) -> str:
    """The fingerprint of the armored key ``public``; empty when it is none."""
    done = run([*_GPG, "--with-colons", "--show-keys"], stdin=public, check=False)
    records = (line.split(":") for line in done.stdout.splitlines())
    return next((record[9] for record in records if record[0] == "fpr"), "")
