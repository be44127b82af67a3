"""Work grows with what came, not faster: four times the bytes are about four times the steps.

Steps are calls, of Python's functions and of those in C; time would tell how busy the machine is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest
from hostile_targets import TARGETS

LEAST = 4_000
"""Steps that anything may take."""


def item(**values: object) -> bytes:
    return b"json \n" + json.dumps({"id": "1", "at": "2026-05-01T00:00:00Z", **values}).encode()


def items(count: int, made: Callable[[int], str]) -> bytes:
    return b"json \n[" + ",".join(made(number) for number in range(count)).encode() + b"]"


SHAPES: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "a long list": ("body", lambda n: item(tags=[str(number) for number in range(n)])),
    "many merged": ("body", lambda n: item(merged=[str(number) for number in range(n)])),
    "many people": ("body", lambda n: items(n // 8, lambda number: f'{{"id":"{number}","at":"2026-05-01T00:00:00Z"}}')),
    "one person often": ("body", lambda n: items(n // 8, lambda _: '{"id":"1","at":"2026-05-01T00:00:00Z"}')),
    "a counter that grows": (
        "body",
        lambda n: items(n // 16, lambda number: f'{{"id":"1","at":{1_780_000_000 + number},"opens":{number * 99}}}'),
    ),
    "a form of brackets": ("body", lambda n: b"form \nid" + b"[a]" * n + b"=1"),
    "a form of many": ("body", lambda n: b"form \n" + b"&".join(b"k%d=1" % number for number in range(n))),
    "attributes": ("body", lambda n: b"xml \n<r " + b" ".join(b'a%d=""' % number for number in range(n)) + b"/>"),
    "quotes that never close": ("table", lambda n: b"a.csv\nid,at\n" + b'"a\n' * (n // 8)),
    "columns": ("table", lambda n: b"a.csv\n" + b",".join(b"c%d" % number for number in range(n)) + b"\n1"),
    "open brackets": ("mapping", lambda n: b"[" * n),
    "open braces with words": ("mapping", lambda n: b"{" * (n // 8) + b"a," * n),
    "words in brackets": ("mapping", lambda n: b"a: " + b"[" * 20 + b"a," * (n // 4)),
    "the same key": ("mapping", lambda n: b"a: 1\n" * (n // 8)),
    "lines further in": ("mapping", lambda n: b"".join(b" " * number + b"a:\n" for number in range(n // 16))),
    "conditions in conditions": (
        "mapping",
        lambda n: b"objects: {contact: {include: " + b"{all: [" * (n // 8) + b"]}" * (n // 8) + b"}}",
    ),
}


VALUES: dict[str, Callable[[int], bytes]] = {
    "address": lambda n: item(email="a." * n + "@b.c"),
    "address of one word": lambda n: item(email="1" * 2 * n),
    "telephone number": lambda n: item(phone="+" + "-1" * n),
    "web address": lambda n: item(url="http://" + "%41" * n),
    "number": lambda n: item(size="9" * n, ratio="1." * n, budget="0." + "0" * n),
}


def steps(name: str, data: bytes) -> int:
    counted = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal counted
        counted += event.endswith("call")

    sys.setprofile(count)
    try:
        TARGETS[name].run(data)
    finally:
        sys.setprofile(None)
    return counted


@pytest.mark.parametrize("shape", SHAPES)
def test_four_times_as_long_is_no_more_than_five_times_the_work(shape):
    """Nobody keeps a worker busy for minutes with what is sent in a moment."""
    name, made = SHAPES[shape]
    TARGETS[name].run(made(8))  # what is worked out once for all
    short, long = steps(name, made(500)), steps(name, made(2000))
    assert long < max(5 * short, LEAST), f"{short} steps, {long} for four times as much"


@pytest.mark.parametrize("value", VALUES)
def test_a_value_that_is_too_long_is_no_more_work_the_longer_it_is(value):
    """It is refused by its length, or by one look."""
    made = VALUES[value]
    TARGETS["body"].run(made(8))
    short, long = steps("body", made(500)), steps("body", made(2000))
    assert long < short + 200
