"""On a card: a run is planned, trained, served and measured there. Skipped where there is none: `pytest tests/gpu -s` on a machine that has one."""

import pytest

from tuner import devices, runs
from tuner.data.store import sample_data
from tuner.jobs import training
from tuner.planning.memory import calibration
from tuner.serving import chat_client

pytestmark = pytest.mark.skipif(not devices.cards(), reason="no NVIDIA card that torch can use")


@pytest.mark.parametrize(
    "method, precision", [("lora", None), ("full", None), ("lora", "fp16"), ("full", "fp16"), ("last_layers", "fp16"), ("adapter", "fp16")]
)
def test_a_run_on_the_card(ws, method, precision):
    """With fp16 the scaler is at work on any card, also on one that has bf16."""
    card = devices.cards()[0]
    ds = sample_data.add(ws, "persona")
    values = {"model": "starter", "data": ds.ref, "method": method, "max_steps": 40} | ({"precision": precision} if precision else {})
    run = training.wait(ws, training.start(ws, values).id)
    assert run.state == "finished", runs.log_tail(run)
    assert run.plan["device"] == card.id and run.best < run.status.baseline["eval_loss"]
    measured, predicted = calibration.measured_peak(run.status.measured, run.plan["breakdown"]), run.plan["peak_bytes"]
    print(
        f"{method}: took {measured / 1e6:.0f} MB, predicted {predicted / 1e6:.0f} MB (with the driver's part), {run.progress.elapsed_seconds} s"
    )
    assert 0.6 * predicted < measured < 1.1 * predicted
    answer = chat_client.Client(ws, card.id).answer(
        chat_client.serving_spec(ws, run.id), [{"role": "user", "content": "What sound does a cow make?"}], temperature=0
    )
    assert answer.text and answer.completion_tokens
    if precision == "fp16":
        assert not any(w["name"] == "fp16_overflow" for w in run.warnings)
        assert all((c / "scaler.pt").is_file() for c in runs.checkpoints(run.path)), "a resumed run goes on with its scale"
