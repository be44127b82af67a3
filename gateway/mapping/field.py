"""One field of a mapping: a raw value becomes canonical (``load``) and a canonical one raw (``dump``).

Load: transforms, then the value map, then the type. Dump: the value map backwards, then the type. What ``dump``
writes, ``load`` reads back as the same value (cut to ``length``, where there is one), or ``dump`` refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from marshmallow import ValidationError

from gateway.mapping.grammar import is_code
from gateway.mapping.paths import MISSING
from gateway.mapping.types import TYPES, Options, Texts, Typed, kind_of, text_of

Transform = Callable[[Any], Any]
_REMEMBERED = 4096
_LONGEST = 200  # characters of a text worth remembering
_SCALARS = frozenset((str, int, float, bool))


class UnmappedError(ValidationError):
    """The value is none of the value map's; an admin may want to add it."""


def _digits(value: Any) -> str:
    return "".join(sign for sign in text_of(value) if sign in "0123456789")


def _title(value: Any) -> str:
    """Once is not always enough: İ becomes two signs, behind which a word seems to begin. The end of it is stable."""
    text = text_of(value)
    for _ in range(8):
        text, before = text.title(), text
        if text == before:
            break
    return text


BUILT_IN: dict[str, Transform] = {
    "strip": lambda value: text_of(value).strip(),
    "lower": lambda value: text_of(value).lower(),
    "upper": lambda value: text_of(value).upper(),
    "title": _title,
    "digits": _digits,
}
"""Transforms of text: a number is taken as its text."""


class Blanks:
    """The raw values of one object that mean missing: null, empty text, empty lists, and the markers of its mapping."""

    __slots__ = ("_others", "texts")

    def __init__(self, markers: Sequence[Any]) -> None:
        scalars = [marker for marker in markers if isinstance(marker, str | int | float)]
        self.texts = frozenset(text_of(marker) for marker in scalars)
        """Texts that are blank, beside those without a character that is seen."""
        self._others = frozenset((type(marker), marker) for marker in scalars)

    def __call__(self, raw: Any) -> bool:
        if raw.__class__ is str:
            return raw in self.texts or not raw or raw.isspace()
        if raw is None or raw == [] or raw == {}:
            return True
        return raw.__class__ in _SCALARS and (type(raw), raw) in self._others


