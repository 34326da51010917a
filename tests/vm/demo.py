"""``make demo``: a source diff becomes a hot patch that ``dnf update`` puts into a running stock kernel."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.vm.chain import EXAMPLES, Chain, PatchRelease
from tests.vm.guest import Guest
from tests.vm.image import GuestImage, guest_image
from tests.vm.kernels import stock_kernel
from tests.vm.site import Site, loaded_patches

__all__ = ["main"]

DIFF = EXAMPLES / "meminfo-string.patch"
LOOK = "grep -i ^vmallocchunk /proc/meminfo"


class Demo:
    """Runs the steps one after the other and remembers what each took."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self.times: list[tuple[str, float]] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One row of the final table; a spinner with a clock while it runs."""
        started = time.monotonic()
        if self.console.is_terminal:
            with self.console.status(f"{title} ..."):
                yield
        else:
            self.console.print(f"  ... {title}")
            yield
        seconds = time.monotonic() - started
        self.times.append((title, seconds))
        self.console.print(f"[green]done[/] {title} [dim]({seconds:.1f} s)[/]")

    def table(self) -> Table:
        """What each step took."""
        table = Table("step", "seconds", title="What it took")
        table.columns[1].justify = "right"
        for title, seconds in self.times:
            table.add_row(title, f"{seconds:.1f}")
        table.add_section()
        table.add_row("all", f"{sum(seconds for _, seconds in self.times):.1f}")
        return table

    def guest_line(self, guest: Guest, command: str, show: str = "") -> str:
        """Run ``command`` in the guest and show it, and of its output the lines with ``show`` in them."""
        output = guest.run(command).output
        self.console.print(f"[bold]guest#[/] {command}", markup=True)
        for line in output.splitlines():
            if show in line:
                self.console.print(f"       {line}", markup=False)
        return output

    def prepare(self, work: Path) -> tuple[GuestImage, Chain, PatchRelease]:
        """The kernel, the guest, and everything that is not the patch itself."""
        with self.step("fetch and unpack the distribution's newest 6.1 kernel"):
            kernel = stock_kernel()
        self.console.print(f"       {kernel.release}: image, headers and source as the distribution ships them")
        with self.step("make the guest: dnf, rpm and systemd around that kernel"):
            image = guest_image(kernel)
        chain = Chain(kernel, work)
        with self.step("build the core module kpatch.ko"):
            chain.core_module()
        return image, chain, PatchRelease(1, (DIFF,), ("CVE-2026-10001",))

    def run(self, work: Path) -> bool:
        """The whole way; True when the guest itself shows the patched line."""
        image, chain, patch = self.prepare(work)
        with self.step(f"kpatch-build {DIFF.relative_to(Path.cwd())}"):
            module = chain.release_module(patch)
        self.console.print(f"       {module.name}, {module.stat().st_size // 1024} KiB")
        with Site(chain, work / "site") as site, Guest(image, "demo") as guest:
            with self.step("package, sign and publish the runtime and the kernel's subscription"):
                site.publish(*chain.base_rpms())
            with self.step("boot the stock kernel in a virtual machine"):
                guest.boot()
            site.attach(guest)
            with self.step("dnf install: the guest subscribes to patches for its kernel"):
                guest.run(f"dnf -y install {site.package}")
            with self.step("package, sign and publish the hot patch"):
                site.publish(chain.patch_rpm(patch))
            return self.update(guest, site, patch)

    def update(self, guest: Guest, site: Site, patch: PatchRelease) -> bool:
        """``dnf update`` in the guest, with the patched line before and after."""
        self.guest_line(guest, "uname -r")
        before = self.guest_line(guest, LOOK)
        with self.step("dnf update: the patch goes into the running kernel"):
            update = guest.run("dnf -y update").output
        told = [line for line in update.splitlines() if line.startswith("kpatch: ")]
        self.console.print("[bold]guest#[/] dnf -y update")
        for line in told:
            self.console.print(f"       {line}", markup=False)
        after = self.guest_line(guest, LOOK)
        self.guest_line(guest, "kpatch list")
        guest.assert_clean_log()
        active = loaded_patches(guest) == [site.module_name(patch)]
        return active and before.startswith("VmallocChunk:") and after.startswith("VMALLOCCHUNK:")


def main() -> int:
    """Exit status 0 only when the guest has shown the patched line."""
    demo = Demo()
    with tempfile.TemporaryDirectory(prefix="kpatch-demo-") as name:
        patched = demo.run(Path(name))
    demo.console.print(demo.table())
    if patched:
        demo.console.print("[bold green]The running kernel is patched; it was never restarted.[/]")
        return 0
    demo.console.print("[bold red]The guest does not show the patched line.[/]")
    return 1


if __name__ == "__main__":
    sys.exit(main())
