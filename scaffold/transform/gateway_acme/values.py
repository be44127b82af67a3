"""One function per way of writing. In: a raw value, never None. Out: a value, or ``ValueError`` that does not quote it.

They are pure: the gateway may read the same document again, years later, and expects the same lead.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

_NUMBER = r"\d{1,3}(?:[,.' ]\d{3})+|\d{1,9}"
_RANGE = rf"({_NUMBER})(?:\s*(?:-|\u2013|to)\s*({_NUMBER})|\s*\+)?"
_HEADCOUNT = re.compile(rf"{_RANGE}(?:\s+(?:employees|people))?", re.IGNORECASE | re.ASCII)
_HOST = re.compile(r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]", re.ASCII)


def headcount(value: Any) -> int:
    """``201-500 employees`` → 350, its middle; ``1,000+`` → 1000; ``80`` → 80."""
    found = _HEADCOUNT.fullmatch(str(value).strip()[:100])
    if found is None:
        raise ValueError("no number of people, such as 80, 201-500 or 1,000+")
    low, high = (int(re.sub(r"\D", "", part)) if part else None for part in found.groups())
    if low is None or (high is not None and high < low):
        raise ValueError("the lower number comes first")
    return low if high is None else (low + high) // 2


def domain(value: Any) -> str:
    """``https://www.Firm.example/about`` → ``firm.example``; an e-mail address gives what is behind its @."""
    text = str(value).strip()[:2000]
    if "@" in text and "/" not in text:
        text = text.rpartition("@")[2]
    host = urlsplit(text if "//" in text else f"//{text}").hostname or ""
    host = host.removeprefix("www.").removesuffix(".")
    if not _HOST.fullmatch(host):
        raise ValueError("no address of a web site, such as https://www.firm.example")
    return host
