"""Several machines with one database: a web node and two worker nodes of real processes, each with its own folder."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from running_gateway import SOAK, HubSpot, Running, document, free_port, until

from gateway.cli import processes
from gateway.engine.supervisor import STATUS
from gateway.errors import Refused
from gateway.opening import open_gateway

DOCUMENTS = 40
LEADS = 500 if SOAK else 100


def all_ready(notes):
    """What a supervisor notes of its processes."""
    return all(one["ready"] for one in json.loads(notes.read_text())["processes"])


@pytest.mark.processes
@pytest.mark.slow  # three nodes of real processes
@pytest.mark.sqlite  # it says itself where its store is
def test_worker_nodes_share_a_load_and_one_that_leaves_is_not_missed(tmp_path, postgresql):
    """All is worked once, and the CRM holds it once, though a node is asked to end in the middle of it."""
    where = f"store: {postgresql.make(tables=False)}\nengine: procrastinate\n"
    folders = [tmp_path / name for name in ("files", "web", "one", "two")]
    folders[0].mkdir()

    def ready():
        notes = [folder / "var" / STATUS for folder in folders[2:]]
        return all(path.exists() and all_ready(path) for path in notes)

    with Running(folders[0], {"crm": HubSpot()}, where) as running:
        running.node("web", folders[1])
        one, _ = (running.node("worker", folder) for folder in folders[2:])
        until(ready, running.log)
        load = [(f"d{number}", document(number, f"p{number % 25}")) for number in range(DOCUMENTS)]
        running.send(load[: DOCUMENTS // 2])
        one.send_signal(signal.SIGTERM)
        running.send(load[DOCUMENTS // 2 :])
        assert one.wait(40) == 0
        running.quiet()
        running.agrees()


@pytest.mark.processes
@pytest.mark.slow  # two complete gateways
@pytest.mark.sqlite  # it says itself where its store is
@pytest.mark.parametrize("engine", ["local", "procrastinate"])
def test_two_complete_gateways_on_one_database_double_nothing(tmp_path, postgresql, engine):
    """Senders call either, and some of them both: every document is worked once, the CRM holds each person once."""
    where = f"store: {postgresql.make(tables=False)}\nengine: {engine}\n"
    (tmp_path / "one").mkdir()
    with Running(tmp_path / "one", {"crm": HubSpot()}, where) as running:
        running.start()
        port, other = running.port, free_port()
        started = running.node("run", tmp_path / "two", {f":{port}": f":{other}"})
        notes = tmp_path / "two" / "var" / STATUS
        until(lambda: notes.exists() and all_ready(notes), running.log)
        load = [(f"d{number}", document(number, f"p{number % LEADS}")) for number in range(LEADS + LEADS // 4)]

        def insist(ports):
            for number, one in enumerate(load):
                until(lambda port=ports[number % 2], one=one: running.post(*one, port) == 200, running.log)

        with ThreadPoolExecutor(2) as pool:  # each document comes twice, by two doors
            list(pool.map(insist, [(port, other), (other, port)]))
        running.quiet()
        assert started.poll() is None
        running.agrees()
        assert len(running.crms["crm"].holds()) == LEADS


@pytest.mark.sqlite
def test_machines_with_other_files_do_not_take_them_up_in_turns(tmp_path, postgresql):
    """The last that were taken up are in use everywhere; a process that begins anew elsewhere works with them."""
    store = f"store: {postgresql.make()}\n"
    roots = []
    for name in ("one", "two"):
        roots.append(tmp_path / name)
        roots[-1].mkdir()
        text = f"instance: {{name: {name}, zone: UTC, currency: EUR}}\n{store}"
        (roots[-1] / "gateway.yaml").write_text(text)
    one, two = roots

    def opened(root, **how):
        with closing(open_gateway(root, **how)) as gateway:
            return gateway.instance.name, gateway.bundle, gateway.outdated()

    first, second = opened(one), opened(two)
    assert (first[0], second[0]) == ("one", "two")
    assert opened(one, fallback=True, following="always") == ("two", second[1], False)
    assert opened(two, fallback=True, following="always") == second
    assert opened(one, following="replaced") == second  # a command there changes nothing for all
    text = (one / "gateway.yaml").read_text()
    (one / "gateway.yaml").write_text(text.replace("name: one", "name: edited"))
    third = opened(one, following="replaced")  # but what was edited is news
    assert third[0] == opened(two, following="replaced")[0] == "edited"
    (one / "gateway.yaml").write_text(text)
    assert [opened(one)[0], opened(two)[0]] == ["one", "two"]  # who starts says what counts
    (one / "gateway.yaml").write_text("broken: yes\n" + store)
    assert opened(one, fallback=True, following="always") == second
    (one / "gateway.yaml").write_text((two / "gateway.yaml").read_text().replace("two", "three"))
    assert opened(one)[0] == opened(two, fallback=True, following="always")[0] == "three"


@pytest.mark.sqlite
def test_of_two_gateways_in_one_folder_the_second_is_refused(tmp_path, monkeypatch):
    """Each would take what the other notes of its processes for its own; once the first has ended, the next may."""
    monkeypatch.setattr(processes, "PORT_SECONDS", 0)
    refused = pytest.raises(Refused, match="another `gateway run` or `gateway worker` is at work in this folder")
    with processes._alone(tmp_path), refused, processes._alone(tmp_path):
        pass
    with processes._alone(tmp_path):
        pass
