"""Time before and during a run: what is predicted grows with the work, what runs taught narrows it, a probe never stands in a run's way."""

import json
import math
import os
import random
from dataclasses import replace

import pytest

from tests.conftest import until
from tuner import devices, diagnostics, locks, models, paths, runs
from tuner.cli.progress import Training
from tuner.devices import Device, roofline
from tuner.errors import ConflictError, SettingError
from tuner.formatting import human_range, human_time
from tuner.jobs import benchmarks, handover, queue, supervisor
from tuner.jobs.job import Job
from tuner.planning import planner, time_estimate
from tuner.planning.decisions import DataFacts
from tuner.planning.eta import Eta, describe
from tuner.runs import Progress
from tuner.settings import parsing
from tuner.settings.run_config import Settings
from tuner.system import machine
from ui.components import html, units
from ui.run_views import overview
from ui.train_views import summary_view

CARD = Device("cuda:0", "cuda", "NVIDIA L4", 24 * 10**9, 24 * 10**9, 121, watts=72)
CPU = Device("cpu", "cpu", "CPU with 2 cores", 16 * 10**9, 16 * 10**9, 0.2, watts=20)
CHATS = DataFacts("chat", 2000, 100, 300.0, 1000)
QWEN = models.Model("Qwen/Qwen2.5-1.5B-Instruct", "hub", models.resolve("Qwen/Qwen2.5-1.5B-Instruct").facts, "Qwen/Qwen2.5-1.5B-Instruct")
FIXED = {
    "micro_batch": 4,
    "effective_batch": 16,
    "max_length": 1024,
    "precision": "bf16",
    "gradient_checkpointing": False,
    "packing": False,
}


@pytest.fixture(autouse=True)
def _machine(ws):
    """Each test has a machine folder that nothing was learnt in."""


def plan(model=QWEN, data=CHATS, device=CARD, **settings):
    return planner.plan(parsing.parse(FIXED | settings), model, data, device=device, device_memory=10**12)


def probed(device=CARD, **figures) -> None:
    """As if a probe had found these ceilings."""
    place = roofline.folder(device)
    place.mkdir(parents=True, exist_ok=True)
    known = {"fp32": 15e12, "bf16": 60e12, "bandwidth": 250e9, "layer": 4e-4, "measured": "2026-01-01T00:00:00+0000"}
    paths.write_json(place / roofline.RESULT, known | figures)


def width(p) -> float:
    return p.seconds_high / p.seconds_low


# --- what takes longer ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", [CARD, CPU])
@pytest.mark.parametrize("method", ["lora", "full", "last_layers", "ia3", "prompt"])
def test_more_work_takes_longer(method, device):
    base = plan(method=method, device=device)
    for longer in (
        plan(method=method, device=device, data=replace(CHATS, rows=4000)),
        plan(method=method, device=device, data=replace(CHATS, mean=600.0)),
        plan(method=method, device=device, data=replace(CHATS, held_out=2000)),
        plan(method=method, device=device, epochs=6),
        plan(method=method, device=device, gradient_checkpointing=True),
        plan(method=method, device=device, micro_batch=16),  # more padding to the longest
        plan(method=method, device=device, model=replace(QWEN, facts=models.resolve("Qwen/Qwen2.5-7B-Instruct").facts)),
    ):
        assert longer.seconds > base.seconds and longer.seconds_low > base.seconds_low and longer.seconds_high > base.seconds_high
    assert 0 < base.seconds_low < base.seconds < base.seconds_high


def test_what_costs_less_takes_less():
    assert plan(method="lora").seconds < plan(method="full").seconds < plan(method="full", device=CPU).seconds
    assert plan(method="last_layers", last_layers=2).seconds < plan(method="last_layers", last_layers=20).seconds
    assert plan(method="lora").seconds < plan(method="qlora").seconds, "packed weights are unpacked at each pass"
    assert plan(max_steps=10).seconds < plan().seconds


def test_rows_of_like_length_are_not_padded():
    same, unlike = replace(CHATS, longest=300), CHATS
    lengths = [
        time_estimate.padded(d, Settings(**FIXED | {"method": "lora", "objective": "chat", "micro_batch": m}))
        for d in (same, unlike)
        for m in (1, 8)
    ]
    assert lengths[:2] == [300, 300] and lengths[2] == 300 and 300 < lengths[3] <= 1000
    assert plan(data=unlike).pace["tokens_per_second"] < plan(data=same).pace["tokens_per_second"]


