"""A sandbox behind a real socket on 127.0.0.1, in a thread of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from gateway_sandbox.sandbox import Sandbox


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    # Header and body leave as two packets; without this a kept connection waits 40 ms for each.
    disable_nagle_algorithm = True

    def log_request(self, *args: Any, **kwargs: Any) -> None:
        """Calls are recorded by the sandbox itself."""

    def log_error(self, *args: Any) -> None:
        """A cut line is part of the game."""

    def send_response(self, code: int, message: str | None = None) -> None:
        """Without the server's own Date: the answer carries the sandbox's."""
        self.send_response_only(code, message)

    def setup(self) -> None:
        super().setup()
        self.server.lines.add(self.connection)  # type: ignore[attr-defined]

    def finish(self) -> None:
        self.server.lines.discard(self.connection)  # type: ignore[attr-defined]
        with contextlib.suppress(OSError):
            super().finish()


class _Server(ThreadedWSGIServer):
    request_queue_size = 128

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.lines: set[socket.socket] = set()
        super().__init__(*args, **kwargs)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A line that was cut on purpose raises in its thread; nobody needs to read that."""

    def hang_up(self) -> None:
        for line in list(self.lines):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


class Serving:
    """A running sandbox: ``url`` is what a client is given."""

    def __init__(self, app: Sandbox, port: int = 0) -> None:
        self.app = app
        self._server = _Server("127.0.0.1", port, app, handler=_Handler)
        self.port = int(self._server.server_port)
        self.url = f"http://127.0.0.1:{self.port}"
        app.url = self.url
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def hang_up(self) -> None:
        """Cut every line that is open now."""
        self._server.hang_up()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()


@contextlib.contextmanager
def serve(app: Sandbox, port: int = 0) -> Iterator[Serving]:
    """``with serve(HubSpotSandbox()) as server: … server.url``. Port 0: any free one. Raises OSError."""
    serving = Serving(app, port)
    try:
        yield serving
    finally:
        serving.close()
        app.close()
