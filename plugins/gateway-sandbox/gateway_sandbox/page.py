"""What stands in a sandbox, as pages for people: ``GET /`` of its address, and each record where the vendor has it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from itertools import islice
from typing import Any

from gateway_sandbox.records import Records

ROWS = 40
"""Of each object, the youngest first."""
COLUMNS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "hubspot": {
        "contacts": (
            *("email", "firstname", "lastname", "jobtitle", "company", "hs_analytics_num_page_views", "hs_email_click"),
            *("num_conversion_events", "gw_score", "gw_stage", "gw_bucket", "gw_bucket_reason"),
        ),
    },
    "salesforce": {
        "Lead": (
            *("Email", "FirstName", "LastName", "Title", "Company", "Status", "Reject_Reason__c", "IsConverted"),
            *("Gateway_Score__c", "Gateway_Reasons__c"),
        ),
        "Task": ("Subject", "Status", "ActivityDate", "Description"),
        "Opportunity": ("Name", "StageName", "Amount", "CloseDate"),
    },
}
_RECORDS = (
    re.compile(r"/lightning/r/(?P<object>\w+)/(?P<id>\w+)/view"),
    re.compile(r"/contacts/\d+/record/(?P<object>0-\d+)/(?P<id>\w+)"),
)
_OBJECTS = {"0-1": "contacts", "0-2": "companies", "0-3": "deals", "0-27": "tasks"}
"""HubSpot's numbers of its objects."""
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="5">
<title>{name} sandbox</title>
<style>body{{font:.9rem/1.4 system-ui;margin:2rem}}table{{border-collapse:collapse}}
td,th{{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:top;white-space:pre-line}}</style>
<h1>{name} sandbox</h1>
<p>{now} UTC. {calls} calls so far. The same for programs: <a href="/_sandbox">/_sandbox</a></p>
{tables}
</html>
"""


_RECORD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title} in the {name} sandbox</title>
<style>body{{font:.9rem/1.4 system-ui;margin:2rem}}
td,th{{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:top;white-space:pre-line}}</style>
<h1>{title}</h1>
<p><a href="/">All that stands in the {name} sandbox</a></p>
<table>{rows}</table>
</html>
"""


def page(name: str, now: Any, calls: int, records: Records) -> str:
    tables = "".join(_table(object, columns, records) for object, columns in COLUMNS[name].items())
    return _PAGE.format(name=escape(name), now=f"{now:%Y-%m-%d %H:%M}", calls=f"{calls:,}", tables=tables)


def record_page(name: str, path: str, records: Records) -> str | None:
    """One record with all its fields, where the vendor's own user interface has it; None: this path leads to none."""
    for pattern in _RECORDS:
        if match := pattern.fullmatch(path):
            object_ = _OBJECTS.get(match["object"], match["object"])
            record = records[object_].get(match["id"]) if object_ in records else None
            if record is not None and not record.gone:
                rows = "".join(
                    f"<tr><th>{escape(field)}</th><td>{_shown(value)}</td></tr>"
                    for field, value in sorted(record.values.items())
                )
                return _RECORD.format(name=escape(name), title=escape(f"{object_} {record.id}"), rows=rows)
    return None


def _table(object: str, columns: Sequence[str], records: Records) -> str:
    alive = list(records.alive(object))
    head = "".join(f"<th>{escape(one)}</th>" for one in columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{_shown(record[one])}</td>" for one in columns) + "</tr>"
        for record in islice(reversed(alive), ROWS)
    )
    return f"<h2>{escape(object)}: {len(alive):,}</h2><table><tr>{head}</tr>{rows}</table>"


def _shown(value: Any) -> str:
    return "" if value in (None, False) else escape(str(value))
