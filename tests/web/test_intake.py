"""The accept path through the Flask test client: what is stored, what is answered, what is refused."""

import asyncio
import gc
import hashlib
import hmac
import io
import logging
import tracemalloc
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import structlog
from drawing import draws
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from gateway.contracts import Answer, Secret, Timestamp, Verification
from gateway.errors import StorageBusy
from gateway.store.database import open_store, upgrade
from gateway.store.group_writer import GroupWriter
from gateway.store.inbox import Inbox
from gateway.web.app import create_app
from gateway.web.intake import MAX_BODY, MAX_QUERY, Intake
from gateway.web.offer import SourceOffer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "s3cr3t-value"
SIGNED = Verification(scheme="hmac", header="X-Signature", id_header="X-Delivery", secrets=(Secret(SECRET, "${S}"),))
TIMED = Verification(
    scheme="hmac",
    header="X-Signature",
    signed=("{timestamp}", ".", "{body}"),
    timestamp=Timestamp(header="X-Time"),
    secrets=(Secret(SECRET, "${S}"),),
)
TOKEN = Verification(scheme="token", header="X-Token", query="token", secrets=(Secret(SECRET, "${S}"),))
URL = Verification(scheme="hmac", header="X-Signature", signed=("{url}", "{body}"), secrets=(Secret(SECRET, "${S}"),))
SOURCES = {
    "website": SourceOffer(SIGNED),
    "timed": SourceOffer(TIMED),
    "token": SourceOffer(TOKEN),
    "url": SourceOffer(URL),
    "picky": SourceOffer(
        SIGNED,
        Answer(status=202, body=b"<ok/>", content_type="text/xml", get=200, echo_origin=True, busy=429),
    ),
    "silent": SourceOffer(SIGNED, Answer(status=204)),
}


@pytest.fixture
def inbox(tmp_path):
    store = open_store(tmp_path)
    upgrade(store)
    yield Inbox(store.inbox)
    store.close()


@pytest.fixture
def clock():
    return [NOW]


@pytest.fixture
def intake(inbox, clock):
    return Intake(SOURCES, lambda arrival: inbox.append([arrival])[0], lambda: clock[0], "https://hooks.example.com/")


@pytest.fixture
def client(intake):
    return create_app(intake).test_client()


def sign(content, secret=SECRET):
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def post(client, body=b'{"a": 1}', path="/hooks/website", headers=None, **more):
    return client.post(path, data=body, headers={"X-Signature": sign(body), **(headers or {})}, **more)


def stored(inbox):
    return [inbox.documents([row["id"]])[0] for row in inbox.listing()]


# -- accepted ----------------------------------------------------------------------------------------------------------


def test_an_accepted_call_is_on_disk_as_it_came(client, inbox):
    """Body byte for byte, its type, its headers, the time of receipt."""
    body = b'\xef\xbb\xbf{"name": "\xff"}'
    answer = post(client, body, headers={"X-Event": "lead.created"}, content_type="application/vnd.x+json")
    [document] = stored(inbox)
    assert (answer.status_code, answer.json) == (200, {"ok": True})
    assert answer.headers["X-Gateway-Document"] == document.id  # so that both sides can speak of one call
    assert (document.body, document.content_type, document.received_at) == (body, "application/vnd.x+json", NOW)
    assert (document.system, document.origin, document.headers["x-event"]) == ("website", "webhook", "lead.created")


def test_a_system_whose_plugin_is_away_has_its_senders_come_again(inbox, clock):
    """Nobody can say whether the call is authentic: it is not stored, and not told that it may be forgotten."""
    intake = Intake({"website": None}, lambda arrival: inbox.append([arrival])[0], lambda: clock[0])
    client = create_app(intake).test_client()
    answer = post(client)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "300")
    assert inbox.counts() == {}
    assert intake.refused == {("website", "plugin not available"): 1}
    intake.use(SOURCES, "https://hooks.example.com/")
    assert post(client).status_code == 200


def test_a_deeper_path_reaches_its_system(client, inbox):
    """Some vendors append a path of their own."""
    assert post(client, path="/hooks/website/contacts/v2").status_code == 200
    assert stored(inbox)[0].system == "website"


