"""The types of lead fields, each a marshmallow field: ``deserialize`` reads a raw value, ``serialize`` writes one.

Canonical values are what JSON can hold: text, numbers, booleans, ``2026-11-03``, ``2026-11-03T09:00:00Z``,
``["1500.00", "EUR"]`` for money, sorted lists of texts. Writing and reading again gives the same value. Messages name
the kind of value that came, never the value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from marshmallow import ValidationError, fields

from gateway.mapping.times import Clock, canonical

POINT, COMMA = "1,234.5", "1.234,5"
"""How numbers in text are written, told by example."""
_GROUPED = {
    POINT: re.compile(r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,300})?(?:\.[0-9]{1,300})?(?:[eE][+-]?[0-9]{1,3})?"),
    COMMA: re.compile(r"[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]{1,300})?(?:,[0-9]{1,300})?(?:[eE][+-]?[0-9]{1,3})?"),
}
_LARGEST = 2**63
_FINEST = Decimal("0.000001")
_TRUE = frozenset({"yes", "true", "1", "on", "y", "t"})
_FALSE = frozenset({"no", "false", "0", "off", "n", "f"})
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_PLAIN_EMAIL = re.compile(
    r"(?=.{3,254}\Z)(?=[^@]{1,64}@)[a-z0-9_+'&=~#%$!*/?^`{|}-]+(?:\.[a-z0-9_+'&=~#%$!*/?^`{|}-]+)*"
    r"@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
)
LONGEST_EMAIL = 512
"""Characters that are looked at: an address has at most 254, written with combining marks twice as many."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_HOST = re.compile(r"[^\s@/\\:<>\"'`{}|^]+\.[^\s@/\\:<>\"'`{}|^.]{2,}\.?|localhost|\[[0-9a-f:.]+\]", re.IGNORECASE)


def kind_of(value: Any) -> str:
    """What came, for messages that must not show it: ``"text of 12 characters"``, ``"a list of 3"``."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return f"text of {len(value)} characters"
    if isinstance(value, int | float | Decimal):
        return "a number"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return "an object" if isinstance(value, Mapping) else f"a value of type {type(value).__name__}"


@dataclass(frozen=True, slots=True)
class Options:
    """What a field's definition says about its type. ``form`` is ``format`` of the file."""

    form: str | None = None
    unit: str | None = None
    zone: Any = None
    currency: str | None = None
    region: str | None = None
    length: int | None = None


class Typed(fields.Field[Any]):
    """One type: ``load`` and ``dump`` raise ``ValueError`` or ``TypeError``, marshmallow's way out is made of it."""

    expected = "text"

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options

    def load(self, raw: Any) -> Any:
        raise NotImplementedError

    def dump(self, value: Any) -> Any:
        return value

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return self.load(value)
        except (ValueError, TypeError, ArithmeticError):
            raise ValidationError(f"expected {self.expected}, got {kind_of(value)}") from None

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if value is None:
            return None
        try:
            return self.dump(value)
        except (ValueError, TypeError, ArithmeticError, AttributeError):
            raise ValidationError(f"cannot be written as {self.expected}: it holds {kind_of(value)}") from None


