"""What an RPM is called: a kernel's ``uname -r`` taken apart, and the names made from it.

The names are those of RHEL's kpatch-patch packages, which inventory tools already read; the release is
taken apart by its tokens, so that it need not be one of RHEL's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kpatch.errors import BadInput

__all__ = ["KernelRelease", "check_cve", "check_version", "module_file", "parse_release", "patch_name"]

# What the kernel's own builds (and the vendors') end a release with -> the name that rpm has for it.
_RPM_ARCH = {
    "amd64": "x86_64",
    "x86_64": "x86_64",
    "arm64": "aarch64",
    "aarch64": "aarch64",
    "ppc64el": "ppc64le",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}
_DEFAULT_ARCH = "x86_64"

# A dist tag is one dot-separated token; RHEL leaves it out of the package's name (not out of its Provides).
_DIST_TAG = re.compile(
    r"el\d+(?:_\d+)*(?:uek|a|rt)?"  # RHEL and rebuilds: el9, el9_4, el8_10, el8uek
    r"|fc\d+"  # Fedora
    r"|amzn\d+"  # Amazon Linux
    r"|(?:azl|cm)\d+"  # Azure Linux
    r"|oe\d+(?:sp\d+)?"  # openEuler
    r"|an\d+"  # Anolis
)
# What uname can hold (64 characters, linux/utsname.h) and rpm takes as a version.
_RELEASE = re.compile(r"[0-9][0-9A-Za-z._+~-]{0,63}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+~^]{0,63}")
_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")


@dataclass(frozen=True)
class KernelRelease:
    """A kernel's ``uname -r`` and its parts; made by :func:`parse_release`."""

    text: str
    """As ``uname -r`` prints it."""
    version: str
    """Before the first ``-``."""
    release: str
    """After it, ``-`` turned to ``.``, without the machine; empty for ``7.2`` and the like."""
    arch: str
    """The machine, in rpm's words."""

    @property
    def uname_r(self) -> str:
        """The value of ``kernel-uname-r``: rpm allows one ``-`` in a version.

        >>> parse_release("6.1.0-56-amd64").uname_r
        '6.1.0-56.amd64'
        """
        version, dash, rest = self.text.partition("-")
        return version + dash + rest.replace("-", ".")

    @property
    def version_release(self) -> str:
        """V-R, without the machine.

        >>> parse_release("5.14.0-427.13.1.el9_4.x86_64").version_release
        '5.14.0-427.13.1.el9_4'
        """
        return f"{self.version}-{self.release}" if self.release else self.version

    @property
    def name_part(self) -> str:
        """What stands for this kernel in the name of a package.

        >>> parse_release("6.1.0-56-amd64").name_part
        '6_1_0-56'
        >>> parse_release("5.14.0-427.13.1.el9_4.x86_64").name_part
        '5_14_0-427_13_1'
        >>> parse_release("4.18.0-553.el8_10.x86_64").name_part
        '4_18_0-553'
        >>> parse_release("6.1.134-150.224.amzn2023.x86_64").name_part
        '6_1_134-150_224'
        >>> parse_release("6.6.1-1.el9.elrepo.x86_64").name_part
        '6_6_1-1_elrepo'
        """
        # In el9+64k the variant of the kernel stands after the dist tag.
        tokens = self.release.replace("+", ".+").split(".")
        named = [token for token in tokens if not _DIST_TAG.fullmatch(token)] or tokens
        parts = [self.version, ".".join(named).replace(".+", "+")]
        return "-".join(re.sub(r"[^A-Za-z0-9_]", "_", part) for part in parts if part)


def parse_release(text: str) -> KernelRelease:
    """Take a kernel release apart; raises :class:`BadInput` for what no package can be keyed to.

    >>> parse_release("6.14.0-63.fc42.x86_64")
    KernelRelease(text='6.14.0-63.fc42.x86_64', version='6.14.0', release='63.fc42', arch='x86_64')
    >>> parse_release("6.1.0-56-rt-amd64").release
    '56.rt'
    >>> parse_release("5.14.0-427.el9.aarch64+64k").release
    '427.el9+64k'
    """
    if not _RELEASE.fullmatch(text):
        raise BadInput(
            f"{text!r} is no kernel release that a package can be keyed to", "give what `uname -r` prints there"
        )
    version, _, rest = text.partition("-")
    tokens = [token for token in re.split(r"[.-]", rest) if token]
    arch = _DEFAULT_ARCH
    if tokens:
        machine, plus, variant = tokens[-1].partition("+")
        if machine in _RPM_ARCH:
            arch = _RPM_ARCH[machine]
            tokens.pop()
            if tokens and variant:
                tokens[-1] += plus + variant
            elif variant:
                tokens.append(variant)
    return KernelRelease(text, version, ".".join(tokens), arch)


def patch_name(kernel: KernelRelease) -> str:
    """The name of the patch package of ``kernel``.

    >>> patch_name(parse_release("6.1.0-56-amd64"))
    'kpatch-patch-6_1_0-56'
    """
    return f"kpatch-patch-{kernel.name_part}"


def module_file(kernel: KernelRelease, version: str, release: str) -> str:
    """The file name of release ``version-release`` of the patch for ``kernel``; every release has its own.

    >>> module_file(parse_release("6.1.0-56-amd64"), "1", "2")
    'kpatch-6_1_0-56-1-2.ko'
    """
    return f"kpatch-{kernel.name_part}-{version}-{release}.ko"


def check_version(text: str, what: str = "version") -> str:
    """``text`` when rpm takes it as a version or release (no ``-``); raises :class:`BadInput` otherwise."""
    if not _VERSION.fullmatch(text):
        raise BadInput(f"{text!r} cannot be the {what} of an RPM", "use letters, digits and . _ + ~ ^ only")
    return text


def check_cve(text: str) -> str:
    """``text`` when it is a CVE identifier; raises :class:`BadInput` otherwise.

    >>> check_cve("CVE-2024-1086")
    'CVE-2024-1086'
    """
    if not _CVE.fullmatch(text):
        raise BadInput(f"{text!r} is no CVE identifier", "write it as CVE-2024-1086")
    return text
