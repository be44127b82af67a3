"""``python -m gateway_sandbox hubspot|salesforce --port N``: serve one sandbox until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import orjson

from gateway_sandbox import hubspot, salesforce
from gateway_sandbox.clock import Clock, parse
from gateway_sandbox.hubspot import HubSpotSandbox
from gateway_sandbox.salesforce import SalesforceSandbox
from gateway_sandbox.sandbox import Sandbox
from gateway_sandbox.serving import serve


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m gateway_sandbox", description=__doc__)
    parser.add_argument("system", choices=("hubspot", "salesforce"))
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=parse, help="the sandbox's time at the start (ISO 8601); default: now")
    parser.add_argument("--speed", type=float, help="seconds of the sandbox in a second; default 1, 0 with --start")
    parser.add_argument("--fields", action="store_true", help="with the gateway's own fields, as set up")
    parser.add_argument("--faults", type=Path, help="a fault script: a JSON list")
    parser.add_argument("--webhook-url", help="hubspot: where changes are sent, signed")
    parser.add_argument("--webhook-secret", default=hubspot.CLIENT_SECRET)
    given = parser.parse_args(arguments)
    start: datetime | None = given.start
    sandbox = _made(given, Clock(start, given.speed))
    if given.faults:
        sandbox.faults.script(orjson.loads(given.faults.read_bytes()))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with serve(sandbox, given.port) as serving:
        print(f"{given.system} sandbox on {serving.url}, its control interface on {serving.url}/_sandbox", flush=True)
        stop.wait()


def _made(given: argparse.Namespace, clock: Clock) -> Sandbox:
    if given.system == "salesforce":
        print(f"consumer key {salesforce.CONSUMER_KEY}, secret {salesforce.CONSUMER_SECRET}", flush=True)
        return SalesforceSandbox(seed=given.seed, clock=clock, gateway=given.fields)
    made = HubSpotSandbox(seed=given.seed, clock=clock)
    if given.fields:
        made.define_gateway()
    if given.webhook_url:
        made.webhooks.subscribe(given.webhook_url, given.webhook_secret)
        made.webhooks.start()
    print(f"token {hubspot.TOKEN}, client secret {hubspot.CLIENT_SECRET}", flush=True)
    return made


if __name__ == "__main__":
    main()