def test_secrets_and_addresses_are_not_stored(client, inbox):
    """Neither the token that proves the call nor who relayed it."""
    more = {"X-Token": SECRET, "Authorization": "Basic abc", "Cookie": "a=b", "X-Forwarded-For": "10.0.0.1"}
    assert client.post("/hooks/token", data=b"{}", headers={**more, "X-Kept": "1"}).status_code == 200
    [document] = stored(inbox)
    assert document.headers["x-kept"] == "1"
    assert not {name.lower() for name in more} & set(document.headers)


def test_a_token_in_the_query_works_and_is_not_stored(client, inbox):
    """For senders that cannot set headers."""
    assert client.post(f"/hooks/token?token={SECRET}", data=b"{}").status_code == 200
    assert SECRET not in repr(inbox.listing()) + repr([dict(each.headers) for each in stored(inbox)])


def test_a_retry_hears_the_same_and_changes_nothing(client, inbox):
    """The sender lost our answer; it gets it again, and the second call is counted."""
    answers = [post(client, headers={"X-Delivery": "7"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert inbox.counts()["website"] == {
        "stored": 1,
        "read": 0,
        "waiting": 1,
        "quarantined": 0,
        "discarded": 0,
        "duplicates": 2,
    }


@pytest.mark.parametrize(("after", "count"), [(timedelta(minutes=9), 1), (timedelta(minutes=11), 2)])
def test_without_an_id_equal_bytes_are_news_again_after_ten_minutes(client, inbox, clock, after, count):
    """A status that went back and forth sends the same bytes twice; both count."""
    post(client)
    clock[0] += after
    post(client)
    assert inbox.counts()["website"]["stored"] == count


def test_a_recorded_call_cannot_be_played_back_as_news(inbox, clock):
    """While a signature's time is tolerated, its bytes are remembered, however long that is."""
    slow = Verification(
        scheme="hmac",
        header="X-Signature",
        signed=("{timestamp}", "{body}"),
        timestamp=Timestamp(header="X-Time", tolerance=timedelta(hours=1)),
        secrets=(Secret(SECRET, "${S}"),),
    )
    intake = Intake({"slow": SourceOffer(slow)}, lambda arrival: inbox.append([arrival])[0], lambda: clock[0])
    client = create_app(intake).test_client()
    time = str(int(NOW.timestamp()) + 3600)
    for _ in range(3):
        headers = {"X-Signature": sign(time.encode() + b"{}"), "X-Time": time}
        assert client.post("/hooks/slow", data=b"{}", headers=headers).status_code == 200
        clock[0] += timedelta(hours=1)
    assert inbox.counts()["slow"]["stored"] == 1


def test_the_public_url_is_what_was_signed(client, inbox):
    """Behind a proxy the sender knows another address than we do; the query counts as it was sent."""
    for path in ("/hooks/url", "/hooks/url/a%20b?x=%20&y"):
        signature = sign(f"https://hooks.example.com{path}".encode() + b"{}")
        assert client.post(path, data=b"{}", headers={"X-Signature": signature}).status_code == 200
    assert inbox.counts()["url"] | {"waiting": 0} == {
        "stored": 1,
        "read": 0,
        "waiting": 0,
        "quarantined": 0,
        "discarded": 0,
        "duplicates": 1,
    }  # the same bytes without an id, within ten minutes


def test_answer_is_data_of_the_source(client, inbox):
    """Status, body and type are what the sender expects."""
    answer = post(client, path="/hooks/picky")
    assert (answer.status_code, answer.data, answer.content_type) == (202, b"<ok/>", "text/xml")
    empty = post(client, path="/hooks/silent")
    assert (empty.status_code, empty.data) == (204, b"")


def test_handshakes_store_nothing(client, inbox):
    """A GET where a vendor registers with one, and CloudEvents' OPTIONS."""
    assert (client.get("/hooks/picky").status_code, client.get("/hooks/picky").data) == (200, b"<ok/>")
    answer = client.options("/hooks/picky", headers={"WebHook-Request-Origin": "eu.example.com"})
    assert (answer.status_code, answer.headers["WebHook-Allowed-Origin"]) == (200, "eu.example.com")
    plain = client.options("/hooks/website", headers={"WebHook-Request-Origin": "eu.example.com"})
    assert (plain.status_code, "WebHook-Allowed-Origin" in plain.headers) == (204, False)
    assert inbox.counts() == {}


# -- refused -----------------------------------------------------------------------------------------------------------


STALE = str(int(NOW.timestamp()) - 301)


@pytest.mark.parametrize(
    ("path", "headers", "reason"),
    [
        ("/hooks/website", {}, "no signature"),
        ("/hooks/website", {"X-Signature": sign(b"{}", "other")}, "wrong signature"),
        ("/hooks/website", {"X-Signature": "zz"}, "malformed signature"),
        ("/hooks/timed", {"X-Signature": sign(STALE.encode() + b".{}"), "X-Time": STALE}, "timestamp too old"),
        ("/hooks/token", {}, "no token"),
        ("/hooks/token?token=wrong", {}, "wrong token"),
        (
            "/hooks/url",
            {"X-Signature": sign(b"http://localhost/hooks/url{}")},
            "wrong signature",
        ),  # Host is not believed
    ],
)
def test_a_forged_call_is_401_and_leaves_nothing(client, intake, inbox, path, headers, reason):
    """Not stored, not explained to the caller, but counted for the admin by source and reason."""
    answer = client.post(path, data=b"{}", headers=headers)
    assert (answer.status_code, answer.json["errors"]) == (401, ["not authentic"])
    assert inbox.counts() == {}
    assert intake.refused == {(path.partition("?")[0][7:], reason): 1}


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/hooks/unknown", "POST", 404),
        ("/hooks/unknown", "GET", 404),
        ("/hooks", "POST", 404),
        ("/hooks/", "POST", 404),
        ("/hooksmith", "POST", 404),  # not ours: Flask's
        ("/hooks/website", "GET", 405),
        ("/hooks/website", "PUT", 405),
        ("/hooks/website", "DELETE", 405),
    ],
)
def test_the_wrong_door_is_named_in_json(client, inbox, path, method, status):
    """The one error shape, whoever answers."""
    answer = client.open(path, method=method, data=b"{}", headers={"X-Signature": sign(b"{}")})
    assert (answer.status_code, answer.json["ok"], answer.json["status"]) == (status, False, status)
    assert inbox.counts() == {}


@pytest.mark.parametrize(
    ("size", "status"),
    [(1, 200), (MAX_BODY, 200), (MAX_BODY + 1, 413)],
)
def test_the_limit_of_a_body_is_exact(client, inbox, size, status):
    """1 MiB is taken, one byte more is not, and what is refused is not stored."""
    assert post(client, b"x" * size).status_code == status
    assert len(inbox.listing()) == (status == 200)


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"CONTENT_LENGTH": "abc"}, 400),
        ({"CONTENT_LENGTH": "-1"}, 400),
        ({"CONTENT_LENGTH": "²"}, 400),
        ({"CONTENT_LENGTH": "9" * 30}, 413),
        ({"CONTENT_LENGTH": "10"}, 400),  # says ten, sends two
        ({"CONTENT_LENGTH": ""}, 411),
        ({"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}, 411),  # the server did not say where it ends
        ({"CONTENT_LENGTH": "2", "HTTP_TRANSFER_ENCODING": "chunked"}, 400),  # two lengths
        ({"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}, 200),
        ({"CONTENT_LENGTH": "", "SERVER_PROTOCOL": "HTTP/2", "wsgi.input_terminated": True}, 200),
        ({"CONTENT_LENGTH": "2"}, 200),
    ],
)
def test_bad_lengths_are_refused_before_anything_is_read(intake, inbox, environ, status):
    """Straight into the WSGI callable: a test client would mend the length."""
    base = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/hooks/website",
        "QUERY_STRING": "",
        "HTTP_X_SIGNATURE": sign(b"{}"),
        "wsgi.input": io.BytesIO(b"{}"),
        "wsgi.url_scheme": "http",
        "SERVER_NAME": "localhost",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    said = []
    intake({**base, **environ}, lambda line, headers: said.append(line))
    assert said[0].startswith(str(status))
    assert len(inbox.listing()) == (status == 200)


def test_a_chunked_body_over_the_limit_is_refused(intake, inbox):
    """Nobody said how long it is; we stop reading one byte behind the limit."""
    stream = io.BytesIO(b"x" * (3 * MAX_BODY))
    said = []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/hooks/website",
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input_terminated": True,
        "wsgi.input": stream,
    }
    intake(environ, lambda line, headers: said.append(line))
    assert said[0].startswith("413")
    assert stream.tell() == MAX_BODY + 1
    assert inbox.counts() == {}


@pytest.mark.parametrize(
    ("media", "status"),
    [("application/x-www-form-urlencoded", 411), ("multipart/form-data", 411), ("application/json", 200)],
)
def test_a_form_that_nothing_proves_whole_must_say_its_length(inbox, media, status):
    """Its token says nothing of the body, the server hands over what came, and half a form reads like a whole one."""
    rule = Verification(scheme="token", header="X-Token", secrets=(Secret("s", "${S}"),))
    intake = Intake({"website": SourceOffer(rule)}, lambda arrival: inbox.append([arrival])[0], lambda: NOW)
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/hooks/website",
        "HTTP_TRANSFER_ENCODING": "chunked",
        "HTTP_X_TOKEN": "s",
        "CONTENT_TYPE": media,
        "wsgi.input_terminated": True,
        "wsgi.input": io.BytesIO(b"a=1"),
    }
    said = []
    intake(environ, lambda line, headers: said.append(line))
    assert said[0].startswith(str(status))
    assert len(inbox.listing()) == (status == 200)


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({f"X-{n}": "1" for n in range(101)}, "", 431),
        ({"X-Big": "x" * 33_000}, "", 431),
        ({}, "x" * (MAX_QUERY + 1), 414),
        ({}, "&".join(["a"] * 200), 400),
    ],
)
def test_headers_and_query_have_limits(client, inbox, headers, query, status):
    """Checked before the body is read."""
    answer = client.post(f"/hooks/token?{query}", data=b"{}", headers={"X-Token": SECRET, **headers})
    assert answer.status_code == status
    assert inbox.counts() == {}


