"""The core module under stress, short; ``python -m bench core`` does it 10,000 times."""

from __future__ import annotations

import pytest

from tests.vm import stress
from tests.vm.target import Target

pytestmark = [pytest.mark.vm, pytest.mark.slow]


@pytest.mark.parametrize("append", ["", "preempt=full"], ids=["default", "preempted"])
def test_switches_under_load(target: Target, append: str) -> None:
    stress.run(target.kernel, target.modules, 200, timeout=600, append=append)
