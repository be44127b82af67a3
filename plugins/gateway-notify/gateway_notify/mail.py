"""Notices by e-mail. Before: the outbox, one write per message and addressee. After: the mail server's answer.

A message whose answer was lost is sent once more, for no server can be asked for what it took: with the same
Message-ID, by which mail systems know the second for the first.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from typing import Any, Literal

from email_validator import EmailNotValidError, validate_email

from gateway.contracts import NOTICE, Account, Call, Connection, Context, Receipt, Sink, Write
from gateway.errors import AccessRefused, GatewayError, Refused, TryLater

TIMEOUT = 15.0
"""Seconds for each answer of the server."""
GREYLISTED = 120.0
"""Seconds until a message that was put off is tried again: servers that do so want a few minutes."""
_AWAY = (OSError, smtplib.SMTPException)
_PLAIN, _ANY = (policy.clone(max_line_length=900) for policy in (SMTP, SMTPUTF8))
"""A subject is not cut in two: what puts it together again makes blanks of it."""
_CARRIES = {NOTICE: ("address",)}


class MailSink(Sink):
    """One message is one conversation with the server, so that a broken one leaves one message unsure."""

    carries = _CARRIES

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        """``settings`` as ``MailSettings`` loads them."""
        self._settings = settings
        self._context = context
        self._budget = context.budget
        if self._budget is not None and "per_hour" in settings:
            self._budget.allow(settings["per_hour"], timedelta(hours=1))

    def calls(self, writes: Sequence[Write]) -> Sequence[Call]:
        return [Call(title="1 e-mail", writes=(write,)) for write in writes]

    def deliver(self, call: Call) -> Iterable[Receipt]:
        return [self._sent(write) for write in call.writes]

    def _sent(self, write: Write) -> Receipt:
        try:
            to = validate_email(write.fields.get("to") or "", check_deliverability=False)
        except EmailNotValidError:
            return Receipt(key=write.key, result="rejected", code="no address", fields=("to",))
        try:
            if self._budget is not None:
                self._budget.spend(1, write.priority)
            with conversation(self._settings, self._context) as server:
                return _answered(server, write, self._settings["sender"], to.ascii_email or to.normalized)
        except TryLater as exc:
            return Receipt(key=write.key, result="limit", seconds=exc.seconds, code="limit", message=exc.reason)
        except AccessRefused as exc:
            return Receipt(key=write.key, result="auth", code="auth", message=exc.reason)
        except _AWAY as exc:  # before the message was on its way
            return Receipt(key=write.key, result="retry", code=type(exc).__name__, message="the mail server is away")


class MailAccount(Connection):
    """`gateway check --online`: does the server take us?"""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self._settings, self._context = settings, context

    @classmethod
    def mapping(cls) -> str:
        raise Refused("messages to people need no mapping file")

    def account(self) -> Account:
        if self._context.budget is not None:
            self._context.budget.spend()
        try:
            with conversation(self._settings, self._context) as server:
                server.noop()
        except _AWAY as exc:
            raise GatewayError(
                f"the mail server {self._settings['host']} does not answer: {type(exc).__name__}"
            ) from None
        return Account(id=self._settings["host"], name=self._settings["sender"])


@contextmanager
def conversation(settings: Mapping[str, Any], context: Context) -> Iterator[smtplib.SMTP]:
    """Connected, encrypted as the settings want it, logged in. Raises ``AccessRefused`` when the login is refused."""
    ca = settings.get("ca")
    tls = ssl.create_default_context(cafile=context.root / ca if ca else None)
    host, security = settings["host"], settings["security"]
    port = settings.get("port") or (465 if security == "tls" else 587)
    if security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=tls)
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT)
    try:
        if security == "starttls":
            server.starttls(context=tls)
        if "user" in settings:
            try:
                server.login(settings["user"], settings["password"].reveal())
            except smtplib.SMTPAuthenticationError as exc:
                if exc.smtp_code < 500:
                    raise
                reference = settings["password"].reference
                raise AccessRefused(f"the mail server refused the login with {reference} ({exc.smtp_code})") from None
        yield server
    finally:
        with suppress(*_AWAY):
            server.quit()
        server.close()


def _answered(server: smtplib.SMTP, write: Write, sender: str, to: str) -> Receipt:
    """What the server says to envelope and message. Its words may quote the addressee: only codes are passed on."""
    server.ehlo_or_helo_if_needed()
    message = letter(write, sender, to)
    plain = to.isascii()
    if not plain and not server.has_extn("smtputf8"):
        return Receipt(key=write.key, result="rejected", code="smtputf8", message="the server takes plain letters only")
    options = [] if plain else ["SMTPUTF8"]
    for what, (code, _) in (
        ("sender", server.mail(parseaddr(sender)[1], options)),
        ("addressee", server.rcpt(to)),
    ):
        if code not in (250, 251):
            return _refused(write, what, code)
    try:
        code, _ = server.data(message.as_bytes(policy=_PLAIN if plain else _ANY))
    except smtplib.SMTPDataError as exc:
        return _refused(write, "message", exc.smtp_code)
    except _AWAY as exc:  # it may have been taken
        return Receipt(key=write.key, result="unknown", code=type(exc).__name__)
    return (
        Receipt(key=write.key, result="done", record=str(message["Message-ID"]))
        if code == 250
        else _refused(write, "message", code)
    )


def _refused(write: Write, what: str, code: int) -> Receipt:
    """A code of 4xx means *not now*: greylisting, a full mailbox. What is no answer at all leaves a message unsure."""
    if code < 0:
        unsure: Literal["unknown", "retry"] = "unknown" if what == "message" else "retry"
        return Receipt(key=write.key, result=unsure, code="no answer", message="the mail server made no sense")
    if code == 421 or 400 <= code < 500:
        return Receipt(key=write.key, result="retry", seconds=GREYLISTED, code=str(code), message=f"{what} put off")
    return Receipt(key=write.key, result="rejected", code=str(code), message=f"the mail server refused the {what}")


def letter(write: Write, sender: str, to: str) -> EmailMessage:
    """The message. Headers are built from values without control characters, so nothing can be smuggled in."""
    name, address = parseaddr(sender)
    domain = address.rpartition("@")[2]
    message = EmailMessage(policy=_ANY)
    message["From"] = Address(name, addr_spec=address)
    local, _, host = to.rpartition("@")
    message["To"] = Address(username=local, domain=host)
    message["Subject"] = _line(write.fields.get("subject", ""))
    message["Message-ID"] = _message_id(write.key, domain)
    if thread := write.fields.get("thread"):
        message["In-Reply-To"] = message["References"] = _message_id(str(thread), domain)
    message["Date"] = format_datetime(datetime.fromisoformat(write.fields["at"]))
    message["Auto-Submitted"] = "auto-generated"  # no holiday reply, please
    message.set_content(str(write.fields.get("text", "")))
    return message


def _message_id(key: str, domain: str) -> str:
    return f"<{''.join(letter if letter.isascii() and letter.isalnum() else '.' for letter in key)}@{domain}>"


def _line(text: Any) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in str(text))
