"""Leases count bytes: who may begin on a device, what is granted, who leaves, and what is said while somebody waits."""

import os
import random

import pytest

from tests.conftest import until
from tuner import devices, paths, runs
from tuner.errors import ConflictError, MemoryShortError, RequestError
from tuner.jobs import device_memory, handover, queue, run_queue, supervisor, unresponsive
from tuner.jobs.device_memory import DeviceMemory
from tuner.jobs.job import Job
from tuner.jobs.leases import RESERVE, Lease, Memory, Use, may_begin, room
from tuner.system import machine

GB = 10**9
CARD, CPU = "cuda:0", "cpu"


def run(gigabytes: float, used: float = 0, device: str = CARD, name: str = "other") -> Lease:
    return Lease(device, Use.WHOLE, int(gigabytes * GB), int(used * GB), name)


def chat(gigabytes: float, used: float | None = None, device: str = CARD) -> Lease:
    return Lease(device, Use.SHARED, int(gigabytes * GB), int((gigabytes if used is None else used) * GB), "a chat")


def memory(total: float, free: float) -> Memory:
    return Memory(int(total * GB), int(free * GB))


@pytest.mark.parametrize(
    ("wanted", "running", "left", "begins", "leaves", "said"),
    [
        (run(10), [], memory(24, 23), True, False, ""),
        (run(10), [run(10)], memory(24, 23), True, False, ""),  # granted, and not taken yet
        (run(10), [run(10, 10)], memory(24, 13), True, False, ""),
        (run(10), [run(14)], memory(24, 23), False, False, "needs 10.0 GB"),
        (run(0), [run(1)], memory(24, 23), False, False, "Waiting for other"),  # nobody knows what it takes
        (run(1), [run(0)], memory(24, 23), False, False, "Waiting for other"),
        (run(10), [chat(2)], memory(24, 21), True, False, ""),  # both fit
        (run(20), [chat(6)], memory(24, 17), False, True, "a chat"),
        (run(20), [run(10, 10)], memory(24, 13), False, False, "other holds 10.0 GB"),
        (run(30), [], memory(24, 23), True, False, ""),  # a person insisted
        (run(1, device=CPU), [run(1, device=CPU)], memory(64, 60), False, False, "Waiting for other on cpu"),
        (run(1, device=CPU), [chat(2, device=CPU)], memory(16, 12), True, False, ""),
        (run(8, device=CPU), [chat(6, device=CPU)], memory(16, 8), False, True, "a chat"),
        (run(4, device="cuda:1"), [run(20)], memory(24, 23), True, False, ""),
        (Lease(CPU, Use.NOTHING, 4 * GB), [run(60, 10, device=CPU)], memory(64, 50), False, False, "needs 4.0 GB"),
        (Lease(CPU, Use.NOTHING), [run(60, 10, device=CPU)], memory(64, 50), True, False, ""),
        (Lease(CPU, Use.NOTHING, 4 * GB), [], memory(64, 2), True, False, ""),
    ],
)
def test_who_may_begin_with_how_much(wanted, running, left, begins, leaves, said):
    answer = may_begin(wanted, running, left)
    assert (answer.begin, answer.leave) == (begins, leaves) and said in answer.waits and bool(answer.waits) is not begins
    assert answer.granted <= wanted.bytes


def test_what_is_granted_never_exceeds_what_there_is():
    """Grants of chance on a card with foreign programs that come and go."""
    chance = random.Random(4)
    for _ in range(200):
        foreign, held, total = chance.uniform(0, 12), [], 24.0
        for _ in range(12):
            taken = [replace_used(lease, chance.uniform(0, lease.bytes)) for lease in held]
            now = memory(total, max(0, total - foreign - sum(lease.used for lease in taken) / GB))
            wanted = run(chance.uniform(0.1, 20))
            answer = may_begin(wanted, taken, now)
            if answer.begin:
                held.append(Lease(CARD, Use.WHOLE, answer.granted))
            assert sum(lease.bytes for lease in held) <= (total - foreign) * GB
    assert room(memory(24, 24), []) == int(24 * GB * (1 - RESERVE))


def replace_used(lease: Lease, used: float) -> Lease:
    return Lease(lease.device, lease.use, lease.bytes, int(used), lease.name)


# --- the supervisor ------------------------------------------------------------------------------------------------------------


class Child:
    pid, code = 4_000_000, None

    def poll(self):
        return self.code


