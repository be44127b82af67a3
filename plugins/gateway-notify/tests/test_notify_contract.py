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
PASSWORD, PLACE = "mail-s3cret", "T0/chat-s3cret"
SLOW = "no answer"
UNASKED = "no chat can be asked what it took: a message whose answer was lost is said once more"


class Notices(SinkContract):
    object, text, many, once = NOTICE, "text", 20, True

    def fields(self, number: int) -> Mapping[str, Any]:
        return {"to": f"p{number}@example.com", "subject": f"No. {number}", "text": f"Ann {number} is yours.", "at": AT}


class FakeChat(FakeApi):
    """It shows what it was sent, each as often as it came."""

    def answer(self, request: Request) -> Reply:
        if request.path != f"/hooks/{PLACE}":
            return Reply(404)
        said = request.json()
        if len(said["text"]) > 4_000:
            return Reply(400, b"msg_too_long")
        number = said["subject"].removeprefix("No. ")
        key, times = (
            f"{int(number):032x}",
            sum(one["subject"] == said["subject"] for one in self.records(NOTICE).values()),
        )
        self.put(NOTICE, f"{key}{'+' * times}", said | {"to": f"p{number}@example.com", "at": AT})
        return Reply(200, b"ok")


class TestChat(Notices):
    schema, secrets, longest = ChatSettings, (PLACE,), 4_000
    skips = {  # noqa: RUF012
        "test_the_same_write_twice_has_one_effect": UNASKED,
        "test_a_line_cut_after_the_call_doubles_nothing": UNASKED,
        "test_an_answer_that_is_none_doubles_nothing": UNASKED,
        "test_a_value_too_long_is_refused_by_name": "a chat refuses a message as a whole, and does not say why",
    }

    def build(self, context: Context) -> Sink:
        body = {"subject": "{subject}", "text": "{text}"}
        url = Secret(f"{self.fake.url}/hooks/{PLACE}", "${CHAT_URL}")  # type: ignore[attr-defined]
        return ChatSink(ChatSettings().load({"url": url, "markup": "plain", "body": body}), context)

    def test_a_call_that_hangs_ends_by_itself(self) -> None:
        """It has a deadline; whether the message stands there nobody knows."""
        sink = self._sink()
        [call] = sink.calls([self.write(1)])
        self.fake.fail("hang")
        with self._deadlines():
            [told] = self._receipts(sink, call).values()
        assert told.result == "unknown"

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
            "hang": ("taken", SLOW),
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
    """Counts conversations; an answer ``SLOW`` never comes."""

    conversations = 0

    def say(self, connection: Any, *lines: Any) -> None:  # type: ignore[override]
        if lines != (SLOW,):
            super().say(connection, *lines)

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
