"""What runs teach about memory: what counts as taken, who may teach, a middle that odd runs don't move, an estimate that still adds up."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.conftest import chat_rows, fresh, write_rows
from tuner import models, paths, runs
from tuner.data.store import store
from tuner.devices import Device
from tuner.jobs import training
from tuner.planning import fitting, memory, planner
from tuner.planning.decisions import DataFacts
from tuner.planning.memory import calibration
from tuner.planning.memory.calibration import Correction
from tuner.settings import parsing
from tuner.workers.training import memory_usage
from ui.run_views import overview
from ui.train_views import memory_view

CARD = Device("cuda:0", "cuda", "NVIDIA L4", 24 * 10**9, 24 * 10**9, 121)
CHATS = DataFacts("chat", 2000, 100, 300.0, 1000)
QWEN = models.Model("Qwen/Qwen2.5-1.5B-Instruct", "hub", models.resolve("Qwen/Qwen2.5-1.5B-Instruct").facts, "Qwen/Qwen2.5-1.5B-Instruct")
LORA = calibration.bucket("lora", QWEN.facts.parameters)


@pytest.fixture(autouse=True)
def _machine(ws):
    """Each test has a machine folder that nothing was learnt in."""


def plan(device=CARD, memory=None, **settings):
    return planner.plan(parsing.parse({"method": "lora"} | settings), QWEN, CHATS, device=device, device_memory=memory)


def learn(*ratios, device=CARD, method=LORA) -> None:
    for ratio in ratios:
        calibration.learn(device.name, device.kind, method, ratio)


def correction(method=LORA, device=CARD) -> Correction:
    return calibration.correction(device.name, device.kind, method)


# --- what is remembered -----------------------------------------------------------------------------------------------------


def test_without_runs_nothing_is_corrected():
    assert correction() == Correction(1.0, 0) and calibration.describe(correction()) == ""


def test_the_middle_counts_and_one_odd_run_does_not():
    learn(1.02, 1.04, 3.5, 1.03, 1.03)
    assert correction() == Correction(1.03, 5) and calibration.describe(correction()) == "on this machine: +3% from 5 runs"
    assert correction(device=replace(CARD, name="other")).runs == correction(device=replace(CARD, kind="cpu")).runs == 0


def test_the_middle_is_that_of_ratios_and_not_of_differences():
    learn(0.8, 1.25)
    assert correction().factor == pytest.approx(1.0, abs=1e-3), "half as much again and two thirds cancel out"


@pytest.mark.parametrize(("ratio", "factor"), [(100.0, calibration.FACTORS[1]), (1.1, 1.1)])
def test_what_can_not_be_is_bounded(ratio, factor):
    learn(ratio)
    (stored,) = paths.read_json(paths.machine_folder() / "peaks.json")["ratios"][f"{CARD.name}|cuda|{LORA}"]
    assert correction() == Correction(factor, 1) and calibration.RATIOS[0] <= stored <= calibration.RATIOS[1]
    assert calibration.describe(correction()).endswith("from 1 run")
    learn(*[1e-6] * calibration.KEPT)
    assert correction() == Correction(calibration.FACTORS[0], calibration.KEPT)


def test_less_is_believed_by_and_by():
    seen = []
    for _ in range(calibration.KEPT):
        learn(0.8)
        seen.append(correction().factor)
    assert seen == sorted(seen, reverse=True) and seen[0] == pytest.approx(0.8**0.25, abs=1e-4) and 0.8 < seen[-1] < 0.83


def test_old_runs_make_room():
    learn(*[2.0] * 30, *[1.1] * calibration.KEPT)
    assert correction() == Correction(1.1, calibration.KEPT)


def test_runs_teach_their_like():
    like = [calibration.bucket(m, n) for m, n in (("lora", 1_500_000_000), ("ia3", 900_000_000))]
    unlike = {calibration.bucket(m, n) for m, n in (("lora", 4_000_000), ("qlora", 10**9), ("full", 10**9))}
    assert like[0] == like[1] and like[0] not in unlike and len(unlike) == 3
    assert calibration.bucket("full", 10**9) == calibration.bucket("last_layers", 10**9)


# --- what a run took ----------------------------------------------------------------------------------------------------------


def test_what_counts_as_taken():
    parts = {"context": 500}
    on_cpu = {"allocated_bytes": None, "reserved_bytes": None, "process_bytes": 900}
    assert calibration.measured_peak(on_cpu, parts) == calibration.least(on_cpu, parts) == 900
    untold = {"allocated_bytes": 700, "reserved_bytes": 1000, "process_bytes": None}
    assert calibration.measured_peak(untold, parts) == 1500 and calibration.least(untold, parts) == 1200
    assert calibration.measured_peak(untold | {"process_bytes": 1400}, parts) == 1400, "the driver knows what the program itself takes"
    assert calibration.measured_peak(untold | {"process_bytes": 800}, parts) == 1000, "torch has given some of it back since"
    assert calibration.measured_peak({}, parts) is None


def run_of(**change) -> dict:
    """plan.json of a run that was predicted to take 1000 bytes."""
    settings = {"method": "lora", "max_length": 1024, "packing": False}
    return {
        "breakdown": {"weights": 600, "context": 400},
        "peak_bytes": 1200,
        "uncorrected_bytes": 1000,
        "settings": settings,
        "device": "cuda:0",
        "device_name": CARD.name,
        "total_parameters": QWEN.facts.parameters,
    } | change


def took(bytes: int) -> dict:
    return {"allocated_bytes": bytes - 500, "reserved_bytes": bytes - 400, "process_bytes": None}


WHOLE = {"steps": 50, "epochs": 1.0, "longest": 1000}


@pytest.mark.parametrize(
    ("bytes", "change", "teaches"),
    [
        (900, {}, True),
        (900, {"steps": 3}, False),
        (900, {"epochs": 0.5}, False),
        (900, {"longest": 300}, False),
        (1100, {"epochs": 0.5, "longest": 300}, True),
        (1100, {"steps": 3}, False),
    ],
)
def test_who_may_teach(bytes, change, teaches):
    assert calibration.record_run(run_of(), took(bytes), **WHOLE | change) is teaches
    stored = paths.read_json(paths.machine_folder() / "peaks.json", {"ratios": {}})["ratios"]
    assert stored == ({f"{CARD.name}|cuda|{LORA}": [bytes / 1000]} if teaches else {})


def test_packed_rows_fill_their_place_whatever_their_length():
    packed = run_of(settings=run_of()["settings"] | {"packing": True})
    assert calibration.record_run(packed, took(900), **WHOLE | {"longest": 40})


def test_plans_of_before_and_of_another_micro_batch_teach_nothing():
    assert not calibration.record_run(run_of(uncorrected_bytes=None), took(900), **WHOLE)
    assert not calibration.record_run(run_of(), {}, **WHOLE)


def test_corrections_do_not_stand_on_each_other():
    """The same run again and again: the factor is its ratio to the bare prediction, not a power of it."""
    truth = 1.2 * plan().uncorrected_bytes
    for _ in range(4):
        now = plan()
        document = now.as_dict() | {"device_name": CARD.name}
        known = took(round(truth) - now.breakdown["context"] + 400)
        assert calibration.record_run(document, known, steps=9, epochs=1, longest=now.settings.max_length)
    assert plan().correction == Correction(1.2, 4) and plan().peak_bytes == pytest.approx(truth, rel=1e-3)
    assert plan().uncorrected_bytes == now.uncorrected_bytes


# --- the estimate -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.7, 0.97, 1.0, 1.03, 1.6])
def test_a_corrected_estimate_adds_up(factor):
    bare = plan(micro_batch=2)
    learn(*[factor] * 9)
    factor = correction().factor
    p = plan(micro_batch=2)
    assert sum(p.breakdown.values()) == p.peak_bytes and set(p.breakdown) == set(memory.TERMS)
    assert {k: v for k, v in p.breakdown.items() if k != "fragmentation"} == {
        k: v for k, v in bare.breakdown.items() if k != "fragmentation"
    }
    assert p.uncorrected_bytes == bare.peak_bytes and p.correction == Correction(factor, 9)
    gaps = bare.breakdown["fragmentation"] + round(bare.peak_bytes * factor) - bare.peak_bytes
    assert p.breakdown["fragmentation"] == max(0, gaps)


def test_the_ladder_counts_with_what_was_learnt():
    free = int(plan(micro_batch=4).peak_bytes / fitting.ROOM * 1.05)
    assert plan(memory=free, micro_batch=4, gradient_checkpointing=False).fits
    learn(1.3)
    assert not plan(memory=free, micro_batch=4, gradient_checkpointing=False).fits and plan(memory=free).fits


def test_the_page_and_the_document_tell_it():
    assert "on this machine" not in memory_view.card(plan())
    learn(1.03)
    assert "(on this machine: +3% from 1 run)" in memory_view.card(plan())
    assert plan().as_dict()["correction"] == {"factor": 1.03, "runs": 1}


# --- what a process took --------------------------------------------------------------------------------------------------------


GROWS = """
from tuner.workers.training import memory_usage
before = memory_usage.resident()
block = bytearray(300_000_000)
block[::4096] = b"1" * len(block[::4096])
full = memory_usage.resident()
del block
print(full - before, memory_usage.resident() - before, memory_usage.peaks())
"""


def test_a_process_remembers_its_largest_moment():
    full, after, counts = fresh(GROWS).strip().split(" ", 2)
    assert 290e6 < int(full) < 320e6 and 290e6 < int(after) < 320e6, "what was given back still counts"
    assert "'allocated_bytes': None, 'reserved_bytes': None" in counts


def test_the_drivers_count_of_one_process(monkeypatch):
    import pynvml

    found = [
        [SimpleNamespace(pid=1, usedGpuMemory=5), SimpleNamespace(pid=2, usedGpuMemory=70)],
        [SimpleNamespace(pid=1, usedGpuMemory=None)],
    ]
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 2)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda i: i)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetComputeRunningProcesses", lambda i: found[i])
    assert (memory_usage.on_cards(1), memory_usage.on_cards(2), memory_usage.on_cards(3)) == (5, 70, None)
    monkeypatch.setattr(sys, "platform", "win32")
    assert memory_usage.on_cards(1) is None

    def fails():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(pynvml, "nvmlInit", fails)
    assert memory_usage.on_cards(1) is None


# --- real runs ------------------------------------------------------------------------------------------------------------------


def test_a_real_run_teaches_the_next_plan(ws, tmp_path):
    data = store.add(ws, write_rows(tmp_path / "sums.jsonl", chat_rows()), held_out=0.1)
    wish = {"model": "starter", "data": data.ref, "device": "cpu", "effective_batch": 4, "lora_rank": 4, "epochs": 1}
    first = training.wait(ws, training.start(ws, wish).id)
    assert first.state == "finished", runs.log_tail(first)[-3000:]
    took = first.status.measured
    assert took["allocated_bytes"] is None and took["process_bytes"] >= took["peak_bytes"] > 10**8
    plan, *_ = training.prepare(ws, wish)
    assert plan.correction.runs == 1 and plan.uncorrected_bytes == first.plan["uncorrected_bytes"] == first.plan["peak_bytes"]
    ((ratio,),) = paths.read_json(paths.machine_folder() / "peaks.json")["ratios"].values()
    assert ratio == pytest.approx(took["process_bytes"] / plan.uncorrected_bytes, abs=1e-2) and 0.3 < ratio < 2
    short = training.wait(ws, training.start(ws, wish | {"max_steps": 2}).id)
    assert short.state == "finished" and training.prepare(ws, wish)[0].correction.runs == 1, "two steps are not enough"
    assert "Peak memory" in overview.card(first) and first.detail()["predicted"]["uncorrected_bytes"] == plan.uncorrected_bytes
