"""Signing modules as kernels with module.sig_enforce=1, or in lockdown, want them.

The kernel's own scripts/sign-file does it, which ``make modules_prepare`` builds: the signature is a PKCS#7
message behind the module's last byte (kernel: Documentation/admin-guide/module-signing.rst).  It runs where it
was built, with that system's libraries; only a PKCS#11 token is this machine's.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from kpatch.errors import BadInput, RunError
from kpatch.kernel.buildroot import HOST
from kpatch.kernel.source import PreparedTree
from kpatch.run import PathLike

__all__ = ["MARKER", "SigningKey", "sign"]

MARKER = b"~Module signature appended~\n"
"""The last bytes of a signed module."""


class SigningKey:
    """A private key (PEM file or PKCS#11 URI) and the X.509 certificate, PEM or DER, that kernels trust.

    A passphrase is taken from ``$KBUILD_SIGN_PIN``, as kbuild has it.
    """

    def __init__(self, key: str, certificate: Path) -> None:
        if not key.startswith("pkcs11:") and not os.path.isfile(key):
            raise BadInput(f"there is no signing key {key}", "give a PEM file or a PKCS#11 URI")
        if not certificate.is_file():
            raise BadInput(f"there is no certificate {certificate}", "give the signing key's X.509 certificate")
        self.on_token = key.startswith("pkcs11:")
        self.key = key if self.on_token else os.path.abspath(key)
        self.certificate = certificate.absolute()
        self.files = [self.certificate] if self.on_token else [self.certificate, Path(self.key)]


def sign(module: Path, key: SigningKey, tree: PreparedTree, work: Path) -> Path:
    """A signed copy of ``module`` in ``work``; raises :class:`RunError` with what sign-file says."""
    tool = tree.path / "scripts" / "sign-file"
    digest = tree.config.get("MODULE_SIG_HASH")
    if not tool.exists() or not digest:
        raise BadInput(
            f"kernel {tree.release} is configured without signatures of modules",
            "leave --sign-key and --sign-cert out",
        )
    signed = work / "signed" / module.name
    signed.parent.mkdir(exist_ok=True)
    shutil.copyfile(module, signed)
    pin = {name: os.environ[name] for name in ("KBUILD_SIGN_PIN",) if name in os.environ}
    tools = HOST if key.on_token else tree.tools
    command: list[PathLike] = [tool, digest, key.key, key.certificate, signed]
    done = tools.run(command, env=pin, check=False, also=key.files)
    if done.returncode != 0 or not signed.read_bytes().endswith(MARKER):
        hint = "the passphrase of the key belongs into the environment variable KBUILD_SIGN_PIN"
        if "shared libraries" in done.stderr:
            hint = "sign-file was built in the build root and does not run here, where the token is: use a key file"
        raise RunError(f"cannot sign {module.name}: {done.stderr.strip() or 'sign-file wrote no signature'}", hint)
    return signed
