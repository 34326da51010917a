"""The patched machine: store, context guard, apply engine (stdlib only, Python 3.6)."""