def text_of(value: Any) -> str:
    """A scalar as text, as value maps and texts see it. Raises ``TypeError`` on lists and objects."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, int | float | Decimal):
        return str(value)
    raise TypeError


class Text(Typed):
    """Many lines, line ends made ``\\n``."""

    def load(self, raw: Any) -> Any:
        text = text_of(raw).replace("\r\n", "\n").replace("\r", "\n").strip()
        if not text or _UNPRINTABLE.search(text):
            raise ValueError
        return text

    def dump(self, value: Any) -> Any:
        text = "; ".join(map(text_of, value)) if isinstance(value, list) else text_of(value)
        length = self.options.length
        return text if length is None else text[:length].rstrip()


class String(Text):
    """One line: any run of blanks and line ends is one space."""

    expected = "one line of text"

    def load(self, raw: Any) -> Any:
        return " ".join(super().load(raw).split())


class Integer(Typed):
    """Whole numbers of up to 64 bits. A fraction is refused, ``5.0`` is 5; written out, a fraction is rounded."""

    expected = "a whole number"

    def load(self, raw: Any) -> Any:
        amount = _decimal(raw, self.options.form)
        if abs(amount) >= _LARGEST or amount != amount.to_integral_value():
            raise ValueError
        return int(amount)

    def dump(self, value: Any) -> Any:
        if isinstance(value, str):
            value = _decimal(value, None)
        whole = round(value)
        return str(whole) if self.options.form else whole


class Number(Typed):
    """Finite numbers; ``1,234.5`` and ``1e3`` are read, NaN, infinity and ``1e400`` refused."""

    expected = "a number"

    def load(self, raw: Any) -> Any:
        amount = float(_decimal(raw, self.options.form)) + 0.0  # -0.0 is 0.0
        if not math.isfinite(amount):
            raise ValueError
        return amount

    def dump(self, value: Any) -> Any:
        amount = self.load(value) if isinstance(value, str) else float(value)
        if not math.isfinite(amount):
            raise ValueError
        short = int(amount) if amount.is_integer() and abs(amount) < 2**53 else amount
        return str(short).replace(".", ",") if self.options.form == COMMA else short


class Boolean(Typed):
    """yes/no, true/false, on/off, y/n, t/f, 1/0 in any case."""

    expected = "yes or no"

    def load(self, raw: Any) -> Any:
        text = text_of(raw).strip().lower()
        if text in _TRUE:
            return True
        if text in _FALSE:
            return False
        raise ValueError

    def dump(self, value: Any) -> Any:
        return self.load(value)


class OfClock(Typed):
    """A moment, or a day, as the system writes it."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.clock = Clock(options.zone, options.form, options.unit)


class Date(OfClock):
    expected = "a date"

    def load(self, raw: Any) -> Any:
        return self.clock.read_date(raw).isoformat()

    def dump(self, value: Any) -> Any:
        return self.clock.write_date(date.fromisoformat(value[:10]))


