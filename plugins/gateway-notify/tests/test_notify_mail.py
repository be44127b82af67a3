"""The mail sink against a server that says yes, not now, no, or nothing at all."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from typing import Any

import pytest
from gateway_notify import MailAccount, MailSettings, MailSink
from gateway_notify.testing import LOST, notice

from gateway.contracts import Secret
from gateway.errors import AccessRefused, GatewayError

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
SECRET = Secret("the password", "${MAIL_PASSWORD}")


def deliver(settings: Any, context: Any, write: Any = None) -> Any:
    sink = MailSink(settings, context)
    [call] = sink.calls([write or notice()])
    [receipt] = sink.deliver(call)
    return receipt


def test_a_message_arrives_as_it_was_written(server, settings, context):
    """Envelope, headers and text; no holiday reply comes back."""
    receipt = deliver(settings, context)
    [mail] = server.mails
    assert (receipt.result, receipt.record) == ("done", mail["Message-ID"])
    assert server.envelopes == [("leads@example.com", "rep@example.com")]
    assert (mail["From"], mail["To"], mail["Subject"]) == (
        "Leads <leads@example.com>",
        "rep@example.com",
        "New lead: Ann",
    )
    assert (mail["Auto-Submitted"], mail["Date"].datetime) == ("auto-generated", NOW)
    assert mail.get_content() == "Ann is yours.\n"


def test_the_same_write_has_the_same_message_id(server, settings, context):
    """Mail systems know the second for the first by it."""
    for _ in range(2):
        deliver(settings, context)
    assert {mail["Message-ID"] for mail in server.mails} == {"<notice.1.rep.0@example.com>"}


def test_the_end_of_a_state_answers_its_begin(server, settings, context):
    deliver(settings, context, notice("notice:1:rep:0:end", thread="notice:1:rep:0"))
    assert server.mails[0]["In-Reply-To"] == "<notice.1.rep.0@example.com>"


def test_what_is_on_the_way_is_encrypted_and_logged_in(safe_server, certificate, context):
    server, security = safe_server
    settings = {"host": "127.0.0.1", "port": server.port, "security": security, "sender": "leads@example.com"}
    settings |= {"ca": str(certificate), "user": "gateway", "password": SECRET}
    assert deliver(settings, context).result == "done"
    assert (server.encrypted, server.logins) == ([True], [("gateway", "the password")])


def test_a_server_nobody_vouches_for_gets_no_message(safe_server, context):
    """Without its authority's certificate nothing is said to it, neither password nor message."""
    server, security = safe_server
    settings = {"host": "127.0.0.1", "port": server.port, "security": security, "sender": "leads@example.com"}
    receipt = deliver(settings | {"user": "gateway", "password": SECRET}, context)
    assert (receipt.result, server.mails, server.logins) == ("retry", [], [])


def test_a_server_without_starttls_gets_no_message(server, settings, context):
    assert deliver(settings | {"security": "starttls"}, context).result == "retry"
    assert server.mails == []


@pytest.mark.parametrize(
    ("command", "answer", "result", "code"),
    [
        ("RCPT", "450 4.2.0 <rep@example.com> greylisted", "retry", "450"),
        ("RCPT", "550 5.1.1 <rep@example.com> no such user", "rejected", "550"),
        ("MAIL", "553 sender refused", "rejected", "553"),
        ("MAIL", "421 closing", "retry", "421"),
        ("DATA", "452 disk full", "retry", "452"),
        ("taken", "554 5.6.0 spam", "rejected", "554"),
        ("taken", "451 4.3.0 try later", "retry", "451"),
    ],
)
def test_the_servers_code_decides(server, settings, context, command, answer, result, code):
    """4xx is *not now*, 5xx is *no*; what the server says is not passed on, it may name people."""
    server.answers[command] = [answer]
    receipt = deliver(settings, context)
    assert (receipt.result, receipt.code) == (result, code)
    assert "rep@" not in repr(receipt)


def test_a_lost_answer_leaves_it_unsure(server, settings, context):
    """The message may be there: it is sent again with its Message-ID, as no server tells what it took."""
    server.answers["taken"] = [LOST]
    assert deliver(settings, context).result == "unknown"
    assert deliver(settings, context).result == "done"
    assert server.mails[0]["Message-ID"] == server.mails[1]["Message-ID"]
    assert MailSink(settings, context).find("notice", ["notice:1:rep:0"]) == {}


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT"])
def test_a_connection_lost_before_the_message_is_tried_again(server, settings, context, command):
    server.answers[command] = [LOST, LOST]
    assert (deliver(settings, context).result, server.mails) == ("retry", [])


