"""What the engine did since boot: JSON in /run, written beside and renamed.

It tells a patch that the engine loaded (and may unload when its package goes) from one that somebody loaded by hand.
"""

import json
import os
from typing import Any, Dict, List, NamedTuple

from kpatch.host.files import write_beside
from kpatch.host.modinfo import ModInfo
from kpatch.host.paths import Paths
from kpatch.log import logger

__all__ = ["Known", "State"]

_FORMAT = 1


class Known(NamedTuple):
    """A loaded module of which we know the file; ``managed``: it came from the store, the engine may unload it."""

    checksum: str
    cves: List[str]
    managed: bool


class State:
    """The state file of one machine; :meth:`save` writes it only when something changed."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self.known: Dict[str, Known] = {}
        self.failures: Dict[str, str] = {}
        self.retrying = False
        try:
            with open(paths.state) as stream:
                self._parse(json.load(stream))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            # Forgetting is safe: the engine then unloads nothing that it cannot prove to be its own.
            logger.warning("ignoring the damaged state file %s: %s", paths.state, error)
        self._read = self._dump()

    def _parse(self, document: Dict[str, Any]) -> None:
        if document["format"] != _FORMAT:
            raise ValueError("format {} is not {}".format(document["format"], _FORMAT))
        known = {
            str(name): Known(str(one["checksum"]), [str(cve) for cve in one["cves"]], bool(one["managed"]))
            for name, one in document["known"].items()
        }
        failures = {str(name): str(message) for name, message in document["failures"].items()}
        self.known, self.failures, self.retrying = known, failures, bool(document["retrying"])

    def _dump(self) -> str:
        known = {
            name: {"checksum": one.checksum, "cves": one.cves, "managed": one.managed}
            for name, one in self.known.items()
        }
        document = {"format": _FORMAT, "known": known, "failures": self.failures, "retrying": self.retrying}
        return json.dumps(document, indent=1, sort_keys=True) + "\n"

    def learn(self, info: ModInfo, managed: bool) -> None:
        """Note that the module of ``info`` is in the kernel; once managed, always managed."""
        before = self.known.get(info.module)
        managed = managed or (before is not None and before.managed and before.checksum == info.checksum)
        self.known[info.module] = Known(info.checksum, info.cves, managed)

    def save(self) -> None:
        """Write the file when its content changed; raises OSError."""
        text = self._dump()
        if text != self._read:
            os.makedirs(self._paths.run_dir, mode=0o755, exist_ok=True)
            write_beside(self._paths.state, text.encode())
            self._read = text
