"""What patch authors are told when the interface does not do what they ask for."""

from __future__ import annotations

import pytest

from kpatch.build.differences import warn_of_interface
from kpatch.diff.result import ChangedFunction, DiffResult


@pytest.mark.parametrize(("interface", "told"), [("core", False), ("livepatch", True)])
def test_force_has_no_meaning_for_livepatch(interface: str, told: bool, caplog: pytest.LogCaptureFixture) -> None:
    functions = [ChangedFunction("calm", 1, 1, "calm"), ChangedFunction("busy", 1, 1, "busy", force=True)]
    warn_of_interface(interface, [DiffResult(changed_functions=functions)])
    assert [record.getMessage() for record in caplog.records if "busy" in record.getMessage()] == (
        ["warning: livepatch waits until nobody is in busy: it knows no force"] if told else []
    )
    assert "calm" not in caplog.text
