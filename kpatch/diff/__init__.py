"""The differ: pure passes over (original, patched, out)."""
