"""Local HTTP servers that behave like the HubSpot and Salesforce APIs.

::

    from gateway_sandbox import HubSpotSandbox, serve

    sandbox = HubSpotSandbox(seed=1)
    sandbox.add("contacts", {"email": "kim@example.org"})
    sandbox.faults.add("POST .*/batch/update", times=1, action={"limit": "burst", "retry_after": 1})
    with serve(sandbox) as server:
        ...                                # point the client at server.url
    sandbox.calls, sandbox.effects, sandbox.records["contacts"]
"""

from gateway_sandbox.calls import Call, Calls, Effect
from gateway_sandbox.clock import Clock
from gateway_sandbox.faults import Fault, Faults
from gateway_sandbox.hubspot import HubSpotSandbox
from gateway_sandbox.records import Record, Records
from gateway_sandbox.salesforce import SalesforceSandbox
from gateway_sandbox.sandbox import Sandbox
from gateway_sandbox.serving import Serving, serve

__all__ = [
    "Call",
    "Calls",
    "Clock",
    "Effect",
    "Fault",
    "Faults",
    "HubSpotSandbox",
    "Record",
    "Records",
    "SalesforceSandbox",
    "Sandbox",
    "Serving",
    "serve",
]