def test_of_experts_only_those_that_are_asked_count():
    facts = replace(QWEN.facts, config={"num_experts_per_tok": 2, "moe_intermediate_size": 100})
    assert time_estimate._active(facts) < facts.layer_parameters == time_estimate._active(QWEN.facts)


def test_a_slower_device_takes_longer():
    probed()
    fast = plan().seconds
    for slower in ({"bf16": 30e12}, {"bandwidth": 1e9}, {"layer": 1.0}):
        probed(**slower)
        assert plan().seconds > fast, slower


# --- ranges --------------------------------------------------------------------------------------------------------------


def test_the_range_narrows_with_a_probe_and_with_each_run():
    widths = [width(plan())]
    probed()
    widths.append(width(plan()))
    for factor in (1.3, 1.34, 1.28, 1.3, 1.31):
        time_estimate.learn(plan().pace["key"], factor)
        time_estimate.learn(f"{CARD.name}|{time_estimate.STARTED}", 0.8)
        widths.append(width(plan()))
    assert widths == sorted(widths, reverse=True) and widths[0] > 2.5 > widths[1] > widths[2] and widths[-1] < 1.5
    assert plan().pace["factor"] == pytest.approx(1.3, rel=0.02)


def test_what_runs_taught_moves_the_middle_and_one_odd_run_does_not():
    before = plan()
    for factor in (2.0, 2.1, 40.0, 1.9, 2.0):
        time_estimate.learn(before.pace["key"], factor)
    after = plan()
    assert after.pace["step"] == pytest.approx(2 * before.pace["step"]) and after.seconds > before.seconds
    assert after.pace["step"] / after.pace["factor"] == pytest.approx(before.pace["step"]), "what is learnt next stands on the same ground"


def test_other_methods_learn_a_little_and_another_device_nothing():
    probed(), probed(CPU)
    before, narrow = plan(method="full"), plan(method="lora").pace["key"]
    for _ in range(3):
        time_estimate.learn(narrow, 2.0)
    near = plan(method="full")
    assert near.pace["factor"] == pytest.approx(2.0) and width(plan()) < width(near) <= width(before)
    assert plan(device=CPU).pace["factor"] == 1.0
    time_estimate.learn(near.pace["key"], 3.0)
    assert plan(method="full").pace["factor"] == pytest.approx(3.0)


def test_the_memory_is_bounded_and_old_files_say_nothing():
    file = paths.machine_folder() / "speed.json"
    paths.write_json(file, {"NVIDIA L4": 0.4})  # as it was before
    p = plan()
    assert p.pace["factor"] == 1.0
    for n in range(50):
        time_estimate.learn(p.pace["key"], 1 + n / 100)
    time_estimate.learn(p.pace["key"], 1e9)
    (kept,) = json.loads(file.read_text())["factors"].values()
    assert len(kept) == time_estimate.KEPT and kept[-2:] == [1.49, 50.0]


def test_what_is_measured_does_not_correct_what_stands_on_paper():
    time_estimate.learn(plan().pace["key"], 5.0)
    assert plan().pace["factor"] == pytest.approx(5.0)
    probed()
    assert plan().pace["factor"] == 1.0


# --- energy, cost, words -------------------------------------------------------------------------------------------------


def test_energy_and_cost_follow_from_time(monkeypatch):
    p = plan()
    assert p.energy_wh == pytest.approx(72 * time_estimate.SHARE["cuda"] * p.seconds / 3600) and p.cost is None
    assert plan(device=replace(CARD, watts=0.0)).energy_wh is None
    monkeypatch.setenv("TUNESMITH_HOURLY_COST", "1.80 USD")
    p = plan()
    assert p.cost == {"low": 1.8 * p.seconds_low / 3600, "high": 1.8 * p.seconds_high / 3600, "currency": "USD"}
    card = summary_view.facts(p, 2000, 100)
    assert " Wh, " in card and "USD" in card and units.span(p.seconds_low, p.seconds_high) in card
    for wrong in ("cheap", "1.80", "-1 USD", "1,80 USD", "1 <b>"):
        monkeypatch.setenv("TUNESMITH_HOURLY_COST", wrong)
        with pytest.raises(SettingError) as caught:
            plan()
        assert caught.value.field == "TUNESMITH_HOURLY_COST"


