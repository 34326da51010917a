"""What the names of symbols tell."""

from __future__ import annotations

import pytest

from kpatch.diff.names import base_name, is_not_identity


@pytest.mark.parametrize("name", ["__UNIQUE_ID_ddebug1139", "__UNIQUE_ID_ddebug_1139", "__UNIQUE_ID_ddebug_1139.7"])
def test_pr_debug_makes_an_object_of_no_identity_however_the_kernel_spells_the_number(name: str) -> None:
    assert is_not_identity(name)


@pytest.mark.parametrize("name", ["__UNIQUE_ID_addressable_init_module12", "__UNIQUE_ID_addressable_init_module_12"])
def test_a_unique_number_is_no_part_of_the_name(name: str) -> None:
    assert base_name(name) == "__UNIQUE_ID_addressable_init_module"
