"""Source, Scorer and Sink, and the values they exchange with the gateway.

A plugin author needs this module and ``hookspecs`` and nothing else. Everything here is a frozen value or an
abstract base class; times are aware datetimes in UTC; raw values are what JSON can hold.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol
from weakref import WeakSet

Kind = Literal["person", "company", "deal", "task", "list", "campaign", "user"]
Precision = Literal["instant", "day", "unknown"]
"""How well a time is known. ``day``: midnight of the mapping's zone; ``unknown``: a later time stands in, that of
receipt or of the record's last change."""
Origin = Literal["webhook", "pull", "file", "lookup"]
OUTCOMES = ("accepted", "contacted", "qualified", "rejected", "recycled", "won", "lost")
"""The closed list of what sales can report of a lead."""
TASK, LIST, CAMPAIGN = "follow_up_task", "list_membership", "campaign_membership"
COMPANIONS: Mapping[str, Kind] = {TASK: "task", LIST: "list", CAMPAIGN: "campaign"}
"""Objects of the gateway's own that stand beside a person's record; each ``Sink`` says which of them it carries."""
NOTICE = "notice"
"""What a person is told: the object of a sink that writes to people instead of systems."""
Cursor = Mapping[str, Any]
"""Where a stream was left: opaque JSON of at most 4 KiB, taken from the data or the server's time."""


class Secret:
    """A value that never shows itself: ``repr`` and ``str`` name the reference (``${TOKEN}``).

    Who gets one while running, an access token, keeps a ``Secret`` of it, too: while there is one, what others repeat
    of it in an answer or an error is neither stored nor shown.
    """

    __slots__ = ("__weakref__", "_value", "reference")

    def __init__(self, value: str, reference: str) -> None:
        self._value = value
        self.reference = reference
        if len(value) >= _GUESSED:
            _known.add(self)

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.reference})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


_known: WeakSet[Secret] = WeakSet()
_GUESSED = 6
"""A secret that is shorter protects nothing, and would be found in every other word."""


def without_secrets(text: str) -> str:
    """``text`` with ``…`` in the place of every secret that this process holds."""
    for value in sorted({secret.reveal() for secret in list(_known)}, key=len, reverse=True):
        if value in text:
            text = text.replace(value, "…")
    return text


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency (ISO 4217 code, upper case)."""

    amount: Decimal
    currency: str


# -- in: documents and the events read out of them --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Bytes as they came: a webhook body, a page of a pull, a slice of a file. ``headers`` have lower-case names."""

    id: str
    system: str
    received_at: datetime
    body: bytes = field(repr=False)
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    origin: Origin = "webhook"
    stream: str = ""
    history: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer of a pull or fetch. At most 1 MiB and 1,000 records; empty with ``more=True`` is legal."""

    document: bytes = field(repr=False)
    cursor: Cursor | None = None
    more: bool = False
    content_type: str = "application/json"
    key: str | None = None
    """Document key; the hash of the bytes when None."""
    records: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    """Become the document's ``headers``: what ``read`` must know beside the bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What reading the past of one stream takes: its records, and the calls to the system that bring them."""

    records: int
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What a system itself counts, as its mapping file says: the records of ``object`` whose time ``at`` lies within a
    period and whose fields hold, each, one of the raw values in ``where``.
    """

    object: str
    at: str
    where: Mapping[str, tuple[str | int | float | bool, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing read out of a document, about one record of one system.

    ``object`` is the system's own name of the record's type (``contact``), ``kind`` the gateway's (``person``).
    ``key`` makes the event unique as long as the fact exists: the vendor's id, else a hash of the item with its time.
    """

    system: str
    object: str
    kind: Kind
    record: str
    at: datetime
    key: str
    precision: Precision = "instant"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordChanged(Event):
    """Raw values under the system's own field names.

    A field in ``speaks_of`` without a value is *blank*; outside ``speaks_of`` nothing was said about it.
    ``created`` is when the record began over there, where the sender says so.
    """

    values: Mapping[str, Any] = field(repr=False)
    speaks_of: frozenset[str]
    created: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordGone(Event):
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRestored(Event):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsMerged(Event):
    """``record`` is the winner; ``losers`` are ids of the same object."""

    losers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordConverted(Event):
    """``record`` became another record of the same system, usually of another object (a Lead became a Contact)."""

    to_object: str
    to_record: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsLinked(Event):
    """``record`` is (``present``) or is no longer linked to another record: person–company, deal–person, deal–company.

    The other record is named by its object and id.
    """

    to_object: str
    to_record: str
    to_kind: Kind
    role: str = ""
    present: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityHappened(Event):
    """Something the person did. ``activity`` is the gateway's word for it: ``page_view``, ``form_submitted`` …"""

    activity: str
    asset: str = ""
    channel: str = ""
    campaign: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeReported(Event):
    """What sales says became of the lead; one of ``OUTCOMES``. A fact, with or without a handoff.

    ``wake``: when sales want a lead again that they give back, whatever it does until then.
    """

    outcome: str
    reason: str = ""
    amount: Money | None = None
    by: str = ""
    wake: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonErased(Event):
    reason: str = "erased"
    by: str = ""
    """Who asked for it, where a person did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """A record named but not shown: to be fetched. ``fields`` empty = all mapped fields."""

    system: str
    object: str
    record: str
    fields: tuple[str, ...] = ()
    because: tuple[str, ...] = field(default=(), compare=False)
    """The fields whose change it was named for, where each needs a subscription: what is never heard of is found so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """One item of a document that cannot become an event. The reason names object, record, field and value kind.

    ``unmapped``: (field, value) of a value that its value map does not know, where that is all that is wrong.
    """

    object: str
    record: str
    reason: str
    unmapped: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """One item left out on purpose: not included, excluded by a named rule, a retry of something known."""

    object: str
    record: str
    reason: str


