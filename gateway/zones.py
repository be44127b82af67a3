"""Time zones as the YAML files name them: ``Europe/Berlin``. Used by every checker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from marshmallow import ValidationError, fields

from gateway.settings.files import suggest


class Zone(fields.Field[ZoneInfo]):
    """The marshmallow field of a time zone's name."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> ZoneInfo:
        try:
            return ZoneInfo(value)
        except (KeyError, ValueError, OSError, TypeError, AttributeError):
            raise ValidationError(f"no such time zone{suggest(value, available_timezones())}") from None
