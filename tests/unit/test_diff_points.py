"""Each point of the differ has a pair of the golden corpus that passes and one that is refused."""

from __future__ import annotations

import pytest

from tests.golden.corpus import SOURCES, items
from tests.golden.points import POINTS, compilers_of, pairs_for

ALL = [point for points in POINTS.values() for point in points]


@pytest.mark.parametrize("compiler,point", [(compiler, point) for point in ALL for compiler in compilers_of(point)])
def test_each_point_has_a_pair_that_passes_and_one_that_is_refused(compiler: str, point: str) -> None:
    assert pairs_for(point, compiler, refused=False), "no pair passes"
    assert pairs_for(point, compiler, refused=True), "no pair is refused"


def test_each_pair_shows_a_point() -> None:
    for item in items():
        shown = item.says("shows").split()
        assert shown and {*shown} <= {*ALL}, f"{item.source.name} shows {shown or 'nothing'}"
    assert {item.source for item in items()} == {*SOURCES.glob("*.c")}
