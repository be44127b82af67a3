"""The small instance on disk, empty and filled."""

from __future__ import annotations

from pathlib import Path

import pytest
from disk_instance import ANN, BOB, FIRM, PEOPLE, Instance


@pytest.fixture
def instance(tmp_path: Path, gateway_tables: Path) -> Instance:
    pytest.importorskip("gateway_files")
    return Instance(tmp_path / "instance", gateway_tables)


@pytest.fixture
def filled(instance: Instance) -> Instance:
    """With five records imported; nothing is sent anywhere yet."""
    instance.bring(PEOPLE)
    return instance


@pytest.fixture
def people() -> list[dict[str, str]]:
    return [dict(one) for one in PEOPLE]


@pytest.fixture
def ann() -> dict[str, str]:
    return dict(ANN)


@pytest.fixture
def bob() -> dict[str, str]:
    return dict(BOB)


@pytest.fixture
def firm() -> dict[str, str]:
    return dict(FIRM)
