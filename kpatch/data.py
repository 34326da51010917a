"""Where the files that are not Python lie: kernel C sources, spec templates.

In a checkout they stand beside the package; installed, under ``/usr/share/kpatch``.
Runs on Python 3.6.
"""

import os

from kpatch.errors import BadInput

__all__ = ["data_dir"]


def data_dir(name: str) -> str:
    """The directory ``name`` (``kmod``, ``specs``); ``KPATCH_DATADIR`` comes first.

    Raises :class:`BadInput` when the installation lacks it.
    """
    beside = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for top in (os.environ.get("KPATCH_DATADIR", ""), beside, "/usr/share/kpatch"):
        path = os.path.join(top, name)
        if top and os.path.isdir(path):
            return path
    raise BadInput("the data directory {!r} is missing".format(name), "install kpatch anew, or set KPATCH_DATADIR")
