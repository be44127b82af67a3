"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no reason to fail; and a commit that was good yesterday is good today, so examples are the same in
# every run. To look for new ones: pytest --hypothesis-profile search, as often as you like.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("gateway", patient, derandomize=True)
settings.register_profile("quick", patient, derandomize=True, max_examples=20)
settings.register_profile("search", patient, max_examples=1000, print_blob=True)
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