class DateTime(OfClock):
    expected = "a time"

    def load(self, raw: Any) -> Any:
        return canonical(self.clock.read(raw)[0])

    def dump(self, value: Any) -> Any:
        moment = datetime.fromisoformat(value)
        return self.clock.write(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


class Amount(Typed):
    """Money. The raw value is an amount, or, where the currency stands in a field of its own, [amount, currency]."""

    expected = "an amount of money with a currency"

    def load(self, raw: Any) -> Any:
        currency: Any = self.options.currency
        if isinstance(raw, list | tuple):
            raw, currency = raw
        elif isinstance(raw, Mapping):
            raw, currency = raw.get("amount"), raw.get("currency", currency)
        return money(raw, currency, self.options.form)

    def dump(self, value: Any) -> Any:
        amount, currency = value
        if self.options.currency is None:
            return [amount, currency]
        if currency != self.options.currency:
            raise ValueError
        return amount.replace(".", ",") if self.options.form == COMMA else amount


def money(raw: Any, currency: Any, form: str | None = None) -> list[str]:
    """Canonical money: two to six decimals, no more than needed. Raises ``ValueError`` or ``TypeError``."""
    amount = _decimal(raw, form)
    code = currency.strip().upper()[:4] if isinstance(currency, str) else ""
    if not re.fullmatch(r"[A-Z]{3}", code) or amount.adjusted() > 15:
        raise ValueError
    text = f"{amount.quantize(_FINEST):f}"  # floats come with tails such as 19.989999999999998
    while text[-1] == "0" and text[-3] != ".":
        text = text[:-1]
    return [text.removeprefix("-") if not Decimal(text) else text, code]


class Texts(Typed):
    """A list of texts, sorted, each once; text is cut at ``format`` (default ``;``)."""

    expected = "a list of texts"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.separator = options.form or ";"

    def load(self, raw: Any) -> Any:
        texts = {" ".join(one.split()) for one in self.parts(raw)} - {""}
        if not texts or any(_UNPRINTABLE.search(one) for one in texts):
            raise ValueError
        return sorted(texts)

    def parts(self, raw: Any) -> list[str]:
        entries = raw if isinstance(raw, list | tuple) else [raw]
        return [part for entry in entries for part in text_of(entry).split(self.separator)]

    def dump(self, value: Any) -> Any:
        if isinstance(value, str):
            value = [value]
        return self.separator.join(text_of(one) for one in value)


class Email(Typed):
    """Lower-case, without outer blanks; only the syntax is checked."""

    expected = "an e-mail address"

    def load(self, raw: Any) -> Any:
        if not isinstance(raw, str):
            raise TypeError
        address = raw.strip().lower()
        if _PLAIN_EMAIL.fullmatch(address):
            return address
        if len(address) > LONGEST_EMAIL:  # the library looks at every character before it counts them
            raise ValueError
        try:
            checked = validate_email(address, check_deliverability=False, test_environment=True)
        except EmailNotValidError:
            raise ValueError from None
        return checked.normalized.lower()


class Phone(Typed):
    """E.164. Numbers without a country code are read as of ``region`` (two letters), else refused."""

    expected = "a phone number with its country code"

    def load(self, raw: Any) -> Any:
        if isinstance(raw, bool) or not isinstance(raw, str | int):
            raise TypeError
        if len(text := str(raw)) > 60:
            raise ValueError
        number = self._e164(text)
        if self._e164(number) != number:  # a trunk prefix after the country code, as in 000000: no such number
            raise ValueError
        return number

    def _e164(self, text: str) -> str:
        try:
            number = phonenumbers.parse(text, self.options.region)
        except phonenumbers.NumberParseException:
            raise ValueError from None
        if not phonenumbers.is_possible_number(number):
            raise ValueError
        number.extension = None
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


class Url(Typed):
    """http or https; a bare host name is taken for https. Scheme and host are lower-case."""

    expected = "a web address"

    def load(self, raw: Any) -> Any:
        if not isinstance(raw, str):
            raise TypeError
        text = raw.strip()
        if not text or len(text) > 2048 or re.search(r"\s", text) or _UNPRINTABLE.search(text):
            raise ValueError
        if not _SCHEME.match(text) or re.match(r"[^/?#:]+:[0-9]+(?:[/?#]|$)", text):
            text = f"https://{text}"
        parts = urlsplit(text)
        host = parts.netloc.lower()
        name, _, port = host.rpartition(":") if re.search(r":[0-9]*$", host) else (host, "", "")
        if parts.scheme.lower() not in ("http", "https") or not _HOST.fullmatch(name) or (port and int(port) > 65535):
            raise ValueError
        return urlunsplit((parts.scheme.lower(), host, parts.path, parts.query, parts.fragment))


def _decimal(raw: Any, form: str | None) -> Decimal:
    """Exact number of a raw value. Raises ``ValueError`` when it is none, or not finite."""
    if isinstance(raw, bool):
        raise TypeError
    if isinstance(raw, int):
        if raw.bit_length() > 1000:
            raise ValueError
        return Decimal(raw)
    if isinstance(raw, float):
        if not math.isfinite(raw):
            raise ValueError
        return Decimal(repr(raw))
    if not isinstance(raw, str):
        raise TypeError
    text, style = raw.strip(), form or POINT
    if not _GROUPED[style].fullmatch(text) or not text.strip("+-")[:1].strip("eE"):
        raise ValueError
    text = text.replace(".", "").replace(",", ".") if style == COMMA else text.replace(",", "")
    return Decimal(text)


TYPES: dict[str, type[Typed]] = {
    "string": String, "text": Text, "integer": Integer, "number": Number, "boolean": Boolean, "date": Date,
    "datetime": DateTime, "money": Amount, "list": Texts, "email": Email, "phone": Phone, "url": Url,
}  # fmt: skip
