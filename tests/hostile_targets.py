"""What anybody may send us, bytes in and a promise held: the same targets for the tests and for the fuzzer.

A target takes bytes and returns nothing. It raises, whatever, when a promise is broken: an error that is none of those
the caller answers for, a status of 500, something stored that nothing proved, an item that no store could keep.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import structlog
from gateway_files import FilesSource
from gateway_files import SettingsSchema as FilesSettings
from gateway_webhook import WebhookSource
from gateway_webhook.presets import PRESETS
from gateway_webhook.settings import verification
from small_instance import Small

from gateway.checked import flaw
from gateway.contracts import Context, Document, Event, Page, Quarantined, Secret, Skipped, Verification
from gateway.errors import ConfigError, NotFound, QuarantineDocument, Refused
from gateway.inbound.readings import Reading
from gateway.mapping import SystemMapping, compile_mapping
from gateway.settings.files import ConfigFile
from gateway.store.arrivals import Appended, Arrival
from gateway.store.commit import commit
from gateway.store.database import write
from gateway.store.times import new_id
from gateway.testing.hostile import BODIES, MARK, VALUES
from gateway.web.intake import MAX_BODY, Intake
from gateway.web.offer import SourceOffer
from gateway.web.signatures import verify

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PUBLIC = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEhkLUyNUZ0ONSL4bpsjwBM7YvCIYcBiUOKOIDYqk0"
    "xgVTBJLXsA1ZPzKvEBlGTSqxfSpCzPpkmhcv1RwL+1v5rg=="
)
SECRETS = {"whsec": "whsec_" + "A" * 32, "base64": "c2VjcmV0LXNlY3JldC1zZWNyZXQ=", "utf8": "nobody-can-guess-this"}

MAPPING = """
system: site
timezone: Asia/Kathmandu
objects:
  contact:
    kind: person
    only: {kind: {not: [firm, deal]}}
    id: id
    time: at
    created: {field: born, unit: s}
    event_id: event.id
    identify_by: [customer_no]
    blank: ["", "-"]
    exclude: [{reason: test, when: {any: [{email: {ends_with: "@test.example"}}, {"tags[0]": {matches: "^(a|b)+$"}}]}}]
    include: {none: [{hidden: {known: true}}]}
    erased: {when: {forget: true}}
    gone: {when: {deleted: [true, "1"]}, reason: deleted}
    merged: {when: {merged: {known: true}}, losers: merged}
    converted: {when: {new: {known: true}}, to: deal, id: new}
    links: [{to: firm, id: firm_id, role: works_at}]
    fields:
      email: email
      name: {to: last_name, transforms: [strip], length: 20}
      bio: {to: about, type: text}
      phone: {to: phone, region: DE}
      url: {to: website, type: url}
      size: {to: employees, type: integer}
      ratio: {to: ratio, type: number, format: "1.234,5"}
      budget: {to: budget, type: money, currency: budget_currency}
      yes: {to: opted_out_email, type: boolean}
      day: {to: birthday, type: date, format: "%d.%m.%Y"}
      moment: {to: seen_at, type: datetime, unit: ms}
      tags: {to: tags, type: list}
      number: customer_no
      "deep.inner.value": title
      "items[?kind=='x'].name | [0]": industry
      lang: {to: language, values: {de: German, en: English}, values_default: drop}
      strict: {to: strict, type: integer, on_error: quarantine}
    activities:
      - {activity: page_view, when: {page: {known: true}}, on: each, asset: page.url, channel: =web}
      - {activity: email_open, counter: opens}
    outcomes:
      - {outcome: accepted, when: {status: Accepted}}
      - {outcome: won, when: {status: Won}, amount: amount, currency: EUR, reason: why}
  firm:
    kind: company
    only: {kind: firm}
    id: id
    time: at
    fields: {industry: industry, size: {to: employees, type: integer}}
  deal:
    kind: deal
    only: {kind: deal}
    id: id
    time: at
    links: [{to: contact, id: contact_id, role: buyer}]
    fields:
      status: {to: status, values: {Won: won, Lost: lost, Open: open}}
      amount: {to: amount, type: money, currency: EUR}
      closed: {to: closed_at, type: datetime}
      stage: deal_stage
"""


@dataclass(frozen=True)
class Target:
    """``seeds`` are inputs to begin with, ``words`` what a mutation may put in."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    words: tuple[bytes, ...] = ()


class _Broken(AssertionError):
    """A promise is broken; says which."""