@pytest.mark.parametrize(
    "low, high, said",
    [
        (360, 540, "6 to 9 minutes"),
        (400, 410, "7 minutes"),
        (50, 180, "50 seconds to 3 minutes"),
        (0, 0.2, "a moment"),
        (0, 40, "up to 40 seconds"),
        (5000, 9000, "83 minutes to 2.5 hours"),
        (3 * 86400, 5 * 86400, "3.0 to 5.0 days"),
        (60, 60, "60 seconds"),
    ],
)
def test_ranges_as_people_say_them(low, high, said):
    assert human_range(low, high) == said


# --- while it runs -------------------------------------------------------------------------------------------------------


def test_what_is_left_narrows_and_comes_near_the_truth():
    chance, eta = random.Random(0), Eta(plan().as_dict())
    step = plan().pace["step"] * 1.4  # the plan was wrong
    first = eta.left(1000)
    assert first[0] == pytest.approx(1000 * plan().pace["step"]) and first[1] < first[0] < first[2]
    shares = [(first[2] - first[1]) / first[0]]
    for done in range(1, 60):
        eta.step(step * chance.uniform(0.8, 1.2))
        middle, low, high = eta.left(1000)
        if done in (5, 15, 50):
            shares.append((high - low) / middle)
    assert shares == sorted(shares, reverse=True) and low < 1000 * step < high and high / low < 1.2


def test_one_disturbed_step_is_no_new_pace():
    eta = Eta({})
    assert eta.left(10) is None  # nothing is known of a run that was planned before
    for seconds in (30.0, *[1.0] * 30, 100.0, *[1.0] * 10):  # the first one compiles
        eta.step(seconds)
    assert eta.left(10)[0] == pytest.approx(10, rel=0.15)


def test_tests_and_saves_to_come_are_counted():
    eta = Eta({"seconds": 100, "seconds_low": 80, "seconds_high": 130, "pace": {"step": 1.0, "test": 10.0, "save": 3.0}})
    assert eta.left(10, 2, 3)[0] == pytest.approx(10 + 20 + 9)
    for _ in range(10):
        eta.step(2.0)
    assert eta.left(0, 1)[0] == pytest.approx(20, rel=0.1), "a test takes longer where steps do"
    eta.other("test", 4.0)
    eta.other("save", 1.0)
    assert eta.left(0, 2, 3)[0] == pytest.approx(2 * 4 + 3 * 1) and eta.left(0) == (0, 0, 0)


def test_a_run_counts_what_is_to_come_and_leaves_tests_out_of_its_steps(ws, monkeypatch):
    from types import SimpleNamespace as Things

    from tuner.workers.training import callbacks

    clock = Things(now=0.0)
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: clock.now)
    run = runs.create(ws, {"model": "starter", "data": "x@1"}, {"settings": {}, "reasons": []}, name="timed")
    told = callbacks.Report(Things(folder=run.path, write_status=lambda *_, **__: None, progress=lambda **_: None, stop_asked=False))
    args = Things(eval_strategy="steps", eval_steps=10, save_steps=10, output_dir=str(run.path))
    state = Things(global_step=0, max_steps=25, epoch=0.0, is_world_process_zero=True)
    told.on_train_begin(args, state, None)
    assert told.progress_of(state)["eta_seconds"] is None
    for step in range(1, 21):
        clock.now, state.global_step = clock.now + 2, step
        told.on_step_end(args, state, None)
        if step % 10 == 0:
            told.on_prediction_step(args, state, None)
            clock.now += 30
            told.on_evaluate(args, state, None)
            clock.now += 5
            told.on_save(args, state, None)
    assert told.eta.one()[0] == 2.0 and told.eta.others == {"test": [30.0, 30.0], "save": [5.0, 5.0]}
    found = told.progress_of(state)
    assert found["eta_seconds"] == 5 * 2 + 30 + 2 * 5, "five steps, the untuned model's test, the last save and the result's"
    assert found["eta_low"] < found["eta_seconds"] < found["eta_high"] and json.dumps(found)


