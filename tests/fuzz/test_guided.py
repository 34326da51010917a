"""Damage that coverage leads, as a process of its own with 1 GiB of memory and 10 seconds for each input."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden.corpus import TOP

SECONDS = int(float(os.environ.get("KPATCH_FUZZ_SECONDS", "60")))


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("atheris"), reason="needs atheris (Python 3.11 to 3.13 on x86_64)")
def test_no_input_ends_with_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.guided", "--seconds", str(SECONDS), "--output", str(tmp_path)]
    done = subprocess.run(
        command, cwd=TOP.parents[1], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS + 300
    )
    assert done.returncode == 0, f"the input is kept in {tmp_path}:\n{done.stdout[-5000:]}"
    tried = re.search(r"^stat::number_of_executed_units: (\d+)$", done.stdout, re.M)
    assert tried, done.stdout[-5000:]
    print(f"{tried[1]} inputs")
