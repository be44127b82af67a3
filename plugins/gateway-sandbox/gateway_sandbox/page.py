"""What stands in a sandbox, as a page for people: ``GET /`` of its address. It looks again every few seconds."""

from __future__ import annotations

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


def page(name: str, now: Any, calls: int, records: Records) -> str:
    tables = "".join(_table(object, columns, records) for object, columns in COLUMNS[name].items())
    return _PAGE.format(name=escape(name), now=f"{now:%Y-%m-%d %H:%M}", calls=f"{calls:,}", tables=tables)


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
