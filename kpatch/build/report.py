"""Everything about one build as plain data, for ``--json``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kpatch import __version__
from kpatch.build.anchor import Anchored
from kpatch.build.differences import Diffed
from kpatch.build.parts import Made
from kpatch.build.request import BuildRequest
from kpatch.build.target import Target

__all__ = ["make_report"]


def make_report(
    request: BuildRequest, target: Target, units: Sequence[Diffed], made: Made, module: Path, seconds: dict[str, float]
) -> dict[str, Any]:
    """``units``: all of them, also those whose code does not change; ``seconds``: of each stage."""
    changed = iter(made.anchored)
    return {
        "format": 1,
        "kpatch_build": __version__,
        "module": str(module),
        "name": made.parts.name,
        "kernel": {
            "release": target.files.release,
            "version": target.facts.image.uts_version,
            "image": str(target.files.image),
        },
        "patches": [str(patch) for patch in request.patches],
        "replace": request.replace,
        "interface": request.interface,
        "cves": list(request.cves),
        "checksum": made.parts.checksum,
        "objects": [
            _object_report(unit, next(changed) if unit.diff.out is not None else Anchored()) for unit in units
        ],
        "seconds": seconds,
    }


def _object_report(unit: Diffed, anchored: Anchored) -> dict[str, Any]:
    return {
        **unit.diff.to_json(),
        **anchored.to_json(),
        "path": unit.affected.path,
        "sources": list(unit.affected.reasons),
    }
