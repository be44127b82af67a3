"""A command of the gateway's for a page, in a process of its own: its JSON is the answer.

A plugin that hangs in it keeps no page and no webhook, and what it says of people is kept nowhere.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.errors import Refused


def answer(root: Path, arguments: Sequence[str], seconds: float) -> Any:
    """What ``gateway ARGUMENTS --json`` says. Raises ``Refused`` with its words where it fails, or takes too long."""
    command = [sys.executable, "-m", "gateway", "-C", str(root), *arguments, "--json"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise Refused(f"it did not end within {seconds / 60:.0f} minutes, and was ended") from None
    if ended.returncode:
        raise Refused((ended.stderr.strip() or f"it ended with {ended.returncode}").removeprefix("Error: "))
    return json.loads(ended.stdout)
