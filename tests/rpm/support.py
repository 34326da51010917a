"""What the rpm tests share: modules without a kernel, keys, and the packages of an empty system."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rpmbuild.build import rpmbuild
from rpmbuild.gpg import Key, find_key

KERNEL = "6.1.0-56-amd64"
UNAME_R = "6.1.0-56.amd64"
EPOCH = 1_750_000_000

# What the runtime and the patches need of a system, as one package.
SYSTEM_PROVIDES = ("/bin/sh", "python3", "python3-dnf", "systemd", "kmod")


def make_module(path: Path, signature: bytes = b"", **info: str) -> Path:
    """A relocatable object with a .modinfo section, which is all that packaging looks at."""
    facts = {
        "license": "GPL",
        "name": path.stem.replace("-", "_"),
        "vermagic": f"{KERNEL} SMP preempt mod_unload modversions ",
        **info,
    }
    lines = [
        f'static const char i{index}[] __attribute__((section(".modinfo"), used, aligned(1))) = "{key}={value}";'
        for index, (key, value) in enumerate(facts.items())
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    source = path.with_suffix(".c")
    source.write_text("\n".join([*lines, "int counter(void) { return 1; }", ""]))
    subprocess.run(["gcc", "-g", "-c", "-o", path, source], check=True)
    source.unlink()
    with path.open("ab") as file:
        file.write(signature)
    os.utime(path, (EPOCH, EPOCH))
    return path


def make_patch(folder: Path, name: str = "demo", kernel: str = KERNEL, cves: str = "", **info: str) -> Path:
    """A module that says that it is the hot patch ``name`` for ``kernel``."""
    facts = {"kpatch": "1", "kpatch_name": name, "kpatch_kernel": kernel, "kpatch_checksum": "00" * 32}
    facts |= {"kpatch_cves": cves, "vermagic": f"{kernel} SMP "}
    return make_module(folder / f"kpatch-{name}.ko", b"", **{**facts, **info})


@contextmanager
def gnupg_home(*addresses: str) -> Iterator[list[Key]]:
    """Throw-away keys in a home with a short path: gpg-agent's socket lies in it."""
    home = Path(tempfile.mkdtemp(prefix="kpg-", dir="/tmp"))
    try:
        env = {**os.environ, "GNUPGHOME": str(home)}
        for address in addresses:
            argv = ["gpg", "--batch", "--passphrase", "", "--quick-generate-key", address, "rsa2048", "sign", "7d"]
            subprocess.run(argv, env=env, check=True, capture_output=True)
        yield [find_key(address, home) for address in addresses]
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], env={**os.environ, "GNUPGHOME": str(home)}, check=False)
        shutil.rmtree(home, ignore_errors=True)


def make_rpm(out: Path, name: str, version: str, tags: str = "", epoch: int = EPOCH) -> Path:
    """A package without files; ``tags`` are more lines of its spec's head."""
    name_, release = name, "1"
    if "-" in version:
        version, release = version.split("-")
    spec = f"""Name: {name_}
Version: {version}
Release: {release}
Summary: test
License: GPL-2.0-only
BuildArch: noarch
AutoReqProv: no
{tags}
%description
test
%files
"""
    return rpmbuild(name_, spec, {}, out, epoch).rpm


def make_kernel(out: Path, uname_r: str = UNAME_R) -> Path:
    """The stand-in for kernel-core."""
    version, release = uname_r.split("-")
    provides = f"Provides: kernel-uname-r = {uname_r}\nProvides: installonlypkg(kernel)"
    return make_rpm(out, "kernel-core", f"{version}-{release}", provides)


def make_system(out: Path) -> Path:
    """The stand-in for everything else that a root has."""
    return make_rpm(out, "test-system", "1", "\n".join(f"Provides: {name}" for name in SYSTEM_PROVIDES))


def query(path: Path, what: str, *more: str) -> list[str]:
    """Lines of ``rpm -qp --<what>``."""
    done = subprocess.run(["rpm", "-qp", f"--{what}", *more, path], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def unpack(path: Path, into: Path) -> Path:
    """Extract the package at ``path``."""
    into.mkdir(parents=True, exist_ok=True)
    cpio = subprocess.run(["rpm2cpio", path], check=True, capture_output=True).stdout
    subprocess.run(["cpio", "-idm", "--quiet", "--no-absolute-filenames"], input=cpio, cwd=into, check=True)
    return into
