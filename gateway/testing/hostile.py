"""What systems really send, and nobody expects: values, texts, and whole bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VALUES: tuple[Any, ...] = (
    None,
    "",
    " ",
    "\x00",
    "￾",
    "ﷺ" * 40,
    "Ünïcødé 🙂",
    "x" * 100_000,
    "<script>alert(1)</script>",
    "=1+1",
    "NaN",
    "1e400",
    -1,
    0,
    10**30,
    1.5,
    -0.0,
    True,
    [],
    ["a", "b"],
    ["1500.00", "EUR"],
    "2026-02-30",
    "0001-01-01",
    "9999-12-31T23:59:59Z",
)

MARK = "hostile-mark@example.org"
"""Stands in every body that has room for it: no reason and no log may repeat it."""

TEXTS: tuple[str, ...] = (
    "Ünïcødé 🙂",
    "O'Brien + Sons",
    'say "yes", no; maybe',
    "a\\b/c",
    "<script>alert(1)</script>",
    "&amp; {text} %s ${HOME}",
    "=1+1",
    "שלום \u202eabc",
    "ﷺ" * 20,
    "NULL",
    "0012",
    "true",
)
"""Each is one line that a text field must hold as it is."""

_DEEP = 100_000

BODIES: Mapping[str, bytes] = {
    "empty": b"",
    "blank": b" \n\t ",
    "cut": b'[{"id": "1", "email": "' + MARK.encode(),
    "nested deep": b"[" * _DEEP + b"]" * _DEEP,
    "nested deep in a field": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "no number": b'[{"id": 1, "score": NaN, "email": "%s"}]' % MARK.encode(),
    "endless number": b'[{"id": 1, "score": 1e400, "email": "%s"}]' % MARK.encode(),
    "long number": b'[{"id": ' + b"9" * 5_000 + b"}]",
    "a key twice": b'[{"id": "1", "id": "2", "email": "%s"}]' % MARK.encode(),
    "half a surrogate": b'[{"id": "1", "email": "\\ud800%s"}]' % MARK.encode(),
    "a NUL": b'[{"id": "1", "email": "\\u0000%s"}]' % MARK.encode(),
    "a NUL byte": b'[{"id": "1"}]\x00',
    "a key of 1 MiB": b'{"' + b"k" * (2**20 - 8) + b'":1}',
    "many keys": b"{" + b",".join(b'"k%d":1' % number for number in range(60_000)) + b"}",
    "a mark at the front": b'\xef\xbb\xbf[{"id": "1"}]',
    "another encoding": '[{"id": "1", "name": "Müller"}]'.encode("utf-16"),
    "broken UTF-8": b'[{"id": "1", "name": "M\xfcller"}]',
    "compressed": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x00\x00",
    "a number": b"1",
    "nothing": b"null",
    "a text": b'"%s"' % MARK.encode(),
    "an empty list": b"[]",
    "an empty object": b"{}",
    "lists in lists": b'[[[1]], null, 1, "%s"]' % MARK.encode(),
    "objects of nothing": b"[{}, {}, {}]",
    "a form": b"id=1&email=%s&a[b][c]=1&a=2&=3&%%zz=1" % MARK.encode(),
    "a file to include": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    "entities in entities": (
        b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>'
    ),
    "a page of a proxy": b"<html><body>502 Bad Gateway</body></html>",
    "no text at all": bytes(range(256)),
}
"""Every one becomes a document, whoever sent it: read, or quarantined with a reason."""