ReadItem = Event | Lookup | Quarantined | Skipped


# -- verification and answers: data per source, evaluated by the host --------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamp:
    """Where the sender put the time it signed, and how far from ours it may be, both ways."""

    header: str = ""
    unit: Literal["s", "ms", "http-date", "iso8601"] = "s"
    tolerance: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """How a call proves who sent it. ``signed`` is made of ``{body} {timestamp} {id} {method} {url}`` and literals."""

    scheme: Literal["hmac", "digest", "token", "ed25519", "ecdsa-p256", "none"]
    """``digest``: a plain hash of the secret followed by what is signed, as some senders made before they knew HMAC."""
    header: str = ""
    query: str = ""
    """Name of the query parameter that holds a token where the sender cannot set headers."""
    format: Literal["plain", "kv", "versioned-list", "id-colon-raw", "id-colon-hex", "body-field"] = "plain"
    prefix: str = ""
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    signed: tuple[str, ...] = ("{body}",)
    timestamp: Timestamp | None = None
    id_header: str = ""
    secrets: tuple[Secret, ...] = ()
    secret_encoding: Literal["utf8", "base64", "whsec"] = "utf8"
    secret_by_id: Mapping[str, Secret] = field(default_factory=dict)
    batches: Literal["refuse", "accept"] = "accept"
    """``refuse``: a JSON list of more than one item is not authentic (the sender signs only the first)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the sender hears. ``get``: status of a plain GET (some vendors register with one); ``busy``: come back."""

    status: int = 200
    body: bytes = b'{"ok": true}'
    content_type: str = "application/json"
    get: int = 405
    echo_origin: bool = False
    """OPTIONS with ``WebHook-Request-Origin`` is answered with ``WebHook-Allowed-Origin`` (CloudEvents)."""
    busy: int = 503


# -- scoring -----------------------------------------------------------------------------------------------------------


class Activity(NamedTuple):
    """One thing a person did, as a scorer sees it."""

    at: datetime
    kind: str
    asset: str = ""
    channel: str = ""
    campaign: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A person's or the journey's say in a score: points of the 0–100 scale from ``at`` until ``until``.

    ``id``: that of its row; the handoff's, where its end is what the mark stands for.
    """

    at: datetime
    kind: Literal["manual", "keep", "halve", "reset", "hold"]
    points: int = 0
    reason: str = ""
    until: datetime | None = None
    by: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a score is made of. Attributes are canonical values; a company's are under ``company.<name>``."""

    attributes: Mapping[str, Any] = field(repr=False)
    activities: Sequence[Activity] = field(default=(), repr=False)
    marks: Sequence[Mark] = ()
    persona: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A past lead to learn from: what was known of it when it was judged, ``at``, and whether it was won."""

    subject: Subject
    at: datetime
    won: bool


@dataclass(frozen=True, slots=True)
class Contribution:
    """One rule's points with its reason. ``hundredths``: points on the 0–100 scale × 100, so that sums are exact."""

    axis: Literal["fit", "behaviour", "mark"]
    rule: str
    hundredths: int
    reason: str


