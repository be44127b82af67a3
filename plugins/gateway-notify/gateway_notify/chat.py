"""Notices into a chat, through the address it gives for incoming webhooks. One message is one POST."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import requests

from gateway.contracts import NOTICE, Call, Context, Receipt, Sink, Write
from gateway.errors import TryLater

TIMEOUT = (5.0, 15.0)
"""Seconds to connect, and to be answered."""
BUSY = 60.0
"""Seconds to wait where the chat names none."""
_LONGEST = 86_400.0
_CARRIES = {NOTICE: ("*",)}
_GONE = (401, 403, 404, 410)
"""How chats answer at an address they have withdrawn."""


class ChatSink(Sink):
    """Whoever is there reads: a chat takes no addressee. No chat can be asked for what it took, so a message whose
    answer was lost is sent once more."""

    carries = _CARRIES

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        """``settings`` as ``ChatSettings`` loads them."""
        self._url = settings["url"]
        self._body = settings["body"]
        self._slack = settings["markup"] == "slack"
        self._budget = context.budget
        if self._budget is not None:
            self._budget.allow(settings["per_minute"], timedelta(minutes=1))

    def calls(self, writes: Sequence[Write]) -> Sequence[Call]:
        return [Call(title="1 chat message", writes=(write,)) for write in writes]

    def deliver(self, call: Call) -> Iterable[Receipt]:
        return [self._posted(write) for write in call.writes]

    def _posted(self, write: Write) -> Receipt:
        said = {name: self._marked(str(write.fields.get(name, ""))) for name in ("subject", "text")}
        try:
            if self._budget is not None:
                self._budget.spend(1, write.priority)
            answer = requests.post(
                self._url.reveal(), json=_filled(self._body, said), timeout=TIMEOUT, allow_redirects=False
            )
        except TryLater as exc:
            return Receipt(key=write.key, result="limit", seconds=exc.seconds, code="limit", message=exc.reason)
        except requests.ReadTimeout:
            return Receipt(key=write.key, result="unknown", code="ReadTimeout")
        except requests.ConnectionError as exc:  # its text holds the address, which is the secret
            sent = not isinstance(exc, requests.ConnectTimeout | requests.exceptions.SSLError) and _was_sent(exc)
            return Receipt(key=write.key, result="unknown" if sent else "retry", code=type(exc).__name__)
        except requests.RequestException as exc:
            return Receipt(key=write.key, result="rejected", code=type(exc).__name__)
        return self._judged(write, answer)

    def _judged(self, write: Write, answer: requests.Response) -> Receipt:
        status = answer.status_code
        if 200 <= status < 300:
            return Receipt(key=write.key, result="done", record=write.key)
        if status in _GONE:
            message = f"the chat refused the address of {self._url.reference} ({status})"
            return Receipt(key=write.key, result="auth", code=str(status), message=message)
        if status == 429:
            return Receipt(key=write.key, result="limit", seconds=_wait(answer), code="429")
        if status >= 500 or status == 408:
            return Receipt(key=write.key, result="retry", seconds=_wait(answer), code=str(status))
        return Receipt(key=write.key, result="rejected", code=str(status), message="the chat refused the message")

    def _marked(self, text: str) -> str:
        """In Slack's markup ``<!channel>`` would call everybody; a lead's name may be anything."""
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") if self._slack else text


def _filled(node: Any, said: Mapping[str, str]) -> Any:
    """The body with what is said in place of ``{subject}`` and ``{text}``; what is said is not looked into again."""
    if isinstance(node, Mapping):
        return {key: _filled(value, said) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, said) for value in node]
    if not isinstance(node, str):
        return node
    before, mark, after = node.partition("{subject}")
    parts = [before.replace("{text}", said["text"])]
    parts += [said["subject"], _filled(after, said)] if mark else []
    return "".join(parts)


def _wait(answer: requests.Response) -> float:
    named = answer.headers.get("Retry-After", "")
    return min(float(named), _LONGEST) if named.isascii() and named.isdigit() else BUSY


def _was_sent(exc: BaseException) -> bool:
    """A connection that was made and then broken: the chat may have read the message."""
    text = repr(exc)
    return "NewConnectionError" not in text and "NameResolutionError" not in text
