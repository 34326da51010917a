"""Sign RPMs, and find out who signed them.

rpm prints "digests OK" for a package without any signature, so the only proof is a line that says
``Signature, ...: OK``, against a keyring that holds the one key that counts.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kpatch.errors import BadInput, Refused, RunError
from kpatch.run import run
from rpmbuild.build import place
from rpmbuild.gpg import Key

__all__ = ["check_digests", "sign_rpm", "unsigned_by"]

_SIGNED = re.compile(r"^\s+.*signature, key (?:ID|fingerprint:) [0-9a-f]+: OK$", re.MULTILINE | re.IGNORECASE)
# Packages of rpm before 4.14 have an MD5 digest over header and payload instead.
_WHOLE = re.compile(r"^\s+(?:Payload .*|MD5 )digest: OK$", re.MULTILINE)
_FOREIGN = re.compile(r"key (?:ID|fingerprint:) ([0-9a-f]+): (\w+)")


def sign_rpm(path: Path, key: Key) -> Path:
    """Sign the package at ``path`` (in place, by rename) and verify it; returns ``path``."""
    with tempfile.TemporaryDirectory(prefix="kpatch-sign-") as folder:
        copy = place(path, Path(folder) / path.name)
        defines = {
            "_gpg_name": key.fingerprint,
            "_openpgp_sign_id": key.fingerprint,  # rpm 6
            "__gpg": "/usr/bin/gpg",  # Debian's rpm looks for gpg2
            "_gpg_sign_cmd_extra_args": "--batch --no-tty --pinentry-mode error",
            "_gpg_digest_algo": "sha256",
        }
        argv: list[str | Path] = ["rpmsign"]
        for name, value in defines.items():
            argv += ["--define", f"{name} {value}"]
        try:
            run([*argv, "--addsign", copy], env={**key.env, "HOME": folder})
        except RunError as error:
            raise RunError(f"cannot sign {path}: {error}", "the key must be usable without a passphrase") from error
        faults = unsigned_by([copy], key.public)
        if faults:
            raise Refused(f"the signature just made does not verify: {faults[copy]}", "look at the key with gpg -K")
        return place(copy, path)


def unsigned_by(paths: Sequence[Path], public: str) -> dict[Path, str]:
    """Those of ``paths`` without a good signature by the armored key ``public`` -> what is the matter."""
    faults: dict[Path, str] = {}
    with _keyring(public) as database:
        for path in paths:
            done = run(["rpmkeys", "--dbpath", database, "-Kv", "--", path], check=False)
            if done.returncode or not _SIGNED.search(done.stdout):
                faults[path] = _reason(path, done.stdout + done.stderr)
    return faults


def check_digests(path: Path) -> None:
    """Raise :class:`BadInput` unless header and payload of the package are whole."""
    with tempfile.TemporaryDirectory(prefix="kpatch-rpmdb-") as database:
        done = run(["rpmkeys", "--dbpath", database, "-Kv", "--nosignature", "--", path], check=False)
    if done.returncode or not _WHOLE.search(done.stdout):
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
        bad = [line for line in lines if line and not line.endswith((": OK", ".rpm:"))]
        raise BadInput(
            f"{path} is damaged or no RPM: {'; '.join(bad) or 'no payload digest'}", "build or copy it again"
        )


def _reason(path: Path, output: str) -> str:
    foreign = _FOREIGN.search(output)
    if foreign is None:
        return f"{path.name} is not signed"
    number, verdict = foreign.groups()
    if verdict == "NOKEY":
        return f"{path.name} is signed by another key ({number})"
    return f"{path.name} has a bad signature by key {number} ({verdict})"


@contextmanager
def _keyring(public: str) -> Iterator[str]:
    """An rpm database that trusts ``public`` and nothing else."""
    with tempfile.TemporaryDirectory(prefix="kpatch-rpmdb-") as folder:
        key_file = Path(folder) / "key.asc"
        key_file.write_text(public)
        database = str(Path(folder) / "db")
        Path(database).mkdir()
        run(["rpmkeys", "--dbpath", database, "--import", key_file])
        yield database