def test_the_time_left_in_words_for_new_and_old_runs(ws):
    def words(**progress) -> str:
        return describe(Progress.from_json(progress))

    assert words() == words(eta_seconds=None) == ""
    assert words(eta_seconds=0.3) == "a moment left" and words(eta_seconds=9, eta_low=0, eta_high=20).startswith("up to")
    assert words(eta_seconds=60, eta_low=8, eta_high=180) == "estimating the time left", "8 seconds to 3 minutes says nothing"
    assert words(eta_seconds=90, eta_low=50, eta_high=150) == "up to 2 minutes left" and words(eta_seconds=0, eta_low=0, eta_high=0)
    for low, high in ((1, 59), (30, 100), (100, 250), (60, 10_000), (0, 3600)):
        told = words(eta_seconds=(low + high) / 2, eta_low=low, eta_high=high)
        assert " to " not in told.replace("up to ", ""), told
    assert words(eta_seconds=120) == f"about {human_time(120)} left"  # of a run that began before there were ranges
    progress = {"step": 5, "steps": 10, "epoch": 1.0, "eta_seconds": 450.0, "eta_low": 360.0, "eta_high": 540.0}
    assert words(**progress) == "about 6 to 9 minutes left"
    document = plan().as_dict()
    for name in ("seconds_low", "seconds_high", "energy_wh", "cost", "pace"):
        document.pop(name)  # plan.json as it was
    run = runs.create(ws, {"model": "starter", "data": "x@1"}, document, name="old")
    assert locks.acquire(run.path / "lock")  # as its worker does
    runs.write_status(run.path, state="running", progress=progress)
    run = runs.get(ws, run.id)
    locks.release(run.path / "lock")
    assert "6–9 min left" in overview.card(run) and "50%, 6–9 min left" in html.strip("CPU", 1, 2, [run])
    assert run.detail()["progress"]["eta_low"] == 360.0 and run.detail()["predicted"]["seconds_low"] is None
    bar = Training()
    bar(run)
    assert bar.last.endswith("about 6 to 9 minutes left")


# --- the probe -----------------------------------------------------------------------------------------------------------


def test_a_real_probe_measures_what_can_be(tmp_path, monkeypatch):
    from tuner.workers import device_benchmark

    monkeypatch.setitem(device_benchmark.SIDES, "cpu", (64, 128))
    monkeypatch.setitem(device_benchmark.COPIED, "cpu", 1 << 20)
    place = roofline.folder(devices.cpu())
    place.mkdir(parents=True)
    assert device_benchmark.main(place, "cpu", 0.5) == 0
    found = roofline.of(devices.cpu())
    assert found.measured and 1e8 < found.fp32 < 1e15 and 1e7 < found.bf16 < 1e15 and 1e7 < found.bandwidth < 1e13
    assert 1e-6 < found.layer < 1 and "TFLOP/s" in diagnostics.as_text(diagnostics.benchmark_result(found))
    assert not list(place.glob(".*")), "written whole"
    locks.release(place / "lock")


@pytest.mark.parametrize("broken", [{"fp32": 0}, {"bf16": None}, {"layer": "x"}, {"bandwidth": -1}])
def test_a_measurement_that_can_not_be_is_left_out(broken):
    probed(**broken)
    assert (
        roofline.of(CARD) == roofline.from_data_sheet(CARD)
        and diagnostics.as_text(diagnostics.benchmark_result(roofline.of(CARD))) == "not yet measured"
    )


def waiting(ws) -> list[tuple]:
    with queue.connect(ws.machine_folder()) as db:
        return db.execute("SELECT kind, device FROM jobs WHERE state != 'done'").fetchall()


