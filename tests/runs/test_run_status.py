"""status.json as an object: what is missing, unknown or of another form."""

import pytest

from tuner import paths, runs
from tuner.errors import NotFoundError
from tuner.runs import Progress, RunStatus


def test_what_is_missing_or_null_takes_its_default_and_what_is_unknown_is_left_out():
    status = RunStatus.from_json(
        {"state": "running", "best": None, "progress": {"step": 3, "eta_low": None, "of_tomorrow": 1}, "later": []}
    )
    assert (status.state, status.best, status.reason, status.warnings) == ("running", {}, None, [])
    assert status.progress == Progress(step=3) and status.progress.steps == 0 and status.progress.eta_seconds is None
    assert RunStatus.from_json({}).state == "queued" and status.document["later"] == []


@pytest.mark.parametrize("part", [{"progress": "3 of 10"}, {"best": 0.5}, {"baseline": [1]}, {"warnings": "many"}, {"measured": True}])
def test_a_part_of_another_form_is_a_damaged_run(ws, part):
    made = runs.create(ws, {"model": "starter", "data": "x@1"}, {"settings": {"method": "lora"}, "reasons": []}, name="odd")
    whole = runs.create(ws, {"model": "starter", "data": "x@1"}, {"settings": {"method": "lora"}, "reasons": []}, name="whole")
    paths.write_json(made.path / "status.json", {"state": "finished"} | part)
    with pytest.raises(ValueError, match=next(iter(part)) if "progress" not in part else "names and values"):
        RunStatus.from_json(part)
    with pytest.raises(NotFoundError, match="damaged"):
        runs.get(ws, made.id)
    assert [r.id for r in runs.listing(ws)] == [whole.id]