# -- calls -------------------------------------------------------------------------------------------------------------


@cache
def _rules() -> dict[str, Verification]:
    """Every way to sign that we ship, and the others there are."""
    rules = {}
    for name, preset in PRESETS.items():
        way = preset["verify"].get("secret_encoding", "utf8")
        public = preset["verify"]["scheme"] in ("ed25519", "ecdsa-p256")
        rules[name] = verification({"preset": name, "secrets": [Secret(PUBLIC if public else SECRETS[way], "${S}")]})
    utf8 = (Secret(SECRETS["utf8"], "${S}"),)
    rules["ed25519"] = Verification(scheme="ed25519", header="X-Signature", secrets=(Secret("00" * 32, "${S}"),))
    rules["digest"] = Verification(scheme="digest", header="X-Signature", algorithm="sha1", secrets=utf8)
    rules["form"] = Verification(
        scheme="hmac", format="body-field", header="sig", id_header="token", signed=("{id}",), secrets=utf8
    )
    return rules


def call(data: bytes) -> None:
    """An HTTP request as text: a line, headers, a blank line, a body. Below 500, and nothing unproved is stored."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    method, _, target = first.partition(" ")
    path, _, query = target.partition("?")
    environ = {
        "REQUEST_METHOD": method or "POST",
        "PATH_INFO": f"/hooks/{path}",
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "localhost",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
    }
    for line in lines:
        name, _, value = line.partition(":")
        name = name.strip().upper().replace("-", "_")
        if name == "CONTENT_LENGTH" and not value.strip():
            environ.pop("CONTENT_LENGTH", None)
        else:
            environ[name if name in ("CONTENT_LENGTH", "CONTENT_TYPE") else f"HTTP_{name}"] = value.strip()
    stored: list[Arrival] = []
    said: list[str] = []

    def append(arrival: Arrival) -> Appended:
        stored.append(arrival)
        return Appended(new_id(), False)

    offers = {name: SourceOffer(rule) for name, rule in _rules().items()}
    offers["open"] = SourceOffer(Verification(scheme="none"))
    intake = Intake(offers, append, lambda: NOW)
    with structlog.testing.capture_logs() as logged:
        answer = b"".join(intake(environ, lambda status, headers: said.append(status)))  # type: ignore[arg-type,return-value,func-returns-value]
    status = int(said[0][:3])
    if status >= 500:
        raise _Broken(f"{said[0]}: {logged}")
    if stored and (status != 200 or stored[0].system != "open"):
        raise _Broken(f"stored without proof, answered {said[0]}")
    if stored and len(stored[0].body) > MAX_BODY:
        raise _Broken("stored more than a body may be")
    if MARK.encode() in answer or MARK in repr(logged):
        raise _Broken("a value stands in an answer or a log")


def proof(data: bytes) -> None:
    """Headers and a body against every way to sign: refused, without an error, whatever they are."""
    head, _, body = data.partition(b"\n\n")
    headers = {}
    for line in head.decode("latin-1").split("\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    query = {"token": [headers.get("token", "")], "access_token": headers.get("token", "")}
    for name, rule in _rules().items():
        given = {rule.header.lower(): headers.get("signature", ""), rule.id_header.lower(): headers.get("id", "")}
        if rule.timestamp:
            given[rule.timestamp.header.lower()] = headers.get("time", "")
        verdict = verify(
            rule,
            method="POST",
            url="https://x.example/a?b=%2F",
            query=query,
            headers=headers | given,
            body=body,
            now=NOW,
        )
        if verdict.ok:
            raise _Broken(f"{name} takes it")


# -- what documents say ------------------------------------------------------------------------------------------------


@cache
def _mapping() -> SystemMapping:
    return compile_mapping(ConfigFile("mappings/site.yaml", MAPPING), "ma", {})


@cache
def _small() -> Small:
    folder = Path(tempfile.mkdtemp(prefix="gateway-hostile-"))
    return Small(folder, site=MAPPING)


def _context() -> Context:
    return Context(system="site", root=Path(), mapping=_mapping(), now=lambda: NOW)


def body(data: bytes) -> None:
    """A line with the kind and the type of a body, and the body: read or quarantined, and then worked as a batch."""
    first, _, content = data.partition(b"\n")
    kind, _, media = first.decode("latin-1").partition(" ")
    settings = {"verification": None, "answer": None, "depth": 32, "keys": 10_000}
    settings["body"] = kind if kind in ("json", "form", "xml", "cloudevents") else "auto"
    headers = {"ce-specversion": "1.0", "ce-id": media[:50]} if kind == "cloudevents" else {}
    document = Document(
        id=new_id(), system="site", received_at=NOW, body=content, content_type=media.strip(), headers=headers
    )
    _worked(WebhookSource(settings, _context()).read, document)


def table(data: bytes) -> None:
    """A file's name in a line, and the file: cut into pages, each read; every byte is in one of them or refused."""
    name, _, content = data.partition(b"\n")
    suffix = next((end for end in (".csv", ".tsv", ".jsonl", ".txt") if end.encode() in name), "")
    settings = {"encoding": "cp1252"} if b"latin" in name else {}
    source = FilesSource(FilesSettings().load(settings), _context())
    with tempfile.TemporaryDirectory(dir=_shared_memory()) as folder:
        path = Path(folder) / f"people{suffix}"
        path.write_bytes(gzip.compress(content, 1) if b"gz" in name else content)
        small = b"small" in name  # pages of a few bytes, so that a short file has many
        try:
            pages = list(source.slices(path, max_bytes=600, max_records=3) if small else source.slices(path))
        except (Refused, NotFound):
            return
        _whole(source, path, pages, small)
    for page in pages:
        assert page.document is not None
        document = Document(
            id=new_id(), system="site", received_at=NOW, body=page.document, content_type=page.content_type,
            headers=page.headers,
        )  # fmt: skip
        _worked(source.read, document)