@dataclass(frozen=True, slots=True)
class Score:
    """Contributions add up exactly to ``total``; all points are hundredths of the 0–100 scale.

    ``changes_at``: the first moment after ``at`` when the score moves by itself; None = never.
    """

    total: int
    fit: int
    behaviour: int
    band: str
    changes_at: datetime | None = None
    contributions: tuple[Contribution, ...] = ()


# -- out: writes, calls, receipts --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a system's live catalogue: what a mapping file may name and a record may hold.

    ``type`` is a mapping file's word (``string``, ``integer``, ``datetime`` …), ``choice`` for a picklist, ``list`` for
    one of several choices, ``reference`` for another record's id, ``relation`` for what paths such as ``Owner.Email``
    begin with, ``other`` for what no mapping can read. ``length`` is in characters; ``options`` are a picklist's
    values, ``restricted`` when it takes no others. ``required``: no record is created without it.
    """

    name: str
    type: str = "string"
    label: str = ""
    length: int | None = None
    writable: bool = True
    required: bool = False
    options: tuple[str, ...] = ()
    restricted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A wanted record minus what is known. ``record`` None = not linked yet (a create, where ``create`` allows it).

    ``key`` is ours and stays the same for every retry. ``refs``: field → record id of another record.
    A value of None clears the field. ``priority``: smaller goes first (handoffs before bulk sync).
    """

    key: str
    object: str
    record: str | None
    fields: Mapping[str, Any] = field(repr=False)
    refs: Mapping[str, str] = field(default_factory=dict)
    create: bool = False
    anyway: bool = False
    """A person has seen who is there already: a new record is made whoever looks like it."""
    priority: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Raw values that a record holds now, under the system's names; ``at``: when it last changed, by its own clock."""

    values: Mapping[str, Any] = field(repr=False)
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. ``plan`` prints ``title``; ``push`` sends ``request``, whose form is the sink's own."""

    title: str
    writes: tuple[Write, ...]
    request: Any = field(default=None, repr=False)
    cost: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The system's answer to one write.

    ``done``      the record is as wanted: ``record`` its id, ``held`` raw values the system answered (may be empty)
    ``moved``     the record lives on as ``object``/``record``         ``gone``  it is deleted over there
    ``duplicate`` it would double ``candidates``                       ``unknown`` no answer: looked up before resending
    ``retry``     try again after ``seconds``      ``limit`` a quota is used up; wait ``seconds``, costs no try
    ``rejected``  will never work as it is: ``code``, ``fields``, ``scope`` (this row, or every row of this mapping)
    ``auth``      the credentials were refused; the whole system pauses
    """

    key: str
    result: Literal["done", "moved", "gone", "duplicate", "unknown", "retry", "rejected", "auth", "limit"]
    object: str = ""
    record: str = ""
    held: Mapping[str, Any] = field(default_factory=dict, repr=False)
    candidates: tuple[str, ...] = ()
    seconds: float = 0.0
    code: str = ""
    fields: tuple[str, ...] = ()
    scope: Literal["row", "mapping"] = "row"
    message: str = ""


# -- what plugins are given and what they implement -------------------------------------------------------------------


class ItemReader(Protocol):
    """The system's mapping file, as a source uses it: one decoded payload in, read items out. Pure."""

    def read(self, payload: Any, document: Document) -> Iterable[ReadItem]: ...


class Budget(Protocol):
    """The calls one system allows, shared by all processes. Spend before each call, tokens and catalogues included."""

    def allow(self, calls: int, window: timedelta) -> None:
        """State a limit of the system: so many calls within any ``window``. A day and longer is counted from midnight
        UTC, anything shorter is paced evenly."""

    def spend(self, calls: int = 1, priority: int = 5) -> None:
        """Take ``calls`` from every limit, waiting for its turn up to a few seconds. Raises ``TryLater`` when there are
        none left; of a day's calls the last tenth is for ``priority`` 1 and 2, what a handoff needs. A thread that
        spends again has, by that, the answers to what it spent before: who calls several times at once takes them all
        at once."""

    def told(self, used: int, window: timedelta) -> None:
        """What the system itself counts of a day's limit: other programs may use it, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the source and the sink of one system share."""

    system: str
    root: Path
    """The instance's folder: relative paths in settings start here."""
    mapping: ItemReader | None
    now: Callable[[], datetime]
    budget: Budget | None = None
    log: Any = None


