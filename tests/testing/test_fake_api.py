"""The fake system behind HTTP: what a client of it sees, over a socket and behind ``responses``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import responses

from gateway.testing import FAULTS, FakeApi, Reply, Request
from gateway.testing.api import impatient


class Notes(FakeApi):
    def answer(self, request: Request) -> Reply:
        if request.path == "/oauth/token":
            return Reply(200, {"access_token": "t"})
        if request.method == "POST":
            self.put("note", request.query["id"], request.json())
            return Reply(201, {"id": request.query["id"]}, {"X-Left": "7"})
        return Reply(200, b"plain", {"Content-Type": "text/plain"})


@pytest.fixture(params=["socket", "responses"])
def notes(request: pytest.FixtureRequest) -> Iterator[tuple[Notes, str]]:
    """The fake and its address, both ways."""
    fake = Notes()
    if request.param == "socket":
        yield fake, fake.url
    else:
        with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
            fake.mount(mock, "https://notes.example/api")
            yield fake, "https://notes.example/api"
    fake.close()


def put(url: str, id_: int = 1, timeout: float | None = 5) -> requests.Response:
    return requests.post(f"{url}/notes?id={id_}", json={"text": "ü"}, headers={"X-Who": "me"}, timeout=timeout)


def test_calls_and_effects_are_recorded(notes: tuple[Notes, str]) -> None:
    fake, url = notes
    answer = put(url)
    assert (answer.status_code, answer.json(), answer.headers["X-Left"]) == (201, {"id": "1"}, "7")
    assert requests.get(f"{url}/notes", timeout=5).text == "plain"
    assert fake.records("note") == {"1": {"text": "ü"}}
    assert fake.calls == 2
    [post, get] = fake.requests
    assert (post.method, post.path, post.query, post.headers["x-who"]) == (
        "POST", "/notes", {"id": "1"}, "me",
    )  # fmt: skip
    assert get.method == "GET"


SEEN: dict[str, tuple[Any, bool]] = {  # fault → what the client sees, and whether there is an effect
    "limit": (429, False),
    "busy": (503, False),
    "auth": (401, False),
    "cut before": (requests.ConnectionError, False),
    "cut after": (requests.ConnectionError, True),
    "garbage": (requests.JSONDecodeError, True),
    "hang": (requests.Timeout, True),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_what_a_client_sees_once(notes: tuple[Notes, str], fault: Any) -> None:
    """After one good call, and before the next; a call for a token passes and is not counted."""
    fake, url = notes
    fake.fail(fault, seconds=17, after=1)
    assert put(url, 1).ok
    assert requests.post(f"{url}/oauth/token", timeout=5).ok
    seen, effect = SEEN[fault]
    with impatient():
        if isinstance(seen, int):
            answer = put(url, 2)
            assert answer.status_code == seen
            assert answer.headers.get("Retry-After") == ("17" if fault == "limit" else None)
        else:
            with pytest.raises(seen):
                put(url, 2).json()
    assert ("2" in fake.records("note")) is effect
    assert put(url, 3).ok
    assert fake.calls == 4


def test_what_was_to_go_wrong_may_be_called_off(notes: tuple[Notes, str]) -> None:
    fake, url = notes
    fake.fail("busy")
    fake.calm()
    assert put(url).ok


def test_a_call_without_a_deadline_is_seen() -> None:
    """At a socket by what it asks for; behind ``responses`` by what the call was given."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        fake = Notes()
        fake.mount(mock, "https://notes.example")
        put("https://notes.example", timeout=None)
        assert fake.without_deadline == 1
    fake = Notes()
    with impatient() as asked:
        put(fake.url, timeout=None)
        assert None in asked.values()
    with impatient() as asked:
        put(fake.url, timeout=7)
        assert {*asked.values()} == {7}
    fake.close()


@pytest.mark.parametrize(
    ("raised", "seen"), [(ConnectionError, requests.ConnectionError), (TimeoutError, requests.Timeout)]
)
def test_an_answer_may_be_none(notes: tuple[Notes, str], raised: type[Exception], seen: type[Exception]) -> None:
    """The line is cut, or nothing comes, where the fake's own state wants it so."""
    fake, url = notes

    def answer(request: Request) -> Reply:
        raise raised

    fake.answer = answer  # type: ignore[method-assign]
    with impatient(), pytest.raises(seen):
        put(url)
    assert fake.calls == 1


def test_a_mistake_of_the_fake_is_an_answer() -> None:
    """With its text, where its author looks first."""
    fake = Notes()
    answer = requests.post(f"{fake.url}/notes", json={}, timeout=5)
    assert (answer.status_code, answer.json()["error"]) == (500, "the fake failed: KeyError: 'id'")
    fake.close()


def test_who_says_nothing_is_told_what_to_say() -> None:
    with pytest.raises(NotImplementedError, match=r"def answer\(self, request\)"):
        FakeApi().heard(Request("GET", "/", {}, {}, b""))
