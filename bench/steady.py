"""How long an accepted webhook waits for its 200 at a steady 500 calls a second, each on disk before it is answered.

    python bench/steady.py [--rate 500] [--seconds 20] [--connections 16] [--json]

The server, bodies and signatures of ``accept.py``; SQLite with synchronous=FULL. Calls come when they are due, whether
or not the ones before are answered; each is measured from that moment, so a stall counts for all that it holds up.
Beside it the same for a bare Flask hello on the same server. Target: the 99th percentile under 50 ms.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

from accept import BODIES, PEOPLE, SIGNATURES, free_port, running

from gateway.store.database import open_store, upgrade

TARGET_MS = 50.0
WARM = 1.0
"""Seconds whose calls are not counted."""


def answer(connection: socket.socket) -> bytes:
    """One whole answer: its body may come in a packet of its own."""
    got = b""
    while more := connection.recv(65536):
        got += more
        head, _, body = got.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
        if length and len(body) >= int(length[1]):
            break
    return got


def calls(port: int, path: str, rate: float, seconds: float, connections: int) -> list[float]:
    """Milliseconds of every call, sorted."""
    took: list[list[float]] = [[] for _ in range(connections)]
    failed: list[str] = []
    began = time.perf_counter() + 0.2

    def send(number: int) -> None:
        with closing(socket.create_connection(("127.0.0.1", port))) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for call in range(number, int(rate * (seconds + WARM)), connections):
                due = began + call / rate
                time.sleep(max(0.0, due - time.perf_counter()))
                body, signature = BODIES[call % PEOPLE], SIGNATURES[call % PEOPLE]
                head = (
                    f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Signature: {signature}\r\n"
                    f"X-Delivery: steady-{call}\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                connection.sendall(head.encode() + body)
                if not answer(connection).startswith(b"HTTP/1.1 200"):
                    failed.append(f"{path}: not every call was answered 200")
                    return
                if call >= rate * WARM:
                    took[number].append((time.perf_counter() - due) * 1000)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise SystemExit(failed[0])
    return sorted(each for one in took for each in one)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=float, default=500.0, help="calls a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-steady-") as name:
        folder = Path(name) / "var"
        store = open_store(folder)
        upgrade(store)
        store.close()
        for role, path in (("hello", "/hello"), ("accepting", "/hooks/bench")):
            port = free_port()
            with running(role, folder, port):
                found[role] = calls(port, path, given.rate, given.seconds, given.connections)
    p99 = {role: times[int(len(times) * 0.99)] for role, times in found.items()}
    if given.json:
        print(json.dumps({"bench": "steady", **{f"{role}_p99_ms": round(each, 1) for role, each in p99.items()}}))
    else:
        print(f"{given.rate:g} calls a second for {given.seconds:g} s over {given.connections} connections")
        for role, times in found.items():
            print(
                f"  {role:9} median {times[len(times) // 2]:6.1f} ms   p99 {p99[role]:6.1f} ms   worst {times[-1]:.1f}"
            )
        print(f"  target: accepting p99 < {TARGET_MS:.0f} ms")
    return int(p99["accepting"] >= TARGET_MS)


if __name__ == "__main__":
    sys.exit(main())