class FieldMapping:
    """One system field and the lead field it meets. ``field`` is the path as the mapping file writes it."""

    def __init__(
        self, field: str, definition: Mapping[str, Any], zone: Any, blanks: Blanks, plugins: Mapping[str, Transform]
    ) -> None:
        """``definition``: a field of the file, loaded and with its defaults. Raises ``KeyError`` on an unknown name."""
        self.field = field
        self.definition = definition
        self.to: str = definition["to"]
        self.type: str = definition["type"]
        self.sync: str = definition["sync"]
        self.prefer: str | None = definition["prefer"]
        self.blank: str = definition["blank"]
        self.otherwise: str | None = definition.get("otherwise")
        self.on_error: str = definition["on_error"]
        self.unmapped: str = definition["values_default"]
        self.guard: bool = definition["guard"]
        self.currency: str | None = definition.get("currency")
        self.is_blank = blanks
        self.typed: Typed = TYPES[self.type](options_of(definition, zone))
        self._many = isinstance(self.typed, Texts)
        self._shared = self._many or self.type == "money"
        self._transforms = [
            (name, plugins[name] if name in plugins else BUILT_IN[name]) for name in definition["transforms"]
        ]
        self.values: dict[str, Any] = {}
        self._folded: dict[str, Any] = {}
        self._back: dict[Any, Any] = {}
        for raw, target in (definition.get("values") or {}).items():
            values = [self._target(one) for one in (target if isinstance(target, list) else [target])]
            self.values[text_of(raw)] = values[0]
            self._folded.setdefault(_fold(text_of(raw)), values[0])
            for value in values:
                self._back.setdefault(value, raw)
        self._known: dict[type, dict[Any, Any]] = {kind: {} for kind in _SCALARS}  # 1, 1.0 and true are three values
        self._texts = self._known[str]

    @property
    def inbound(self) -> bool:
        return self.sync != "out"

    @property
    def outbound(self) -> bool:
        return self.sync in ("out", "newest", "prefer")

    @property
    def writes(self) -> Collection[Any]:
        """The raw values that the value map makes of lead values."""
        return self._back.values()

    @property
    def strict(self) -> bool:
        """True when a value that does not load takes its whole record to quarantine."""
        return self.inbound and "quarantine" in (self.on_error, self.unmapped)

    def load(self, raw: Any) -> Any:
        """The canonical value. Raises ``marshmallow.ValidationError``, whose text never holds the value."""
        known = self._texts if raw.__class__ is str else self._known.get(raw.__class__)
        if known is None:
            return self._load(raw)
        value = known.get(raw, MISSING)
        if value is MISSING:
            value = self._load(raw)
            if raw.__class__ is not str or len(raw) <= _LONGEST:
                if len(known) >= _REMEMBERED:
                    known.clear()
                known[raw] = value
        return list(value) if self._shared else value

    def dump(self, value: Any) -> Any:
        """The raw value that the system is sent; None clears. Raises ``ValidationError`` when it cannot be written."""
        if value is None:
            return None
        if self.values:
            try:
                if not self._many:
                    return self._unmap(value)
                value = [self._unmap(one) for one in value]
            except TypeError:
                raise ValidationError(f"cannot be written as {self.typed.expected}: it is {kind_of(value)}") from None
        return self.typed._serialize(value, None, None)

    def quarantines(self, raw: Any) -> str:
        """Why this raw value takes its record to quarantine; empty when it does not."""
        try:
            self.load(raw)
        except UnmappedError as exc:
            return str(exc.messages[0]) if self.unmapped == "quarantine" else ""
        except ValidationError as exc:
            return str(exc.messages[0]) if self.on_error == "quarantine" else ""
        return ""

    def unknown(self, raw: Any) -> bool:
        """Whether the value map has no word for this raw value, and may not do without."""
        try:
            self.load(raw)
        except UnmappedError:
            return True
        except ValidationError:
            pass
        return False

    def _load(self, raw: Any) -> Any:
        try:
            if not isinstance(self.typed, Texts):
                value, mapped = self._prepared(raw)
                if mapped:
                    return value
                # Nothing is missing and nothing else is validated here: the rest of marshmallow's way has no effect.
                return self.typed.deserialize(value) if value is None else self.typed._deserialize(value, None, None)
            parts = [self._prepared(part)[0] for part in self.typed.parts(raw) if not self.is_blank(part)]
            return self.typed.deserialize(parts)
        except TypeError:
            raise ValidationError(f"expected {self.typed.expected}, got {kind_of(raw)}") from None

    def _prepared(self, raw: Any) -> tuple[Any, bool]:
        """The value behind transforms and value map; True when the map knew it, so that it is canonical already."""
        for name, transform in self._transforms:
            try:
                raw = transform(raw)
            except Exception:  # noqa: BLE001 - a plugin's function may raise anything, with the value in its text
                raise ValidationError(f"transform {name} refused {kind_of(raw)}") from None
            if raw is None or raw == "":
                raise ValidationError(f"transform {name} left nothing")
        if not self.values:
            return raw, False
        text = text_of(raw)
        if text in self.values:
            return self.values[text], True
        if (folded := _fold(text)) in self._folded:
            return self._folded[folded], True
        if self.unmapped != "keep":
            raise UnmappedError(f"not in the value map: {kind_of(raw)}")
        return raw, False

    def _target(self, target: Any) -> Any:
        if self._many:
            return self.typed.deserialize([target])[0]
        return self.typed.deserialize(target)

    def _unmap(self, value: Any) -> Any:
        if value in self._back:
            return self._back[value]
        if self.unmapped != "keep":
            raise UnmappedError(f"not in the value map: {kind_of(value)}")
        raw = value if self._many else self.typed._serialize(value, None, None)
        if isinstance(raw, str | int | float) and _fold(text_of(raw)) in self._folded:
            raise ValidationError("the value map would read it back as another value")
        return raw


def options_of(definition: Mapping[str, Any], zone: Any) -> Options:
    currency = definition.get("currency") or ""
    return Options(
        form=definition.get("format"),
        unit=definition.get("unit"),
        zone=zone,
        currency=currency if is_code(currency) else None,
        region=definition.get("region"),
        length=definition.get("length"),
    )


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold()