@pytest.fixture
def card(ws, monkeypatch):
    """A card of 24 GB; `card.free` is what the driver shows, `card.used` what each process has taken."""

    class Card:
        total, free, used = 24 * GB, 23 * GB, {}
        there = True

        def device(self, id):
            return devices.Device(id, id.partition(":")[0], "a card", self.total, self.free, 1.0) if self.there else None

    card = Card()
    monkeypatch.setattr(DeviceMemory, "device", lambda self, id: card.device(id))
    monkeypatch.setattr(device_memory, "used", lambda device, pid: card.used.get(pid, 0))
    monkeypatch.setattr(machine, "ensure", lambda folder: None)
    return card


@pytest.fixture
def office(ws, card, monkeypatch):
    """A supervisor that starts nothing real."""
    pids = iter(range(4_000_001, 4_000_999))

    def started(*_, **__):
        child = Child()
        child.pid = next(pids)
        return child

    monkeypatch.setattr(supervisor.processes, "start", started)
    monkeypatch.setattr(supervisor, "TOLD", 0.0)
    return supervisor.Supervisor(ws.machine_folder(), handover.Inbox(ws.machine_folder()))


def made(ws, name: str, gigabytes: float, device: str = CARD) -> runs.Run:
    plan = {
        "settings": {"method": "lora", "objective": "chat"},
        "device": device,
        "peak_bytes": int(gigabytes * GB),
        "model": {},
        "reasons": [],
    }
    found = runs.create(ws, {"model": "starter", "data": "x@1"}, plan, name=name)
    run_queue.enqueue(ws, found)
    return found


def states(boss) -> dict[str, str]:
    return {job.folder.name: state for state in ("waiting", "running") for job in boss.jobs(state)}


def reason(ws, name: str) -> str | None:
    return runs.get(ws, name).status.reason


def test_small_runs_share_a_card_and_the_next_waits_for_it_in_its_turn(ws, card, office):
    for name, size in (("a", 8), ("b", 8), ("c", 12), ("d", 1)):
        made(ws, name, size)
    office.round()
    assert states(office) == {"a": "running", "b": "running", "c": "waiting", "d": "waiting"}, "d does not overtake c"
    assert "Waiting for memory on cuda:0: it needs 12.0 GB" in reason(ws, "c") and "a, b hold 16.0 GB" in reason(ws, "c")
    assert "behind another run" in reason(ws, "d")
    card.there = False
    assert run_queue.listing(ws)[-1]["leased_bytes"] == 16 * GB
    office.round()
    assert "does not answer" in reason(ws, "c"), "a card that has fallen off the bus"


