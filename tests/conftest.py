"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("gateway", deadline=None)  # a busy machine is no reason to fail
settings.register_profile("quick", deadline=None, max_examples=20)  # --hypothesis-profile quick
settings.load_profile("gateway")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the public data sets: ``GATEWAY_SHARED_DATA``, else ``../shared/data`` beside the project."""
    given = os.environ.get("GATEWAY_SHARED_DATA")
    folder = Path(given) if given else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the public data sets are not here; GATEWAY_SHARED_DATA names their folder")
    return folder