def test_a_probe_is_asked_for_once_and_never_by_accident(ws, monkeypatch):
    monkeypatch.setattr(machine, "ensure", lambda machine: None)
    benchmarks.ask(ws, CPU)
    assert waiting(ws) == [], "tests forbid it"
    monkeypatch.setenv("TUNESMITH_PROBE", "1")
    benchmarks.ask(ws, CPU), benchmarks.ask(ws, CPU)
    assert waiting(ws) == [("probe", "cpu")]
    probed()
    benchmarks.ask(ws, CARD)
    probed(others=0.9)
    benchmarks.ask(ws, CARD)
    assert waiting(ws) == [("probe", "cpu")], "what is known is not measured again"
    old = roofline.folder(CARD) / roofline.RESULT
    os.utime(old, (0, 0))
    benchmarks.ask(ws, CARD)
    assert waiting(ws) == [("probe", "cpu"), ("probe", "cuda:0")], "but what was measured beside other programs is, later"


class Child:
    """A started process that works until it is killed."""

    pid, code = 1, None

    def poll(self):
        return self.code

    def kill(self):
        self.code = -9

    def wait(self):
        return self.code


@pytest.fixture
def office(ws, monkeypatch):
    """(supervisor, started): one that starts nothing real."""
    started = []
    monkeypatch.setattr(supervisor.processes, "start", lambda module, *words, **_: started.append((module, *words)) or Child())
    monkeypatch.setattr(machine, "ensure", lambda machine: None)
    return supervisor.Supervisor(ws.machine_folder(), handover.Inbox(ws.machine_folder())), started


def states(s) -> dict[str, str]:
    return dict(s.db.execute("SELECT kind, state FROM jobs").fetchall())


def look_around(s) -> None:
    s.round()


def test_a_run_never_waits_for_a_probe_nor_works_beside_it(ws, office):
    s, started = office
    place = roofline.folder(CPU)
    place.mkdir(parents=True)
    Job(ws, "probe", place).submit("cpu")
    look_around(s)
    assert started == [("tuner.workers.device_benchmark", str(place), "cpu")]
    probe = next(iter(s.children.values()))
    run = runs.create(ws, {"model": "starter", "data": "x@1"}, plan().as_dict() | {"model": {}}, name="urgent")
    Job(ws, "train", run.path).submit("cpu")
    look_around(s)
    assert probe.code == -9 and started[-1][1:] == (str(run.path), "cpu") and states(s) == {"probe": "waiting", "train": "running"}
    look_around(s)
    assert len(started) == 2 and states(s)["probe"] == "waiting", "beside a run it would measure something else"
    next(iter(s.children.values())).code = 0
    runs.write_status(run.path, state="finished")
    look_around(s)
    assert states(s) == {"probe": "running", "train": "done"} and started[-1][0] == "tuner.workers.device_benchmark"


def test_a_probe_lets_a_waiting_run_go_first(ws, office):
    s, started = office
    place = roofline.folder(CPU)
    place.mkdir(parents=True)
    run = runs.create(ws, {"model": "starter", "data": "x@1"}, plan().as_dict() | {"model": {}}, name="first")
    Job(ws, "probe", place).submit("cpu")
    Job(ws, "train", run.path).submit("cpu")
    look_around(s)
    assert [words[1] for words in started] == [str(run.path)] and states(s) == {"probe": "waiting", "train": "running"}


def test_nobody_measures_by_hand_beside_a_run(ws):
    runs.create(ws, {"model": "starter", "data": "x@1"}, plan().as_dict(), name="live")
    with pytest.raises(ConflictError, match="live is under way"):
        benchmarks.measure(ws, CPU)


def test_measuring_by_hand_goes_through_the_queue(ws, monkeypatch):
    from threading import Thread

    asked = []

    def ensure(machine):
        asked.append(machine)
        Thread(target=probed, args=(CPU,)).start()

    monkeypatch.setattr(machine, "ensure", ensure)
    assert benchmarks.measure(ws, CPU).measured and asked == [ws.machine_folder()]
    assert until(lambda: math.isclose(roofline.of(CPU).bf16, 60e12), 5)


def test_a_number_of_steps_that_ends_a_run_early_is_not_said_to_be_all_epochs():
    p = plan()
    p.settings, p.steps = p.settings.replace(max_steps=12, effective_batch=8, epochs=3.0, packing=False), 12
    assert summary_view.epochs(p, 280) == pytest.approx(12 * 8 / 280)
    p.steps = 11  # the rows end it
    assert summary_view.epochs(p, 280) == 3.0
