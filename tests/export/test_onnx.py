"""ONNX of models that label or score: the outputs in ONNX Runtime are those of the tuned model."""

import json
import sysconfig
from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import fresh
from tests.export.test_script import labelled
from tests.workers import test_objectives as heads
from tuner.errors import ModelError, RequestError
from tuner.export import formats, making, onnx_files, sizes
from tuner.workers.exporting import onnx
from ui.export_views import drawn

base, tokens = heads.base, heads.tokens  # fixtures
CASES = {
    "one label": ("bert", "classification", {"method": "lora"}),
    "several labels": ("gpt2", "classification", {}),
    "a number": ("bert", "regression", {"method": "last_layers", "last_layers": 1}),
    "words": ("bert", "tokens", {"method": "lora"}),
    "questions": ("bert", "qa", {}),
}
STRANGER = """import sys, json
import numpy as np
import onnxruntime
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(".")
session = onnxruntime.InferenceSession("./model.onnx")
inputs = tokenizer(["say red river", "green"], padding=True, return_tensors="np")
print(json.dumps(session.run(None, {i.name: inputs[i.name] for i in session.get_inputs()})[0].tolist()))
"""


def rows_of(case: str) -> list[dict]:
    if case != "questions":
        return labelled(case)
    text = "the river is green and the stone is red"
    return [
        {
            "context": text + " stone" * (i % 5),
            "question": "which colour is the river",
            "answers": {"text": ["green"], "answer_start": [13]},
        }
        for i in range(40)
    ]


@pytest.mark.parametrize("case", [pytest.param(c, marks=() if c == "one label" else pytest.mark.long) for c in CASES])
def test_a_head_as_onnx_answers_as_it_did_here(ws, base, tmp_path, case):
    family, objective, settings = CASES[case]
    run = heads.trained(
        ws, heads.make(ws, base[family], rows_of(case), objective, objective, tmp_path, max_steps=10, eval_steps=10, **settings)
    )
    made = making.make(ws, run.id, "onnx", tmp_path / "out")
    check = made["check"]
    assert check["kind"] == onnx_files.KIND and check["passed"] and check["difference"] < 1e-4 and check["texts"] > 5
    names = {f.name for f in (tmp_path / "out").iterdir()}
    assert {"model.onnx", "config.json", "tokenizer.json", "README.md", "tunesmith.json"} <= names and not {
        "request.json",
        "merged",
    } & names
    assert made["bytes"] == pytest.approx(sizes.estimate(run, "onnx"), rel=0.3)
    here = (str(ws.home).encode(), sysconfig.get_path("purelib").encode(), b"/modeling_")
    assert not [f for f in (tmp_path / "out").iterdir() for word in here if word in f.read_bytes()], "no path of this computer"
    assert (
        "onnxruntime.InferenceSession" in (tmp_path / "out" / "README.md").read_text()
        and "library_name: onnx" in (tmp_path / "out" / "README.md").read_text()
    )
    said = drawn.after(made, None)
    assert f"{check['texts']} texts in ONNX Runtime" in said and "model.onnx" in drawn.code(run, "onnx", made)
    if objective == "classification":
        found = np.array(json.loads(fresh(STRANGER, cwd=tmp_path / "out")))
        assert found.shape == (2, len(json.loads((tmp_path / "out" / "labels.json").read_text())["names"])), (
            "as a stranger loads it, by the card's lines"
        )


def test_which_runs_and_what_is_missing(house, monkeypatch):
    run = house.run(house.lora)
    assert "onnx" not in formats.kinds(run), "it writes text"
    other = replace(run, plan=run.plan | {"settings": run.plan["settings"] | {"objective": "classification"}})
    assert "onnx" in formats.kinds(other)
    assert "tunesmith[onnx]" not in drawn.before(house.ws, other, "onnx", "q8_0")
    monkeypatch.setattr(onnx_files.importlib.util, "find_spec", lambda name: None)
    assert "tunesmith[onnx]" in drawn.before(house.ws, other, "onnx", "q8_0")
    with pytest.raises(RequestError, match="onnx, onnxscript, onnxruntime, which are not installed") as caught:
        formats.require_known("onnx", "q8_0")
    assert "pip install 'tunesmith[onnx]'" in caught.value.remedy


def test_other_outputs_or_a_file_that_does_not_run_are_refused(tmp_path):
    one = [[np.array([[1.0, 2.0]])]]
    assert onnx.compared(one, iter([[np.array([[1.0, 2.0005]])]]), 1)["difference"] == pytest.approx(2.5e-4)
    for other in (2.01, float("nan")):
        with pytest.raises(ModelError, match="does not answer like the tuned one"):
            onnx.compared(one, iter([[np.array([[1.0, other]])]]), 1)
    (tmp_path / "model.onnx").write_bytes(b"none")
    with pytest.raises(ModelError, match="ONNX Runtime can't run the exported file"):
        list(onnx.answered(tmp_path / "model.onnx", []))
    with pytest.raises(ModelError, match="can't export this model to ONNX"):
        onnx._write(object(), {}, tmp_path)
