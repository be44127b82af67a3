"""For tests: a mail server on 127.0.0.1 that answers as it is told to, and a notice to send."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

from gateway.contracts import Write

LOST = object()
"""Instead of an answer: the connection breaks."""


@dataclass
class MailServer:
    """``answers``: command → what it says next to it, instead of yes; ``mails``: what it has taken."""

    port: int = 0
    tls: ssl.SSLContext | None = None
    from_start: bool = False
    utf8: bool = True
    answers: dict[str, list[Any]] = field(default_factory=dict)
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, str]] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # closed: the test is over
                return
            with connection:
                connection.settimeout(5)
                try:
                    if self.from_start and self.tls is not None:
                        with self.tls.wrap_socket(connection, server_side=True) as safe:
                            self.talk(safe, True)
                    else:
                        self.talk(connection, False)
                except (OSError, EOFError):
                    continue

    def talk(self, connection: Any, encrypted: bool) -> None:
        file = connection.makefile("rb")
        sender, to = "", ""
        if not encrypted or self.from_start:
            self.say(connection, "220 here")
        while line := file.readline().decode().strip():
            word, _, rest = line.partition(" ")
            word = word.upper()
            if self.answers.get(word):
                answer = self.answers[word].pop(0)
                if answer is LOST:
                    return
                self.say(connection, answer)
            elif word == "EHLO":
                offers = ["here", "AUTH PLAIN", *(["SMTPUTF8"] if self.utf8 else [])]
                offers += ["STARTTLS"] if self.tls is not None and not encrypted else []
                self.say(connection, *(f"250-{one}" for one in offers[:-1]), f"250 {offers[-1]}")
            elif word == "STARTTLS" and self.tls is not None:
                self.say(connection, "220 go on")
                with self.tls.wrap_socket(connection, server_side=True) as safe:
                    self.talk(safe, True)
                return
            elif word == "AUTH":
                _, user, password = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")
                self.logins.append((user, password))
                self.say(connection, "235 welcome")
            elif word == "MAIL":
                sender = rest.partition("<")[2].partition(">")[0]
                self.say(connection, "250 yes")
            elif word == "RCPT":
                to = rest.partition("<")[2].partition(">")[0]
                self.say(connection, "250 yes")
            elif word == "DATA":
                self.say(connection, "354 go on")
                body = b""
                while (part := file.readline()) != b".\r\n":
                    if not part:
                        return
                    body += part.removeprefix(b".") if part.startswith(b"..") else part
                self.mails.append(BytesParser(policy=default).parsebytes(body.replace(b"\r\n", b"\n")))
                self.envelopes.append((sender, to))
                self.encrypted.append(encrypted)
                taken = self.answers["taken"].pop(0) if self.answers.get("taken") else "250 taken"
                if taken is LOST:
                    return
                self.say(connection, taken)
            elif word == "QUIT":
                self.say(connection, "221 bye")
                return
            else:
                self.say(connection, "250 yes")

    @staticmethod
    def say(connection: Any, *lines: str) -> None:
        connection.sendall("".join(f"{line}\r\n" for line in lines).encode())


@contextmanager
def started(server: MailServer) -> Iterator[MailServer]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.port = listener.getsockname()[1]
        thread = threading.Thread(target=server.serve, args=(listener,), daemon=True)
        thread.start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def notice(key: str = "notice:1:rep:0", **fields: Any) -> Write:
    told = {"to": "rep@example.com", "subject": "New lead: Ann", "text": "Ann is yours.", "at": "2026-11-23T08:00:00Z"}
    return Write(key=key, object="notice", record=None, fields=told | fields, create=True)
