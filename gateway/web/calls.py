"""A sender's call, whichever server brought it: its method, path, query and headers. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import parse_qs, quote

import granian.rsgi

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from granian.rsgi import Scope


Gone: type[Exception] = granian.rsgi.ProtocolClosed  # type: ignore[attr-defined]
"""Who called is not there any more."""


class Call(NamedTuple):
    """``headers``: lower-case name → value; those sent twice are joined with commas. ``query``: as it was sent."""

    method: str
    path: str
    """Decoded."""
    query: str
    headers: dict[str, str]
    scheme: str
    host: str
    """As the sender calls it, unless a proxy changed it."""
    ends: bool
    """The server tells where a body ends that says no length."""
    raw_path: str = ""

    @property
    def chunked(self) -> bool:
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    def url(self, public: str | None) -> str:
        """With its query. :param public: what senders call, where a proxy changes it."""
        path = self.raw_path or quote(self.path)
        base = public or f"{self.scheme}://{self.host}"
        return f"{base}{path}?{self.query}" if self.query else base + path

    def parameters(self) -> dict[str, list[str]]:
        """The query's. Raises ``ValueError`` for one that is not readable."""
        return parse_qs(self.query, keep_blank_values=True, max_num_fields=100)


class HTTPProtocol(Protocol):
    """What our server gives with each call, as far as we use it: the body, whole or in parts, and the answer."""

    async def __call__(self) -> bytes: ...
    def __aiter__(self) -> Any: ...
    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...
    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> Any: ...


def of_server(scope: Scope) -> Call:
    """As our own server brings it."""
    headers: dict[str, str] = {}
    for name, value in scope.headers.items():
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    host = headers.get("host", scope.server)
    call = Call(scope.method, scope.path, scope.query_string, headers, scope.scheme, host, False)
    return call._replace(ends=True) if "transfer-encoding" in headers and call.chunked else call


def of_wsgi(environ: WSGIEnvironment) -> Call:
    """As any WSGI server brings it; Flask's test client is one."""
    headers = {_spelled(name): value for name, value in environ.items() if name[:5] == "HTTP_"}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[_spelled(f"HTTP_{name}")] = environ[name]
    path = environ.get("PATH_INFO", "").encode("latin-1").decode(errors="replace")
    host = headers.get("host") or str(environ.get("SERVER_NAME", ""))
    raw = environ.get("RAW_URI", "").partition("?")[0]
    query, scheme = environ.get("QUERY_STRING", ""), str(environ.get("wsgi.url_scheme", "http"))
    call = Call(environ["REQUEST_METHOD"], path, query, headers, scheme, host, False, raw)
    by_itself = call.chunked or environ.get("SERVER_PROTOCOL", "").startswith("HTTP/2")
    return call._replace(ends=bool(environ.get("wsgi.input_terminated")) and by_itself)


@lru_cache(maxsize=1024)
def _spelled(name: str) -> str:
    """A header's name from the environment's."""
    return name[5:].replace("_", "-").lower()
