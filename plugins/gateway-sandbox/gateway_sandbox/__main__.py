"""Serve a sandbox until Ctrl-C: ``python -m gateway_sandbox hubspot|salesforce|company``.

``company`` serves both, with buyers and sales people at work in them. ``circle`` plays some days of that company with
the gateway between its two systems, and ends.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import orjson

from gateway_sandbox import circle, hubspot, salesforce
from gateway_sandbox.clock import Clock, parse
from gateway_sandbox.company import Company
from gateway_sandbox.hubspot import OFF, HubSpotSandbox
from gateway_sandbox.salesforce import SalesforceSandbox
from gateway_sandbox.serving import Serving, serve


def main(arguments: Sequence[str] | None = None, stop: threading.Event | None = None) -> None:
    """Serve until ``stop`` is set; without one, until SIGINT or SIGTERM."""
    given = _parser().parse_args(arguments)
    if given.system == "circle":
        try:
            told = circle.play(given.dir, given.days, given.seed)
        except (ImportError, FileExistsError) as exc:
            sys.exit(str(exc))
        print(*(f"{name} {count}" for name, count in told.items()), sep=" · ")
        print(f"It is all in {given.dir} now: gateway -C {given.dir} metrics funnel")
        return
    if stop is None:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_, stopping=stop: stopping.set())
    clock = Clock(given.start, given.speed)
    made: dict[str, HubSpotSandbox | SalesforceSandbox] = {}
    with contextlib.ExitStack() as stack:
        if given.system != "salesforce":
            made["hubspot"] = _hubspot(given, clock)
        if given.system != "hubspot":
            made["salesforce"] = SalesforceSandbox(seed=given.seed, clock=clock, gateway=given.fields)
        for place, (name, sandbox) in enumerate(made.items()):
            if given.faults:
                sandbox.faults.script(orjson.loads(given.faults.read_bytes()))
            port = given.port + place if given.port else 0
            _say(name, stack.enter_context(serve(sandbox, port)))
        if given.system == "company":
            _work(stack, made, given)
        stop.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m gateway_sandbox", description=__doc__)
    parser.add_argument("system", choices=("hubspot", "salesforce", "company", "circle"))
    parser.add_argument("--port", type=int, default=0, help="0: any free one; company: HubSpot's, Salesforce's is next")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=parse, help="the sandbox's time at the start (ISO 8601); default: now")
    parser.add_argument("--speed", type=float, help="seconds of the sandbox in a second; default 1, 0 with --start")
    parser.add_argument("--buyers", type=float, default=6.0, help="company: new ones a day, on average")
    parser.add_argument("--days", type=int, default=14, help="circle: so many are played")
    parser.add_argument("--dir", type=Path, default=Path("circle"), help="circle: the gateway's folder, a new one")
    parser.add_argument("--fields", action="store_true", help="with the gateway's own fields, as set up")
    parser.add_argument("--unlimited", action="store_true", help="hubspot: without rate limits")
    parser.add_argument("--faults", type=Path, help="a fault script: a JSON list; the README says what it matches")
    parser.add_argument("--webhook-url", help="hubspot: where changes are sent, signed")
    parser.add_argument("--webhook-secret", default=hubspot.CLIENT_SECRET)
    return parser


def _hubspot(given: argparse.Namespace, clock: Clock) -> HubSpotSandbox:
    made = HubSpotSandbox(seed=given.seed, clock=clock, limits=OFF if given.unlimited else None)
    if given.fields:
        made.define_gateway()
    if given.webhook_url:
        made.webhooks.subscribe(given.webhook_url, given.webhook_secret)
        made.webhooks.start()
    return made


def _say(name: str, serving: Serving) -> None:
    keys = {
        "hubspot": f"token {hubspot.TOKEN}, client secret {hubspot.CLIENT_SECRET}",
        "salesforce": f"consumer key {salesforce.CONSUMER_KEY}, secret {salesforce.CONSUMER_SECRET}",
    }
    print(f"{name} sandbox on {serving.url} ({keys[name]}); control: {serving.url}/_sandbox", flush=True)


def _work(
    stack: contextlib.ExitStack, made: dict[str, HubSpotSandbox | SalesforceSandbox], given: argparse.Namespace
) -> None:
    hub, force = made["hubspot"], made["salesforce"]
    assert isinstance(hub, HubSpotSandbox)
    assert isinstance(force, SalesforceSandbox)
    company = Company(hub, force, seed=given.seed, buyers_per_day=given.buyers)
    company.start()
    stack.callback(company.close)


if __name__ == "__main__":
    main()
