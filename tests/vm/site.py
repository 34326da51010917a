"""A published repository and the guests that subscribe to it; what tests ask of a guest about its patches."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import TracebackType

from tests.vm.chain import Chain, PatchRelease
from tests.vm.guest import Guest
from tests.vm.httpd import Server

__all__ = ["ORIGINAL", "V1", "V2", "Site", "loaded_patches", "patched_lines"]

ORIGINAL = ["VmallocChunk", "Percpu"]
V1 = ["VMALLOCCHUNK", "Percpu"]
V2 = ["VMALLOCCHUNK", "PERCPU"]


class Site:
    """The repository that ``chain`` publishes, served over http while the context lasts."""

    def __init__(self, chain: Chain, directory: Path) -> None:
        self.chain = chain
        self.repo = directory / "repo"
        self.repo.mkdir(parents=True)
        self._server = Server(directory)

    @property
    def url(self) -> str:
        """The repository's address as a guest sees it."""
        return f"{self._server.url}/repo"

    @property
    def package(self) -> str:
        """The name of the kernel's patch package."""
        return f"kpatch-patch-{self.chain.name_part}"

    def module_name(self, release: PatchRelease) -> str:
        """What the kernel calls the module of ``release``."""
        return f"kpatch_{self.chain.name_part}_1_{release.number}".replace("-", "_")

    def __enter__(self) -> Site:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, traceback)

    def publish(self, *rpms: Path) -> None:
        """Add ``rpms`` and sign."""
        self.chain.publish(self.repo, *rpms)

    def attach(self, guest: Guest) -> None:
        """Subscribe ``guest``: packages and metadata must bear the publisher's signature."""
        guest.put(
            "/etc/yum.repos.d/kpatch.repo",
            f"[kpatch]\nname=hot patches\nbaseurl={self.url}\ngpgcheck=1\nrepo_gpgcheck=1\n"
            f"gpgkey={self.url}/repodata/repomd.xml.key\nmetadata_expire=1\n",
        )


def patched_lines(guest: Guest) -> list[str]:
    """The names of the lines of /proc/meminfo that the example patches change, as the kernel writes them now."""
    return re.findall(r"^(vmallocchunk|percpu):", guest.read("/proc/meminfo"), re.IGNORECASE | re.MULTILINE)


def loaded_patches(guest: Guest) -> list[str]:
    """Names of the patches that are active, from the core module itself; empty when there is no core module."""
    listed = guest.run("grep -l 1 /sys/kernel/kpatch/*/enabled 2>/dev/null", check=False).stdout.split()
    active = sorted(path.split("/")[-2] for path in listed)
    if guest.run("test -x /usr/sbin/kpatch", check=False).status == 0:
        told = json.loads(guest.run("kpatch list --json").stdout)["loaded"]
        assert sorted(patch["name"] for patch in told if patch["active"]) == active, f"kpatch list says {told}"
    return active
