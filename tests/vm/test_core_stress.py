"""The core module under stress, short; ``python -m bench stress`` does it as often as it is told."""

from __future__ import annotations

import pytest

from tests.vm import stress
from tests.vm.target import Target

pytestmark = [pytest.mark.vm, pytest.mark.slow]


# Each waits for busy callers to be elsewhere: seconds, when a virtual machine has one thread for all its processors.
SWITCHES = 20


def test_switches_under_load(target: Target) -> None:
    stress.run(target.kernel, target.modules, SWITCHES, timeout=600)
