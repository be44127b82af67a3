"""A mapping from text, and a document to read it with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.contracts import Document
from gateway.mapping import SystemMapping, compile_mapping
from gateway.settings.files import ConfigFile

RECEIVED = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class Mapped:
    """``mapped("website", text)`` compiles; ``read`` gives all items of one payload as a list."""

    def __call__(self, text: str, system: str = "website", role: str = "ma", **transforms: Any) -> SystemMapping:
        return compile_mapping(ConfigFile(f"mappings/{system}.yaml", text), role, transforms)

    def document(self, received_at: datetime = RECEIVED) -> Document:
        return Document(id="d1", system="website", received_at=received_at, body=b"")

    def read(self, text: str, payload: Any, received_at: datetime = RECEIVED) -> list[Any]:
        return list(self(text).read(payload, self.document(received_at)))


@pytest.fixture
def mapped() -> Mapped:
    return Mapped()
