"""Version order, held against rpm itself."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpatch import version

VERSIONS = ["1", "1.0", "1.0~rc1", "1.0^git1", "1.0^", "1.0.1", "1.0a", "10", "9", "1a", "1.1", "1.01"]
VERSIONS += ["2~~", "2~", "2", "2~^", "2^~", "a", "b", "427.13.1", "427.13", "1..2", "1.2."]


def test_compare_agrees_with_rpm() -> None:
    rpm = pytest.importorskip("rpm", reason="python3-rpm is the oracle")
    for left, right in itertools.product(VERSIONS, VERSIONS):
        expected = rpm.labelCompare(("0", left, "1"), ("0", right, "1"))
        assert version.compare(left, right) == expected, f"{left} against {right}"


def test_separators_do_not_count() -> None:
    assert version.compare("1.0", "1_0") == 0


@given(*[st.text(alphabet="0123456789abAB.~^_+", min_size=1, max_size=8)] * 2)
def test_versions_compare_as_rpm_does(one: str, other: str) -> None:
    rpm = pytest.importorskip("rpm")
    expected = rpm.labelCompare(("0", one, "1"), ("0", other, "1"))
    assert version.compare(one, other) == expected