def test_nobody_at_home_is_tried_again(settings, context):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert deliver(settings | {"port": port}, context).result == "retry"


def test_a_refused_login_pauses_the_system(server, settings, context):
    """The message names the password's reference, nothing else."""
    server.answers["AUTH"] = ["535 5.7.8 wrong"]
    receipt = deliver(settings | {"user": "gateway", "password": SECRET}, context)
    assert (receipt.result, receipt.message) == (
        "auth",
        "the mail server refused the login with ${MAIL_PASSWORD} (535)",
    )


def test_a_login_that_is_put_off_is_tried_again(server, settings, context):
    server.answers["AUTH"] = ["454 4.7.0 later"]
    assert deliver(settings | {"user": "gateway", "password": SECRET}, context).result == "retry"


@pytest.mark.parametrize(
    "subject", ["New lead: Ann\r\nBcc: all@example.com", "New lead: Ann\nBcc: all@example.com", "Ann\x00\x0b\x85Bcc: x"]
)
def test_no_header_is_smuggled_in_by_a_name(server, settings, context, subject):
    deliver(settings, context, notice(subject=subject))
    [mail] = server.mails
    assert "Bcc" not in mail
    assert server.envelopes == [("leads@example.com", "rep@example.com")]


@pytest.mark.parametrize(
    "to", ["", None, "rep@example.com\r\nRCPT TO:<all@example.com>", "a@b.example, c@d.example", "x"]
)
def test_what_is_no_address_is_refused_before_anybody_is_asked(server, settings, context, to):
    assert deliver(settings, context, notice(to=to)).code == "no address"
    assert server.envelopes == []


def test_a_text_that_begins_with_a_dot_arrives_whole(server, settings, context):
    deliver(settings, context, notice(text=".\nends nothing\n..\n"))
    assert server.mails[0].get_content() == ".\nends nothing\n..\n"


def test_names_of_all_letters_are_written(server, settings, context):
    deliver(settings, context, notice(subject="New lead: Zoë Łukasz 李", text="Zoë"))
    assert (server.mails[0]["Subject"], server.mails[0].get_content()) == ("New lead: Zoë Łukasz 李", "Zoë\n")


def test_an_address_beyond_ascii_needs_a_server_that_takes_it(server, settings, context):
    server.utf8 = False
    assert deliver(settings, context, notice(to="zoë@example.com")).code == "smtputf8"
    server.utf8 = True
    assert deliver(settings, context, notice(to="zoë@example.com")).result == "done"
    assert server.envelopes == [("leads@example.com", "zoë@example.com")]


def test_check_online_asks_the_server_and_sends_nothing(server, settings, context):
    account = MailAccount(settings, context).account()
    assert (account.id, server.mails) == ("127.0.0.1", [])


def test_check_online_says_what_is_wrong(server, settings, context):
    server.answers["AUTH"] = ["535 wrong"]
    login = settings | {"user": "gateway", "password": SECRET}
    with pytest.raises(AccessRefused, match="MAIL_PASSWORD"):
        MailAccount(login, context).account()
    with pytest.raises(GatewayError, match="does not answer: SMTPNotSupportedError"):
        MailAccount(settings | {"security": "starttls"}, context).account()


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ({}, {"host", "from"}),
        ({"host": "h", "from": "no address"}, {"from"}),
        ({"host": "h", "from": "a@example.com\nBcc: b@example.com"}, {"from"}),
        ({"host": "h", "from": "a@example.com", "user": "u"}, {"password"}),
        ({"host": "mail.example.com", "from": "a@example.com", "security": "none"}, {"security"}),
        ({"host": "h", "from": "a@example.com", "security": "ssl"}, {"security"}),
        ({"host": "h", "from": "a@example.com", "port": 0}, {"port"}),
        ({"host": "h", "from": "a@example.com", "password": "secret"}, {"password"}),
    ],
)
def test_settings_that_cannot_work_are_refused(written, wrong):
    assert set(MailSettings().validate(written)) == wrong
