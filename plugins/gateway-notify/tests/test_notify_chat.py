"""The chat sink: one POST per message, and what the chat answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
import responses
from gateway_notify import ChatSettings, ChatSink
from gateway_notify.testing import notice

from gateway.contracts import Secret

URL = "https://chat.example/hooks/T0/very-secret"


def settings(monkeypatch: pytest.MonkeyPatch, **more: Any) -> Any:
    monkeypatch.setenv("CHAT_URL", URL)
    return ChatSettings().load({"url": "${CHAT_URL}", **more})


def deliver(context: Any, with_: Any, write: Any = None) -> Any:
    sink = ChatSink(with_, context)
    [call] = sink.calls([write or notice(to="")])
    [receipt] = sink.deliver(call)
    return receipt


@responses.activate
def test_a_message_is_one_post(monkeypatch, context):
    responses.post(URL, body="ok")
    assert deliver(context, settings(monkeypatch)).result == "done"
    [call] = responses.calls
    assert json.loads(call.request.body) == {"text": "*New lead: Ann*\nAnn is yours."}


@responses.activate
def test_the_body_is_the_chats_own(monkeypatch, context):
    """Cards, blocks: any JSON, with subject and text where the settings say."""
    responses.post(URL)
    body = {"title": "{subject}", "parts": [{"value": "{text}!"}], "wide": True}
    deliver(context, settings(monkeypatch, body=body))
    sent = {"title": "New lead: Ann", "parts": [{"value": "Ann is yours.!"}], "wide": True}
    assert json.loads(responses.calls[0].request.body) == sent


@responses.activate
def test_a_name_calls_nobody(monkeypatch, context):
    """In Slack's markup ``<!channel>`` would; and what is said is not looked into for ``{text}``."""
    responses.post(URL)
    deliver(context, settings(monkeypatch), notice(subject="{text} <!channel> & co", text="{subject}"))
    sent = {"text": "*{text} &lt;!channel&gt; &amp; co*\n{subject}"}
    assert json.loads(responses.calls[0].request.body) == sent


@responses.activate
def test_plain_markup_leaves_text_as_it_is(monkeypatch, context):
    responses.post(URL)
    deliver(context, settings(monkeypatch, markup="plain", body={"content": "{text}"}), notice(text="a < b"))
    assert json.loads(responses.calls[0].request.body) == {"content": "a < b"}


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ({"status": 400}, "rejected"),
        ({"status": 302, "headers": {"Location": "https://elsewhere.example/"}}, "rejected"),
        ({"status": 404}, "auth"),
        ({"status": 410}, "auth"),
        ({"status": 503}, "retry"),
        ({"status": 429, "headers": {"Retry-After": "7"}}, "limit"),
        ({"body": requests.ReadTimeout(URL)}, "unknown"),
        ({"body": requests.ConnectTimeout(URL)}, "retry"),
        ({"body": requests.exceptions.SSLError(URL)}, "retry"),
        ({"body": requests.ConnectionError(f"NewConnectionError {URL}")}, "retry"),
        ({"body": requests.ConnectionError("reset")}, "unknown"),
    ],
)
@responses.activate
def test_the_chats_answer_decides(monkeypatch, context, answer, result):
    """No receipt shows the address: whoever has it can write there."""
    responses.post(URL, **answer)
    receipt = deliver(context, settings(monkeypatch))
    assert receipt.result == result
    assert "secret" not in repr(receipt)
    assert len(responses.calls) == 1
    if result == "limit":
        assert receipt.seconds == 7


@pytest.mark.parametrize(
    ("url", "more", "wrong"),
    [
        ("http://chat.example/x", {}, {"url"}),
        ("ftp://chat.example/x", {}, {"url"}),
        ("no address", {}, {"url"}),
        ("https://[::1", {}, {"url"}),
        (URL, {"body": {"text": "{subject}"}}, {"body"}),
        (URL, {"markup": "html"}, {"markup"}),
        ("http://127.0.0.1:9/x", {}, set()),
    ],
)
def test_settings_that_cannot_work_are_refused(monkeypatch, url, more, wrong):
    monkeypatch.setenv("CHAT_URL", url)
    found = ChatSettings().validate({"url": "${CHAT_URL}", **more})
    assert set(found) == wrong
    assert url not in str(found)


def test_the_address_is_no_literal():
    assert ChatSettings().validate({"url": URL})["url"] == ["write ${NAME} or file:PATH, never the secret itself"]
    assert URL not in repr(ChatSettings().load({"url": Secret(URL, "${CHAT_URL}")}))
