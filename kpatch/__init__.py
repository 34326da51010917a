"""kpatch: hot patches for the running kernel, from a source diff to ``dnf update``."""

__version__ = "1.0.0"