# -- trouble -----------------------------------------------------------------------------------------------------------


def failing(error):
    def append(arrival):
        raise error

    return create_app(Intake(SOURCES, append, lambda: NOW)).test_client()


@pytest.mark.parametrize(("path", "status"), [("/hooks/website", 503), ("/hooks/picky", 429)])
def test_storage_trouble_asks_the_sender_to_come_again(path, status):
    """The status is the source's, the wait is the storage's."""
    answer = post(failing(StorageBusy("disk full", retry_after=60)), path=path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (status, "60")


def test_an_unexpected_error_is_503_and_says_nothing(capsys):
    """A sender retries a 503; a 500 some of them give up on. The log names the place, not the value."""
    with structlog.testing.capture_logs() as lines:
        answer = post(failing(RuntimeError(f"secret {SECRET}")), body=b'{"email": "jo@example.com"}')
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert lines[0]["reason"].startswith("RuntimeError at ")
    assert SECRET not in repr(lines) + answer.text
    assert "jo@example.com" not in repr(lines)


def test_a_flood_of_forgeries_is_one_line_and_all_counted(client, intake, caplog):
    """Whoever sends rubbish must not fill our disk with words about it."""
    with structlog.testing.capture_logs() as lines:
        for n in range(50):
            client.post(f"/hooks/token?token=guess{n}", data=b"{}")
    assert intake.refused == {("token", "wrong token"): 50}
    assert len(lines) == 1
    assert "guess" not in repr(lines)


def test_a_refused_call_leaves_no_secret_in_any_log(client, caplog):
    """The query holds a token: neither right nor wrong ones are written down."""
    with structlog.testing.capture_logs() as lines, caplog.at_level(logging.DEBUG):
        client.post(f"/hooks/token?token={SECRET}", data=b"x" * (MAX_BODY + 1))
        client.post(f"/hooks/unknown?token={SECRET}", data=b"{}")
    assert SECRET not in repr(lines) + caplog.text
    assert [line["reason"] for line in lines] == ["body too large", "unknown system"]


@draws(200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    body=st.binary(max_size=200),
    headers=st.dictionaries(
        st.sampled_from(["X_SIGNATURE", "X_DELIVERY", "X_TIME", "X_TOKEN", "HOST"]), st.text(max_size=40), max_size=5
    ),
    system=st.sampled_from([*SOURCES, "", "ü", "../x"]),
    query=st.text(max_size=40),
    method=st.sampled_from(["POST", "GET", "OPTIONS", "HEAD", "BREW"]),
)
def test_whatever_is_sent_is_never_a_500_and_never_stored_unsigned(intake, inbox, body, headers, system, query, method):
    """Any bytes, any header text: an answer below 500 and an empty inbox."""
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": f"/hooks/{system}",
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        "SERVER_NAME": "localhost",
        **{f"HTTP_{name}": value for name, value in headers.items()},
    }
    said = []
    intake(environ, lambda line, headers: said.append(line))
    assert int(said[0][:3]) < 500
    assert inbox.counts() == {}


