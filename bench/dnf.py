"""What the plugin costs a transaction that has nothing to do with hot patches, in a guest with the stock kernel."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from tests.vm.chain import Chain
from tests.vm.guest import Guest
from tests.vm.image import guest_image
from tests.vm.kernels import stock_kernel
from tests.vm.rpms import build_rpm
from tests.vm.site import Site

REPEATS = 9
MEANINGS = {
    "dnf.without_plugin_ms": "reinstalling an unrelated RPM with dnf --disableplugin=kpatch, in a guest (median)",
    "dnf.plugin_added_ms": "what the enabled plugin adds to it (median of the pairs' differences)",
}
EXPLANATION = """## dnf

`dnf.*` are whole dnf processes in the guest, under emulation; with and without the plugin in turn, so that both see
the same caches. A negative figure means that the difference drowns in the noise of the machine.
"""

_SPEC = """
Name: bystander
Version: 1
Release: 1
Summary: Has nothing to do with hot patches
License: GPL-2.0-only
BuildArch: noarch

%description
An RPM without files.

%files
"""


def _milliseconds(guest: Guest, options: str) -> float:
    command = f"dnf -y -q --setopt=metadata_expire=never --setopt=keepcache=1 {options} reinstall bystander"
    script = f"a=$(date +%s%N); {command} >/dev/null 2>&1 || exit 1; b=$(date +%s%N); echo $(((b-a)/1000))"
    return int(guest.run(script).stdout) / 1000


def measure() -> dict[str, float]:
    """Reinstall one RPM in turn with and without the plugin."""
    kernel = stock_kernel()
    with tempfile.TemporaryDirectory(prefix="kpatch-bench-") as name:
        work = Path(name)
        chain = Chain(kernel, work)
        bystander = build_rpm(_SPEC, work / "bystander")
        with Site(chain, work / "site") as site, Guest(guest_image(kernel), "bench") as guest:
            site.publish(*chain.base_rpms())
            chain.publish(site.repo, bystander, sign_rpms=True)
            guest.boot()
            site.attach(guest)
            guest.run(f"dnf -y install {site.package} bystander")
            _milliseconds(guest, "")
            pairs = []
            for number in range(REPEATS):
                turns = ("", "--disableplugin=kpatch") if number % 2 else ("--disableplugin=kpatch", "")
                pairs.append({options: _milliseconds(guest, options) for options in turns})
    plain = statistics.median(pair["--disableplugin=kpatch"] for pair in pairs)
    added = statistics.median(pair[""] - pair["--disableplugin=kpatch"] for pair in pairs)
    return {"dnf.without_plugin_ms": round(plain, 1), "dnf.plugin_added_ms": round(added, 1)}
