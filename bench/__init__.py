"""Measurements: each module has ``measure() -> dict[str, float]`` and says what its keys mean."""
