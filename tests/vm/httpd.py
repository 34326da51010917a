"""A directory served over http on the loopback, so that a guest's dnf has a real repository to talk to."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from tests.vm.guest import HOST

__all__ = ["Server"]


class _Handler(SimpleHTTPRequestHandler):
    server: _RecordingServer

    def log_message(self, format: str, *args: object) -> None:
        """Keep what was asked for instead of printing it."""
        self.server.requests.append(format % args)


class _RecordingServer(ThreadingHTTPServer):
    daemon_threads = True
    requests: list[str]


class Server:
    """Serves ``directory`` while the context lasts; ``url`` is its address as a guest sees it."""

    def __init__(self, directory: Path) -> None:
        self._server = _RecordingServer(("127.0.0.1", 0), partial(_Handler, directory=str(directory)))
        self._server.requests = []
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Base address, without a slash at the end."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    @property
    def requests(self) -> list[str]:
        """What was asked for, in order."""
        return list(self._server.requests)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
