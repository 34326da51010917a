"""What all tests share: no clocks in property tests, no logging left behind, and how workers are dealt the modules."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest

from kpatch.log import logger

# A loaded machine is no failure: what must be quick is measured in bench/.
hypothesis.settings.register_profile("kpatch", deadline=None)
hypothesis.settings.load_profile("kpatch")

# Modules of virtual-machine tests by the time that they take; every other module is quicker than these.
LONGEST_FIRST = ("test_scenarios", "test_doors", "test_installroot", "test_core", "test_guest")


def rank(item: pytest.Item) -> int:
    """Place of ``item``'s module in the order of starting."""
    name = item.path.stem
    return LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With workers, the long modules first; alone, in the order of the directories: unit tests before machines."""
    if hasattr(config, "workerinput"):
        items.sort(key=rank)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command that a test ran in this process has set up logging; the next test knows nothing of it."""
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logger.propagate = propagate