def _shared_memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _whole(source: FilesSource, path: Path, pages: list[Page], small: bool) -> None:
    """Going on after any page gives what came after it."""
    for number, page in enumerate(pages[:-1]):
        limits = {"max_bytes": 600, "max_records": 3} if small else {}
        after = list(source.slices(path, page.cursor, **limits))
        if [one.key for one in after] != [one.key for one in pages[number + 1 :]]:
            raise _Broken(f"after page {number + 1} of {len(pages)} come others than before")


def _worked(read: Callable[[Document], Iterable[Any]], document: Document) -> None:
    """Read, and work what is read; then throw it away."""
    reading = Reading(document)
    try:
        for item in read(document):
            if wrong := flaw(item, "site"):
                raise _Broken(f"read {wrong}")
            if isinstance(item, Event):
                reading.events.append(item)
            elif isinstance(item, Skipped):
                reading.skipped.append(item)
            elif isinstance(item, Quarantined):
                reading.quarantined.append(item)
    except QuarantineDocument as exc:
        if MARK in exc.reason:
            raise _Broken("the reason holds a value") from None
        return
    if any(MARK in item.reason for item in reading.quarantined):
        raise _Broken("the reason holds a value")
    small = _small()
    batch = small.pipeline.rehearse([reading])
    with write(small.store.main) as connection:
        commit(connection, batch)
        connection.rollback()


# -- files of an admin -------------------------------------------------------------------------------------------------

SAMPLE = [
    {
        "id": "1",
        "at": "2026-05-01T10:00:00Z",
        "email": "a@b.example",
        "n": 1,
        "list": ["x", 2],
        "o": {"a": {"b": None}},
    },
    {"id": 2, "at": 0, "email": None, "t": "x" * 300},
]


def mapping(data: bytes) -> None:
    """A mapping file: told what is wrong with it, each with its line; or it reads items and is worked with."""
    text = data.decode("utf-8", "replace")
    try:
        compiled = compile_mapping(ConfigFile("mappings/site.yaml", text), "crm", {})
    except ConfigError as exc:
        for problem in exc.problems:
            if not str(problem).startswith("mappings/site.yaml"):
                raise _Broken(f"says not where: {problem}") from None
        return
    document = Document(id=new_id(), system=compiled.system, received_at=NOW, body=b"")
    for item in compiled.read(list(SAMPLE), document):
        if wrong := flaw(item, compiled.system):
            raise _Broken(f"read {wrong}")


# -- seeds -------------------------------------------------------------------------------------------------------------


def _calls() -> Iterator[bytes]:
    for name in [*_rules(), "open", "nobody"]:
        yield b"POST %s?token=x&access_token=y\nX-Signature: 00ff\nContent-Type: application/json\n\n{}" % name.encode()
    for method in ("GET", "OPTIONS", "HEAD"):
        yield f"{method} mailchimp\nWebHook-Request-Origin: https://x.example\n\n".encode()
    yield b"POST open\nContent-Encoding: gzip\nTransfer-Encoding: chunked\nContent-Length:\n\n" + BODIES["compressed"]
    yield b"POST open\nContent-Length: 99999999999999999999\n\n{}"


