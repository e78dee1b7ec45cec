"""Whatever lies in a model's folder, a plan answers within seconds: with a plan, or with the file, its fault and what to do."""

import json
import sys
import time

import psutil
import pytest

from tests.hostile.folders import folders
from tuner import models
from tuner.cli import main
from tuner.errors import ModelError

NEVER = ("defect", "unforeseen", "Traceback", "code 1")
MEGABYTES = 300  # of growth: headers and documents within their bounds are held for a moment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and links")


def answer(capsys, folder) -> tuple[int, dict, str]:
    code = main(["plan", "--model", str(folder), "--json"])
    told = capsys.readouterr()
    return code, json.loads(told.out), told.err


@pytest.fixture
def count(request) -> int:
    return 600 if request.config.getoption("--long") else 200


def test_a_plan_answers_for_any_folder(ws, tmp_path, capsys, count):
    before, seen = psutil.Process().memory_info().rss, 0
    for what, folder in folders(tmp_path, count, seed=count):
        begun = time.monotonic()
        code, document, log = answer(capsys, folder)
        took = time.monotonic() - begun
        said = json.dumps(document.get("errors", []))
        assert took < 5, f"{what}: {took:.1f} s"
        assert not [word for word in NEVER if word in said + log], f"{what}: {said} {log[-2000:]}"
        if "errors" in document:
            assert code in (1, 2) and all(e["message"] and e["remedy"] and e["field"] for e in document["errors"]), f"{what}: {said}"
        else:
            assert 0 < document["total_parameters"] <= 10**15 and code == 0, what
        seen += 1
    assert seen == count and psutil.Process().memory_info().rss - before < MEGABYTES * 10**6


@pytest.mark.parametrize("value", [10**9, 10**300, -3, 0.5, "many", [2], True])
def test_the_number_that_is_wrong_is_named(tmp_path, value):
    from tests.conftest import tiny_config

    with pytest.raises(ModelError, match="num_hidden_layers") as told:
        models.facts_from_config(tiny_config("llama", num_hidden_layers=value), name="odd")
    assert told.value.field == "model" and "4,096" in str(told.value.available)


def test_a_number_that_some_programs_write_as_a_fraction_is_one():
    from tests.conftest import tiny_config

    assert models.facts_from_config(tiny_config("llama", num_hidden_layers=2.0), name="fine").layers == 2


@pytest.mark.parametrize("data", ["tokenizer.json"])
def test_a_tokenizer_that_is_none_is_named(ws, tmp_path, data):
    """Lengths are counted with the model's own tokenizer, in the process of the plan."""
    from tests.conftest import chat_rows, model_folder, write_rows
    from tuner.data.store import store

    ds = store.add(ws, write_rows(tmp_path / "rows.jsonl", chat_rows()))
    for n, text in enumerate(("", "{", "[" * 100_000, '{"model": {"type": "BPE", "vocab": 7}}', "null")):
        folder = model_folder(tmp_path / f"m{n}")
        (folder / data).write_text(text)
        assert main(["plan", "--model", str(folder), "--data", ds.ref, "--json", "--home", str(ws.home)]) == 1


def test_an_adapter_that_stands_on_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for n, base in enumerate((".", "~/adapter-1", str(tmp_path / "adapter-2"))):
        folder = tmp_path / f"adapter-{n}"
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base, "peft_type": "LORA"}))
        (folder / "adapter_model.safetensors").write_bytes(b"")
        with pytest.raises(ModelError, match="another adapter"):
            models.resolve(str(folder))
