"""Whose programs compile and link: this machine's, or those of a chroot of the kernel's own release.

Each program in a chroot is started in a mount namespace of its own, which ends with it: no mount is
left behind, however the run ends.  The chroot itself is the lower layer of an overlay and is never
written to.  Uses ``unshare``, ``mount`` and ``chroot`` of this machine; needs root.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from kpatch.elf import const as c
from kpatch.errors import BadInput, RunError
from kpatch.kernel.release import inside_root
from kpatch.run import INHERITED, Completed, PathLike, run

__all__ = ["HOST", "Buildroot", "Toolchain"]

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = {"HOME": "/", "PATH": _PATH}
"""What a program in a chroot gets to know besides the language; of ours nothing."""

# $1: root, then directories and files to show at the same place, "--", the command in the chroot.
# What is mounted over its /tmp holds the overlay's upper layer; within the overlay /tmp is the chroot's again.
_ENTER = """
set -e
root=$1
shift
cd "$root"
mount -t tmpfs -o mode=755 tmpfs tmp
mkdir tmp/upper tmp/work
mount -t overlay -o lowerdir=.,upperdir=tmp/upper,workdir=tmp/work overlay "$root"
for kept in /proc /dev; do mkdir -p "$root$kept"; mount --rbind $kept "$root$kept"; done
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then
        mkdir -p "$root$1"
    elif [ ! -e "$root$1" ]; then
        mkdir -p "$root${1%/*}"
        : >"$root$1"
    fi
    mount --bind "$1" "$root$1"
    shift
done
shift
exec chroot "$root" "$@"
"""


class Toolchain:
    """The programs of this machine."""

    identity = ""
    """Differs where host tools that were built with one toolchain may not run with the other."""
    where = "here"
    """For messages: "no compiler is installed here"."""
    root = Path("/")

    def run(
        self,
        argv: Sequence[PathLike],
        cwd: PathLike | None = None,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        also: Sequence[Path] = (),
    ) -> Completed[str]:
        """As :func:`kpatch.run.run`, with this toolchain's programs; they must see the files ``also``, too."""
        return run(argv, cwd=cwd, check=check, env=env)

    def has(self, program: str) -> bool:
        """Whether ``program`` (a name) can be run."""
        path = os.environ.get("PATH", _PATH)
        return any(os.access(os.path.join(directory, program), os.X_OK) for directory in path.split(":"))


HOST = Toolchain()


class Buildroot(Toolchain):
    """The programs of the system below ``root``; ``shown``: directories that they see under the same name."""

    def __init__(self, root: Path, shown: Sequence[Path]) -> None:
        """Raises :class:`BadInput` when ``root`` is not a system that can be entered."""
        self.root = root.absolute()
        self.where = f"in {root}"
        self._shown = [path.absolute() for path in shown]
        self._check()
        self.identity = self._identity()

    def run(
        self,
        argv: Sequence[PathLike],
        cwd: PathLike | None = None,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        also: Sequence[Path] = (),
    ) -> Completed[str]:
        """Run ``argv`` in the chroot; paths below the shown directories, and ``also``, mean the same in there."""
        enter: list[PathLike] = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, "sh", self.root]
        start = [
            "/bin/sh",
            "-c",
            f'unset {" ".join(sorted(INHERITED - {*_ENVIRONMENT}))}; cd "$0" && exec "$@"',
            cwd or "/",
        ]
        command = [*enter, *self._shown, *also, "--", *start, *argv]
        return run(command, check=check, env={**_ENVIRONMENT, **(env or {})}, shown=argv)

    def has(self, program: str) -> bool:
        """Whether ``program`` (a name) is installed in the chroot."""
        places = (inside_root(self.root, f"{directory}/{program}") for directory in _PATH.split(":"))
        return any(place.is_file() for place in places)

    def _check(self) -> None:
        if not self.root.is_dir():
            raise BadInput(f"{self.root} is not a directory", "make it with mmdebstrap, or with mock on RPM systems")
        shell = inside_root(self.root, "bin/sh")
        if not shell.is_file():
            raise BadInput(
                f"{self.root} is not the root directory of a system: it has no bin/sh",
                "make it with mmdebstrap, or with mock on RPM systems (docs/publishing.md)",
            )
        machine = _machine(shell)
        if machine != c.EM_X86_64:
            raise BadInput(
                f"{self.root} is a system for another machine (ELF machine {machine}), the kernel is for x86_64",
                "make the build root for amd64 (mmdebstrap --architectures=amd64, mock -r ...-x86_64)",
            )
        if os.geteuid() != 0:
            raise BadInput("only root can enter a build root", "run kpatch-build as root")
        done = self.run(["true"], check=False)
        if done.returncode != 0:
            raise RunError(
                f"cannot enter {self.root}:\n{done.stderr.strip()}",
                "mounting must be allowed: in a container it needs CAP_SYS_ADMIN; and the kernel must know overlay",
            )

    def _identity(self) -> str:
        release = inside_root(self.root, "etc/os-release")
        text = release.read_text("utf-8", "replace") if release.is_file() else str(self.root)
        return text + self.run(["ld", "--version"], check=False).stdout.partition("\n")[0]


def _machine(program: Path) -> int:
    """``e_machine`` of the ELF file ``program``; 0 when it is none."""
    with open(program, "rb") as file:
        head = file.read(20)
    return struct.unpack_from("<H", head, 18)[0] if head[:4] == b"\x7fELF" and len(head) == 20 else 0