def _proofs() -> Iterator[bytes]:
    for signature in ("t=1780272000,v1=00ff,v0=11", "v1,QUJD v1a,QUJD", "c2Vj", "sha256=" + "0" * 64, "QTpCQ0Q="):
        yield f"signature: {signature}\ntime: 1780272000\nid: msg_1\ntoken: x\n\n".encode() + b'[{"a": 1}]'
    yield (
        b"time: Mon, 01 Jun 2026 00:00:00 GMT\n\n" + b'{"signature": {"signature": "00", "timestamp": 1, "token": "a"}}'
    )


def _bodies() -> Iterator[bytes]:
    for name, content in BODIES.items():
        if len(content) < 10_000:
            kind = b"form application/x-www-form-urlencoded" if name == "a form" else b"auto application/json"
            yield kind + b"\n" + content
    for name in ("id", "at", "email", "size", "budget", "tags", "phone", "moment", "strict"):
        for value in VALUES:
            if not isinstance(value, str) or len(value) < 1000:
                item = {"id": "1", "at": "2026-05-01T00:00:00Z", "email": MARK} | {name: value}
                yield b"json \n" + _json(item)
    folder = files("gateway_mappings") / "vendors"
    for vendor in folder.iterdir():
        samples = vendor / "samples"
        for one in samples.iterdir() if samples.is_dir() else ():
            kinds = {"form": b"form ", "xml": b"xml "}
            yield kinds.get(one.name.rpartition(".")[2], b"json ") + b"\n" + one.read_bytes()


def _json(item: Any) -> bytes:
    return json.dumps(item).encode()


def _tables() -> Iterator[bytes]:
    rows = b'id,at,email,size\n1,2026-05-01,%s,5\n\n2,2026-05-02,"a\nb",x\n3,"never closed,1\n' % MARK.encode()
    for name in (b"a.csv", b"a.csv small", b"a.csv gz latin", b"a.tsv", b"a.txt", b"a"):
        yield name + b"\n" + rows
        yield name + b"\n" + rows.replace(b"\n", b"\r\n").replace(b"5", b"\xe9\x00")
    yield b"a.jsonl small\n" + b'{"id": "1", "at": "2026-05-01T00:00:00Z"}\n\n[1]\n{"id": 1e400}\n' * 3
    yield b"a.csv gz\n" + b"id;at\n1;2"


def _mappings() -> Iterator[bytes]:
    yield MAPPING.encode()
    for folder in ("vendors", "starter", "examples"):
        for one in sorted(Path(str(files("gateway_mappings") / folder)).glob("**/mappings/*.yaml")):
            yield re.sub(rb"(?m)^system: .*", b"system: site", one.read_bytes())
    yield b"a: &a [1, 2]\nb: &b [*a, *a]\nc: [*b, *b]\nsystem: !!python/object:os.system x\nsystem: 1\n"


def _words(*texts: str) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in texts)


_CALL_WORDS = (
    "Content-Length:",
    "Transfer-Encoding: chunked",
    "Content-Type: application/x-www-form-urlencoded",
    "%00",
)
_BODY_WORDS = (
    *("NaN", "1e400", '"id"', '"at"', "\\u0000", "\\ud800", "<a>", "</a>", "%00", "[]", "&", "9999-12-31"),
    *('"merged":', '"new":', '"firm_id":', '"opens":', '"budget_currency":'),
)
_MAPPING_WORDS = (
    *("objects:", "fields:", "kind:", "type:", "sync: newest", "when:", "*a", "&a ", "<<: ", "!!binary", "!!set"),
    *("%d.%m.%Y", "matches:", "counter:", "2026-13-45", ".inf", "0o8"),
)

TARGETS: Mapping[str, Target] = {
    "call": Target(call, _calls, _words(*_CALL_WORDS, *PRESETS)),
    "proof": Target(proof, _proofs, _words("signature: ", "time: ", "id: ", "v1,", "v1a,", "t=", "v1=", "whpk_")),
    "body": Target(body, _bodies, _words(*_BODY_WORDS)),
    "table": Target(table, _tables, _words('"', '""', "\r\n", "\r", "\0", ",", "\t", ".jsonl", "gz", "small")),
    "mapping": Target(mapping, _mappings, _words(*_MAPPING_WORDS)),
}