# -- the pages around --------------------------------------------------------------------------------------------------


def test_health_tells_alive_from_ready(intake):
    """Alive needs nothing; ready names what is missing."""
    problems = []
    client = create_app(intake, problems=lambda: problems).test_client()
    assert (client.get("/health/live").status_code, client.get("/health/ready").status_code) == (200, 200)
    problems.append("inbox.db: cannot be written")
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json["errors"]) == (503, problems)
    assert client.get("/health/live").status_code == 200


def test_a_page_that_breaks_says_nothing_about_values(intake):
    """One error shape; the text of the exception stays inside."""

    def broken():
        raise RuntimeError("jo@example.com")

    with structlog.testing.capture_logs() as lines:
        answer = create_app(intake, problems=broken).test_client().get("/health/ready")
    assert (answer.status_code, answer.json) == (500, {"ok": False, "errors": ["internal error"], "status": 500})
    assert "jo@example.com" not in repr(lines)


def test_the_group_writer_fits_behind_the_intake(inbox, clock):
    """What production uses: many calls, few commits, each answered after its own."""
    writer = GroupWriter(inbox)
    client = create_app(Intake(SOURCES, writer.append, lambda: clock[0])).test_client()
    assert [post(client, b"%d" % n).status_code for n in range(20)] == [200] * 20
    assert inbox.counts()["website"]["stored"] == 20
    writer.close()


