"""How a run with several workers is dealt out: what takes longest starts first."""

from __future__ import annotations

import pytest

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
