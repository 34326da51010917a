"""Run the measurements, write build/bench.json, refresh docs/results.md.

``python -m bench [NAME...]`` runs some of them only; what was measured before stays.
"""

from __future__ import annotations

import datetime
import importlib
import json
import os
import platform
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
OUTPUT = TOP / "build" / "bench.json"
PAGE = TOP / "docs" / "results.md"
#: in the order in which they run; the ones that need a quiet machine first
MODULES = ("build", "diff", "core", "dnf", "fixes", "stress")
#: only when they are asked for by name
LONG = ("stress",)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def _page(values: dict[str, float], meanings: dict[str, str]) -> str:
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    rows = "".join(f"| `{key}` | {values[key]:g} | {meanings.get(key, '')} |\n" for key in sorted(values))
    return f"""# Results

Measured by `make bench` on {os.cpu_count()} cores ({platform.machine()}), last on {today}. Figures that are compared
are taken side by side in one run. `python -m bench NAME` repeats one group.

| key | value | meaning |
|---|---|---|
{rows}
{_explanations()}"""


def _explanations() -> str:
    texts = [getattr(importlib.import_module(f"bench.{name}"), "EXPLANATION", "") for name in MODULES]
    return "\n".join(text for text in texts if text)


def main(names: list[str]) -> int:
    """Run the measurements called ``names`` (all when empty)."""
    unknown = [name for name in names if name not in MODULES]
    if unknown:
        print(f"bench: no measurement is called {', '.join(unknown)}; there are {', '.join(MODULES)}", file=sys.stderr)
        return 1
    values: dict[str, float] = json.loads(OUTPUT.read_text()) if OUTPUT.exists() else {}
    meanings: dict[str, str] = {}
    for name in MODULES:
        module = importlib.import_module(f"bench.{name}")
        meanings.update(module.MEANINGS)
        if name not in names and (names or name in LONG):
            continue
        print(f"bench: {name}", flush=True)
        measured = module.measure()
        if measured:  # a reason of refusals, say, may have gone
            values = {key: value for key, value in values.items() if key not in module.MEANINGS}
        values.update(measured)
        for key, value in sorted(measured.items()):
            print(f"  {key} = {value:g}", flush=True)
        _write(OUTPUT, json.dumps(values, indent=2, sort_keys=True) + "\n")
    _write(PAGE, _page(values, meanings))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