class Sent:
    """A call of our server with a body of as many bytes as there may be, and how it was answered."""

    def __init__(self, path, signature):
        headers = {"content-length": str(MAX_BODY), "x-signature": signature}
        line = {"method": "POST", "path": path, "query_string": "", "scheme": "http", "http_version": "1.1"}
        self.scope = SimpleNamespace(**line, headers=headers, server="x:80", client="x:81")

    async def __aiter__(self):
        for _ in range(16):
            await asyncio.sleep(0)
            yield b"a" * (MAX_BODY // 16)

    def response_bytes(self, status, headers, body):
        self.status = status


@pytest.mark.parametrize(
    ("path", "signature", "status"),
    [
        ("/hooks/website", sign(b"something else"), 401),
        ("/hooks/website", sign(b"a" * MAX_BODY), 503),  # there is no room on the disk
        ("/nowhere", "", 404),
    ],
)
def test_a_body_that_is_not_taken_takes_no_memory_once_it_is_answered(inbox, tmp_path, path, signature, status):
    """Nor waits for Python to look for rings: what an error held kept the bodies of hundreds of forged calls."""
    writer = GroupWriter(inbox, tmp_path, reserve=1 << 60)
    front = create_app(Intake(SOURCES, writer.append, lambda: NOW, soon=writer.soon)).wsgi_app

    async def calls(count):
        sent = [Sent(path, signature) for _ in range(count)]
        await asyncio.gather(*(front.serve(one.scope, one) for one in sent))
        assert {one.status for one in sent} == {status}

    async def all_of_them():
        await calls(1)
        gc.disable()
        tracemalloc.start()
        try:
            for _ in range(5):
                await calls(10)
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
            gc.enable()

    held = asyncio.run(all_of_them())
    writer.close()
    assert held < 2 * MAX_BODY