def test_a_run_on_two_cards_takes_a_lease_on_each(ws, card, office, monkeypatch):
    started = []
    real = supervisor.processes.start
    monkeypatch.setattr(supervisor.processes, "start", lambda *a, **k: started.append((a, k)) or real(*a, **k))
    made(ws, "small", 8, "cuda:1")
    plan = runs.get(ws, "small").plan | {"device": "cuda:0", "devices": ["cuda:0", "cuda:1"], "peak_bytes": 16 * GB}
    plan["settings"] = plan["settings"] | {"processes": 2}
    both = runs.create(ws, {"model": "starter", "data": "x@1"}, plan, name="both")
    run_queue.enqueue(ws, both)
    made(ws, "later", 1, "cuda:0")
    office.round()
    assert states(office) == {"small": "running", "both": "waiting", "later": "waiting"}, "it does not overtake on one of its cards"
    assert "Waiting for memory on cuda:1" in reason(ws, "both")
    queue.set_state(office.db, office.jobs("running")[0].id, "done")
    office.round()
    assert states(office) == {"both": "running", "later": "running"}
    (module, _, device), named = next((a, k) for a, k in started if "both" in a[1])
    assert module == "tuner.jobs.data_parallel" and device == named["device"] == "cuda:0,cuda:1"
    held = {d["id"]: d["leased_bytes"] for d in run_queue.listing(ws)}
    assert held["cuda:0"] == 17 * GB and held["cuda:1"] == 16 * GB
    assert supervisor.processes.environment("cuda:0,cuda:1", True)["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_a_chat_leaves_and_its_memory_is_waited_for(ws, card, office, monkeypatch):
    place = ws.machine_folder() / "serving" / "cuda-0"
    place.mkdir(parents=True)
    Job(ws, "serve", place).submit(CARD)
    office.round()
    (serving,) = office.jobs("running")
    card.free, card.used = 13 * GB, {serving.pid: 10 * GB}
    device_memory.claim(ws.machine_folder(), place, CARD, 2 * GB, serving.pid)
    assert office.jobs("running")[0].bytes == 12 * GB
    made(ws, "big", 20)
    office.round()
    assert (place / "control").exists() and states(office)["big"] == "waiting" and "a chat" in reason(ws, "big")
    office.children[serving.id].code = 0
    office.round()
    assert states(office)["big"] == "waiting" and "memory of a chat that has left" in reason(ws, "big"), "the driver does not show it yet"
    card.free, card.used = 23 * GB, {}
    office.round()
    assert states(office)["big"] == "running"


def test_memory_that_never_comes_back_is_not_waited_for_for_ever(ws, card, office, monkeypatch):
    office.freed[CARD] = supervisor.time.monotonic()
    card.free = 5 * GB
    made(ws, "big", 20)
    office.round()
    assert states(office)["big"] == "waiting"
    office.freed[CARD] -= supervisor.BACK
    office.round()
    assert states(office)["big"] == "running", "other programs hold it: the run may do with less"
    assert office.jobs("running")[0].bytes <= 5 * GB


def test_a_chat_claims_what_it_loads_beside_a_run(ws, card, office):
    made(ws, "tuned", 16)
    place = ws.machine_folder() / "serving" / "cuda-0"
    place.mkdir(parents=True)
    Job(ws, "serve", place).submit(CARD)
    office.round()
    assert states(office) == {"tuned": "running", "cuda-0": "running"}
    device_memory.claim(ws.machine_folder(), place, CARD, 4 * GB, 1)
    with pytest.raises(MemoryShortError, match="while tuned is at work") as caught:
        device_memory.claim(ws.machine_folder(), place, CARD, 8 * GB, 1)
    assert "anyway" in caught.value.remedy and sum(j.bytes for j in office.jobs("running")) == 20 * GB


def test_an_export_waits_for_memory_that_a_run_was_granted_and_says_so(ws, card, office):
    made(ws, "large", 20, CPU)
    office.round()
    folder = ws.root / "exports" / ".merged.new"
    folder.mkdir(parents=True)
    Job(ws, "export", folder).submit(bytes=6 * GB)
    small = folder.with_name(".adapter-gguf.new")
    small.mkdir()
    Job(ws, "export", small).submit(bytes=GB)
    office.round()
    assert states(office) == {"large": "running", ".merged.new": "waiting", ".adapter-gguf.new": "running"}
    said = paths.read_json(folder / "progress.json")["said"]
    assert "Waiting for memory on cpu: it needs 6.0 GB" in said and "large" in said
    (folder / "control").write_text("stop")
    office.round()
    assert ".merged.new" not in states(office)
    assert Job(ws, "export", folder).status(lambda: MemoryShortError("It was not cancelled.", remedy="None.")).state == "cancelled"


def test_a_card_outside_those_that_are_allowed_is_refused(ws, card, office, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    made(ws, "a", 1)
    office.round()
    found = runs.get(ws, "a")
    assert (
        found.state == "failed" and found.status.error["field"] == "device" and "CUDA_VISIBLE_DEVICES=1" in found.status.error["available"]
    )


def test_the_heartbeat_of_an_earlier_process_is_no_sign_of_this_one(ws, card, office):
    run = made(ws, "resumed", 1)
    os.utime(_touched(run.path / "heartbeat"), (0, 0))
    office.round()
    assert states(office) == {"resumed": "running"} and not (run.path / "heartbeat").exists()
    unresponsive.watch(office.jobs("running")[0])
    assert runs.get(ws, "resumed").warnings == []
    os.utime(_touched(run.path / "heartbeat"), (0, 0))
    unresponsive.watch(office.jobs("running")[0])
    assert [w["name"] for w in runs.get(ws, "resumed").warnings] == ["not_responding"]


def _touched(file):
    file.touch()
    return file


# --- the order -----------------------------------------------------------------------------------------------------------------


def order(ws) -> list[str]:
    return [job["run"] for device in run_queue.listing(ws) for job in device["jobs"] if job["state"] == "waiting"]


def test_the_order_is_changed_and_runs_are_held(ws, card, office):
    for name in "abcd":
        made(ws, name, 20)
    assert order(ws) == list("abcd")
    for name, to, expected in (("d", "next", "dabc"), ("d", "down", "adbc"), ("c", "up", "adcb"), ("a", "last", "dcba"), ("a", "2", "dacb"), ("d", "9", "acbd"), ("a", "up", "acbd")):  # fmt: skip
        run_queue.move(ws, name, to)
        assert order(ws) == list(expected), (name, to)
    run_queue.hold(ws, "a")
    office.round()
    assert states(office) == {"a": "waiting", "c": "running", "b": "waiting", "d": "waiting"} and "On hold" in reason(ws, "a")
    run_queue.hold(ws, "a", False)
    made(ws, "e", 20)
    assert order(ws) == list("abde"), "who comes later stands behind"
    run_queue.cancel(ws, "b")
    office.round()
    assert runs.get(ws, "b").state == "stopped" and order(ws) == list("ade")
    for call, error in ((lambda: run_queue.move(ws, "a", "soon"), RequestError), (lambda: run_queue.hold(ws, "c"), ConflictError)):
        with pytest.raises(error):
            call()
    assert supervisor.Supervisor(ws.machine_folder(), office.inbox).jobs("waiting") == office.jobs("waiting"), "it outlives its process"


def test_a_thousand_waiting_runs_are_listed_without_reading_each_again(ws, card, office, monkeypatch):
    for n in range(30):
        made(ws, f"run-{n}", 20)
    read, real = [], paths.read_json
    monkeypatch.setattr(paths, "read_json", lambda file, *default: read.append(file) or real(file, *default))

    def reads() -> int:
        read.clear()
        assert len(order(ws)) == 30
        return len([file for file in read if file.parent.parent == ws.runs])

    until(lambda: reads() == 0, 20, every=0.5)  # what was just written is read once more by the index


def test_a_run_of_another_workspace_is_counted_and_not_named(ws, card, office):
    other = paths.Workspace(ws.home, "somebody", ws.machine)
    made(other, "secret-plan", 4)
    office.round()
    (job,) = run_queue.listing(ws)[-1]["jobs"]
    assert (
        job["run"] is None
        and job["job"] == "a run of another workspace"
        and job["bytes"] == 4 * GB
        and "secret" not in str(run_queue.listing(ws))
    )


def test_the_queue_in_the_terminal(ws, card, office, capsys):
    from tuner import cli

    made(ws, "a", 20), made(ws, "b", 20)
    office.round()
    said = cli.main(["--home", str(ws.home), "queue"])
    assert said == 0 and "1. a: running, 20.0 GB" in (out := capsys.readouterr().out) and "2. b: waiting" in out
    assert cli.main(["--home", str(ws.home), "queue", "hold", "b", "--json"]) == 0 and '"held": true' in capsys.readouterr().out
    for words in (["move", "b"], ["hold"], ["list", "b"], ["shuffle", "b"]):
        assert cli.main(["--home", str(ws.home), "queue", *words]) == 2, words
    capsys.readouterr()


def test_looking_at_the_queue_makes_nothing_and_needs_no_writing(ws, monkeypatch, capsys):
    place = ws.machine_folder()
    before = sorted(place.iterdir()) if place.exists() else []
    assert all(not d["jobs"] for d in run_queue.listing(ws)) and (sorted(place.iterdir()) if place.exists() else []) == before
    made(ws, "a", 1)
    with queue.connect(place) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    monkeypatch.setattr(queue.paths, "writable", lambda folder: False)
    monkeypatch.setattr(queue, "connect", lambda machine: pytest.fail("it would write"))
    assert [job["run"] for d in run_queue.listing(ws) for job in d["jobs"]] == ["a"]
    (place / queue.FILE).write_bytes(b"no database at all, and long enough to be taken for one" * 20)
    assert all(not d["jobs"] for d in run_queue.listing(ws)) and "can't be read" in capsys.readouterr().err


def test_a_queue_of_an_earlier_version_goes_on(ws):
    place = ws.machine_folder()
    place.mkdir(parents=True, exist_ok=True)
    db = queue.sqlite3.connect(place / queue.FILE)
    db.execute("CREATE TABLE jobs (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, folder TEXT NOT NULL, device TEXT NOT NULL, bytes INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'waiting', pid INTEGER, created REAL NOT NULL)")  # fmt: skip
    db.execute("INSERT INTO jobs (kind, folder, device, created) VALUES ('train', '/x/y', 'cpu', 0)")
    db.commit()
    (job,) = queue.jobs(queue.connect(place), "waiting")
    assert job.name == "y" and not job.held
