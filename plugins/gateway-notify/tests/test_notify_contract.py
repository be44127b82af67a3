"""What the gateway asks of every sink, asked of those that bring messages to people: mail servers and chats."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from gateway_notify import ChatSettings, ChatSink, MailAccount, MailSettings, MailSink
from gateway_notify.testing import LOST, MailServer, started

from gateway.contracts import NOTICE, Connection, Context, Secret, Sink
from gateway.testing import ConnectionContract, FakeApi, FakeSystem, Reply, Request, SinkContract

AT = "2026-06-01T12:00:00Z"
SAID_ONCE = "a message is said once, and never changed"
PASSWORD, PLACE = "mail-s3cret", "T0/chat-s3cret"
UNCHANGED = dict.fromkeys(("test_an_update_keeps_its_record", "test_none_clears_and_absent_does_not"), SAID_ONCE)
LOSSES = (
    "test_a_line_cut_before_the_call_loses_nothing",
    "test_a_line_cut_after_the_call_doubles_nothing",
    "test_an_answer_that_is_none_doubles_nothing",
    "test_a_call_that_hangs_ends_by_itself",
    "test_a_busy_system_is_asked_again",
)


class Notices(SinkContract):
    object, text, many = NOTICE, "text", 20

    def fields(self, number: int) -> Mapping[str, Any]:
        return {"to": f"p{number}@example.com", "subject": f"No. {number}", "text": f"Ann {number} is yours.", "at": AT}

    def test_a_message_comes_through_trouble(self) -> None:
        """Said again, whatever happened to it: it stands there, and is not lost."""
        for number, fault in enumerate(("busy", "cut before", "cut after"), 1):
            made = self.write(number)
            self.fake.fail(fault)  # type: ignore[arg-type]
            [call] = self._sink().calls([made])
            [told] = self._receipts(self._sink(), call).values()
            assert told.result in ("retry", "unknown"), fault
            told = self._deliver(self._sink(), [made])[made.key]
            self._stands(told.record, made.fields)


class FakeChat(FakeApi):
    """It shows what it was sent, under our key where the message has it in its subject."""

    def answer(self, request: Request) -> Reply:
        if request.path != f"/hooks/{PLACE}":
            return Reply(404)
        said = request.json()
        if len(said["text"]) > 4_000:
            return Reply(400, b"msg_too_long")
        number = said["subject"].removeprefix("No. ")
        self.put(NOTICE, f"{int(number):032x}", said | {"to": f"p{number}@example.com", "at": AT})
        return Reply(200, b"ok")


class TestChat(Notices):
    schema, secrets, longest = ChatSettings, (PLACE,), 4_000
    skips = {  # noqa: RUF012
        **UNCHANGED,
        **dict.fromkeys(LOSSES, "a message is no record that is updated; the check for messages stands here"),
        "test_a_value_too_long_is_refused_by_name": "a chat refuses a message as a whole, and does not say why",
    }

    def build(self, context: Context) -> Sink:
        body = {"subject": "{subject}", "text": "{text}"}
        url = Secret(f"{self.fake.url}/hooks/{PLACE}", "${CHAT_URL}")  # type: ignore[attr-defined]
        return ChatSink(ChatSettings().load({"url": url, "markup": "plain", "body": body}), context)

    def system(self) -> FakeSystem:
        return FakeChat()


class Post(FakeSystem):
    """A mail server. One conversation is one call; what it holds, it holds by Message-ID."""

    def __init__(self) -> None:
        self._ends = ExitStack()
        self.server = Counting()
        self._ends.enter_context(started(self.server))

    @property
    def calls(self) -> int:
        return self.server.conversations

    def fail(self, fault: Any, *, seconds: float = 0, after: int = 0) -> None:
        command, answer = {
            "limit": ("MAIL", "450 too many"),
            "busy": ("MAIL", "421 in trouble"),
            "auth": ("AUTH", "535 no"),
            "cut before": ("MAIL", LOST),
            "cut after": ("taken", LOST),
            "garbage": ("taken", "what?"),
        }[fault]
        self.server.answers.setdefault(command, []).append(answer)

    def calm(self) -> None:
        self.server.answers.clear()

    def records(self, object: str) -> Mapping[str, Mapping[str, Any]]:
        return {
            mail["Message-ID"]: {
                "to": str(mail["To"]),
                "subject": str(mail["Subject"]),
                "text": mail.get_content().rstrip("\r\n"),
                "at": mail["Date"].datetime.isoformat().replace("+00:00", "Z"),
            }
            for mail in self.server.mails
        }

    def close(self) -> None:
        self._ends.close()


class Counting(MailServer):
    conversations = 0

    def talk(self, connection: Any, encrypted: bool) -> None:
        with threading.Lock():
            self.conversations += 1
        super().talk(connection, encrypted)


def mail(fake: Post) -> Any:
    given = {"host": "127.0.0.1", "port": fake.server.port, "security": "none", "from": "leads@example.com"}
    return MailSettings().load({**given, "user": "gateway", "password": Secret(PASSWORD, "${MAIL_PASSWORD}")})


class TestMail(Notices):
    schema, secrets, longest = MailSettings, (PASSWORD,), 10_000
    skips = {  # noqa: RUF012
        **UNCHANGED,
        **dict.fromkeys(LOSSES, "a message is no record that is updated; the check for messages stands here"),
        "test_too_many_calls_cost_no_try": "a mail server says `not now` and no more, whatever the reason",
        "test_it_waits_as_long_as_the_system_says": "a mail server names no time",
        "test_a_value_too_long_is_refused_by_name": "a letter may be of any length",
    }

    def build(self, context: Context) -> Sink:
        return MailSink(mail(self.fake), context)  # type: ignore[arg-type]

    def system(self) -> FakeSystem:
        return Post()

    def refused(self) -> Mapping[str, Any]:
        """Not for its text, but for its addressee."""
        return {**self.fields(99), "to": "nobody"}


class TestMailAccount(ConnectionContract):
    schema, secrets = MailSettings, (PASSWORD,)

    def build(self, context: Context) -> Connection:
        return MailAccount(mail(self.fake), context)  # type: ignore[arg-type]

    def system(self) -> FakeSystem:
        return Post()