class Source(abc.ABC):
    """Brings in what a system knows. Built by ``factory(settings, context)``."""

    verification: Verification | None = None
    answer: Answer = Answer()

    @abc.abstractmethod
    def read(self, document: Document) -> Iterable[ReadItem]:
        """Turn stored bytes into events and lookups. Pure: no network, no clock, the same answer every time.

        Raises ``QuarantineDocument`` when the bytes as a whole cannot be understood.
        """

    def fetch(self, lookups: Sequence[Lookup]) -> Iterable[Page]:
        """Fetch what was only named, batched as the system likes it; the answers enter the inbox as documents."""
        return ()

    def per_fetch(self, object: str) -> int:
        """How many records of ``object`` one call of ``fetch`` brings; 0 = they cannot be asked for by their id."""
        return int(type(self).fetch is not Source.fetch)

    def streams(self) -> Sequence[str]:
        """The names of what can be pulled (``contacts``, ``deals`` …); one cursor each."""
        return ()

    def pull(self, stream: str, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        """Pages from ``cursor`` on. Page and cursor are committed together, so a pull may stop anywhere."""
        return iter(())

    def history(self, stream: str, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        """The past of a stream, read once: like ``pull``, and where the system keeps them former values with their
        times, too. Its pages become documents with ``history`` set; its cursor is its own, and where it ends ``pull``
        goes on. What it tells without its own time has precision ``unknown``.
        """
        return self.pull(stream, cursor, since if cursor is None else None)

    def estimate(self, stream: str, since: datetime | None) -> Estimate | None:
        """What ``history`` would take; None = it cannot be told. May cost a call or two itself."""
        return None

    def counted(self, count: Count, since: datetime, until: datetime) -> Iterable[tuple[str, datetime]]:
        """The system's own count, asked live: (id, time) of every record whose ``count.at`` lies from ``since`` until
        before ``until``, each once. For ``gateway metrics reconcile``; without it the system cannot be counted."""
        raise NotImplementedError


class Scorer(abc.ABC):
    """Turns facts into points. Built by ``factory(model)``.

    ``horizon``: how far back it needs activities; None = all of them. ``lasting``: attributes move only its points for
    fit; it is then asked to ``renew`` a score whose behaviour stands, and no activity is even loaded.
    """

    horizon: timedelta | None = None
    lasting: bool = False

    @abc.abstractmethod
    def score(self, subject: Subject, at: datetime, explain: bool = False) -> Score:
        """Pure in (subject, model, at). Contributions are filled in only when ``explain`` is true."""

    def renew(self, before: Score, subject: Subject, at: datetime) -> Score:
        """What ``score`` would give, from the last score before ``at``: only attributes are others since.

        ``subject`` has no activities and no marks; marks there are none, ``before.changes_at`` lies behind ``at``.
        Asked only where ``lasting`` is true.
        """
        raise NotImplementedError(f"{type(self).__name__} is lasting, but does not renew")

    @classmethod
    def learn(cls, examples: Sequence[Example], behaviour: Collection[str] = ()) -> Mapping[str, Any]:
        """A model made of past leads: the content of a scoring.yaml, which ``check`` takes and ``cls`` is built from.

        Optional; asked by `gateway model learn --strategy NAME`, which has left out what may know the end, and judges
        the model on cases that were held back. What was learned is data in it, such as coefficients: the model's hash
        names them. Raises ``Refused`` when there is too little to learn from.

        :param examples: oldest first.
        :param behaviour: the attributes that speak of behaviour; all others speak of fit.
        """
        raise NotImplementedError(f"{cls.__name__} does not learn")


class Sink(abc.ABC):
    """Carries writes out to a system. Built by ``factory(settings, context)``.

    A write's ``object`` is one of the mapping file's, or of ``COMPANIONS`` where ``carries`` names it. Those belong to
    the person's record in ``refs`` (object → id), and have fields of the gateway's own:

    ``follow_up_task``      handoff, subject, description, priority (high), due_at (ISO 8601 in UTC; may be missing),
                            zone (whose day and hour that is for people), owner (id or e-mail address; may be missing);
                            later ``done: true`` closes it, unless somebody did so, or ``owner`` gives it on, due anew
    ``list_membership``     list (its name), member (true, false)
    ``campaign_membership`` campaign (its name), status (may be missing)

    Each is made once. A list's and a campaign's write is repeated after ``unknown``, so it must do no harm twice.

    A sink that ``carries`` notices (``NOTICE``) brings them to people; it needs no mapping file (``role: notify``).
    Each write is one message to one addressee: to (an e-mail address; empty for a chat), subject, text, at (ISO 8601),
    thread (key of the message it follows; may be missing).
    """

    carries: Mapping[str, Collection[str]] = {}
    """What of ``COMPANIONS`` this system keeps, and under which names; ``("*",)`` = any. Of ``NOTICE``:
    ``("address",)`` when messages go to addresses, ``("*",)`` when whoever is there reads them; told on the class."""

    links: Mapping[str, str] = {}
    """Object → address of a record's page for people, with {record} in it; ``*`` = any other object, as {object}."""

    def describe(self, object: str) -> Mapping[str, Field]:
        """The live catalogue of one object: its fields, and whatever else its items carry.

        Empty when the system has no catalogue (a file), or no such object that we may see.
        """
        return {}

    @abc.abstractmethod
    def calls(self, writes: Sequence[Write]) -> Sequence[Call]:
        """Pure batching: one ``Call`` is one request."""

    @abc.abstractmethod
    def deliver(self, call: Call) -> Iterable[Receipt]:
        """Send one call; one receipt per write, in any order. The same call twice must have one effect."""

    def find(self, object: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Our keys → ids of the records that carry them: asked after ``unknown``, before anything is sent again."""
        return {}

    def tasks(self, object: str, records: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """People's records → the follow-up tasks with a key of ours that stand at them, the oldest first: id → key.

        Asked in the month after a store was restored from a backup, before such a task is made: one whose key the
        store does not know was made by the store before. Without this method it is made once more.
        """
        return {}

    def held(self, object: str, records: Sequence[str], fields: Sequence[str]) -> Mapping[str, Held]:
        """What records hold now, in as few calls as possible: asked just before fields with ``guard`` are written,
        and those that an undo puts back.

        Records that are gone are left out. Without this method no field of the system can be guarded.
        """
        return {}


# -- connecting an account ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose account the credentials open.

    ``pin`` are settings that bind the system to it: with them another account's credentials are refused. ``missing``
    are permissions that the credentials lack, in the system's own words and with what they are for. ``connectors``:
    other programs that write to the same records → how we know. ``about`` is what else a person likes to see.
    """

    id: str
    name: str = ""
    sandbox: bool | None = None
    """None: the system does not say."""
    pin: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    connectors: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A stream of what people did, beside their records' fields.

    ``delivered``: this account gives it and the settings ask for it; ``off``: the settings do not; ``refused``: the
    account or the credentials' permissions do not give it. ``object`` is what the mapping file calls its items;
    ``activities`` are those that need no rule there.
    """

    name: str
    state: Literal["delivered", "off", "refused"]
    object: str = ""
    activities: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that a system must have before it is written to. ``by hand``: only a person can do it."""

    object: str
    name: str
    state: Literal["there", "missing", "made", "by hand"]
    message: str = ""


class Connection(abc.ABC):
    """What connecting a real account takes, beside source and sink; optional. The class is what a plugin registers.

    Methods raise ``AccessRefused`` for wrong credentials, and other errors of the gateway's tree for what else went
    wrong; none of them changes anything over there but ``setup``.
    """

    role: str = "other"
    """What such a system mostly is: ma, crm or other."""
    pull: str = ""
    """How often it is asked for news, unless somebody says otherwise: ``10m``."""
    prefix: str = ""
    """What the names of those fields begin with that ``setup`` makes."""
    streams: Sequence[str] = ()
    """Objects of ``mapping`` whose items come from streams of activities: they have no catalogue."""

    @abc.abstractmethod
    def __init__(self, settings: Mapping[str, Any], context: Context) -> None: ...

    @classmethod
    @abc.abstractmethod
    def mapping(cls) -> str:
        """The text of a commented mapping file with every object, field and rule that the plugin knows to be useful."""

    @abc.abstractmethod
    def account(self) -> Account:
        """Ask who this is: the test of the credentials."""

    def signals(self) -> Sequence[Signal]:
        """The streams of activities, and which of them this account delivers."""
        return ()

    def sample(self, object: str, fields: Sequence[str], records: int) -> Iterable[Mapping[str, Any]]:
        """Up to so many records of an object, as flat items with these fields: those changed last, where possible."""
        return ()

    def setup(self, dry_run: bool = True, folder: Path | None = None) -> Iterable[Step]:
        """Make what the mapping file writes and the system lacks; what is there stays as it is.

        :param dry_run: change nothing, say what is missing. :param folder: write it there, for a person to deploy.
        """
        return ()
