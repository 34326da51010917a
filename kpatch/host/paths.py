"""Every path that the patched machine's side reads or writes, named once.

All hang below one root, so that another root (an image, a test's tree) is one argument.
"""

import os
from typing import List

from kpatch.errors import KpatchError

__all__ = ["CORE_MODULE", "Paths"]

CORE_MODULE = "kpatch"
"""Name of the core module, as /proc/modules shows it."""


class Paths:
    """The paths of one machine; ``root`` is ``/`` for the machine that we run on."""

    def __init__(self, root: str = "/") -> None:
        self.root = os.path.abspath(root)
        self.run_dir = self.under("run/kpatch")
        self.lock = self.under("run/kpatch/lock")
        self.state = self.under("run/kpatch/state.json")
        self.core_sysfs = self.under("sys/kernel/kpatch")
        self.livepatch_sysfs = self.under("sys/kernel/livepatch")
        self.module_sysfs = self.under("sys/module")
        self.modules = self.under("proc/modules")
        self.cmdline = self.under("proc/cmdline")
        self.package_store = self.under("usr/lib/kpatch")
        self.admin_store = self.under("var/lib/kpatch")

    def under(self, relative: str) -> str:
        """``relative`` (no leading slash) below the root."""
        return os.path.join(self.root, relative)

    def shown(self, path: str) -> str:
        """``path`` as a process inside the root sees it."""
        return path if self.is_host else "/" + os.path.relpath(path, self.root)

    @property
    def is_host(self) -> bool:
        """Is this the file tree that we run in, not another root?"""
        return self.root == "/"

    @property
    def release(self) -> str:
        """Release of the running kernel, what ``uname -r`` prints."""
        path = self.under("proc/sys/kernel/osrelease")
        try:
            with open(path) as stream:
                return stream.read().strip()
        except OSError as error:
            if self.is_host:
                return os.uname().release
            raise KpatchError(
                "cannot tell the running kernel: {}: {}".format(path, error.strerror),
                "name a kernel release with -k",
            ) from error

    def stores(self, release: str) -> List[str]:
        """Directories with the patches for ``release``: of RPM packages, then of ``kpatch install``."""
        return [os.path.join(self.package_store, release), os.path.join(self.admin_store, release)]

    def core_modules(self, release: str) -> List[str]:
        """Where the core module may lie when modprobe does not find it, in the order to try."""
        return [
            self.under("usr/local/lib/kpatch/{}/kpatch.ko".format(release)),
            self.under("usr/lib/kpatch/{}/kpatch.ko".format(release)),
            self.under("usr/lib/modules/{}/extra/kpatch/kpatch.ko".format(release)),
        ]
