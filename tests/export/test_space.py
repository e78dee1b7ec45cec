"""A Space: its own app, run as the Hub runs it, answers like the tuned model."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml
from gradio_client import Client

from tests.browsing import free_port
from tests.conftest import fresh, until
from tuner.errors import WorkError
from tuner.export import formats, making, space
from tuner.workers.exporting import space as worker


@pytest.mark.parametrize("which, part", [("lora", "adapter"), ("full", "merged")])
def test_a_space_answers_like_the_run(house, tmp_path, which, part):
    run = house.run(getattr(house, which))
    made = making.make(house.ws, run.id, "space", tmp_path / "out")
    assert made["check"] == {"kind": space.KIND, "passed": True, "answers": 5} and space.part(run, formats.kinds(run)) == part
    assert {f.name for f in (tmp_path / "out").iterdir()} == {"app.py", "README.md", "requirements.txt", "model", "tunesmith.json"}
    assert not [f for f in (tmp_path / "out").rglob("*") if f.is_file() and str(house.ws.home).encode() in f.read_bytes()]
    front = yaml.safe_load((tmp_path / "out" / "README.md").read_text().split("---")[1])
    assert front["sdk"] == "gradio" and front["app_file"] == "app.py" and front["title"] == run.name and "models" not in front
    assert ("peft" in (tmp_path / "out" / "requirements.txt").read_text()) == (part == "adapter")


def test_the_app_serves_a_chat(house, tmp_path):
    """As on the Hub: python app.py, asked by Gradio's own client."""
    making.make(house.ws, house.lora, "space", tmp_path / "out")
    port = free_port()
    env = {k: v for k, v in os.environ.items() if not k.startswith("TUNESMITH_") and k != "PYTHONPATH"}
    env |= {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    with open(tmp_path / "log", "wb") as log:
        app = subprocess.Popen([sys.executable, "-P", "app.py"], cwd=tmp_path / "out", env=env, stdout=log, stderr=log)
    try:
        until(lambda: "Running on" in (tmp_path / "log").read_text(errors="replace") or app.poll() is not None, 120, every=0.3)
        client = Client(f"http://127.0.0.1:{port}", verbose=False)
        said = client.predict("What is 3 plus 3?", 0.0, 32, api_name="/chat")
        assert "Arr" in said or "6" in said
    finally:
        app.kill(), app.wait()


FAILS = """import app
def fails(**options):
    raise MemoryError("no room")
app.model.generate = fails
try:
    list(app.reply("What is 3 plus 3?", [], 0.0, 16))
except app.gr.Error as error:
    print(error.message)
"""


def test_an_answer_that_fails_ends_and_says_why(house, tmp_path):
    making.make(house.ws, house.lora, "space", tmp_path / "out")
    assert fresh(FAILS, cwd=tmp_path / "out", timeout=120).strip() == "MemoryError: no room", "it would have waited for ever"


def test_an_app_that_answers_otherwise_or_not_at_all_is_not_handed_out(house, tmp_path, monkeypatch):
    run = house.run(house.lora)
    request = {"part": "adapter", "base": run.plan["model"]["base"], "run": str(run.path), "questions": ["What is 3 plus 3?"]}
    for found, said in ((["Something else."] * 5, "answers otherwise"), ("NameError: x", "does not run: NameError")):
        monkeypatch.setattr(worker, "answers", lambda *_, found=found: found)
        with pytest.raises(WorkError, match=said):
            worker.check(tmp_path, request, lambda _: None)
    monkeypatch.setattr(worker.self_test, "too_large", lambda _: "too large")
    assert worker.check(tmp_path, request, lambda _: None)["passed"] is None


def test_what_a_space_is_made_of(house, tmp_path, monkeypatch):
    run = house.run(house.lora)
    about = run.plan["model"]
    hub = replace(
        run, plan=run.plan | {"model": about | {"kind": "hub", "base": "org/model", "licence": "MIT"}, "data": {"name": 'a """b'}}
    )
    assert space.part(hub, ["adapter", "merged"]) == "adapter" and space.part(hub, ["merged"]) == "merged" and space.part(hub, []) is None
    for change in ({"objective": "classification"}, {"objective": "text"}, {"method": "adapter"}):
        other = replace(run, plan=run.plan | {"settings": run.plan["settings"] | change})
        assert space.part(other, ["adapter", "merged"]) is None
    monkeypatch.setattr(space.objectives, "auto_class", lambda *_: "AutoModelForImageTextToText")
    assert space.part(run, ["adapter", "merged"]) is None
    monkeypatch.undo()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/model"}))
    space.write(hub, tmp_path, "adapter")
    source = (tmp_path / "app.py").read_text()
    compile(source, "app.py", "exec")
    assert 'from_pretrained("org/model", dtype=DTYPE)' in source and source.startswith(
        '"""A chat with tuned: starter fine-tuned on a b."""'
    )
    front = yaml.safe_load((tmp_path / "README.md").read_text().split("---")[1])
    assert front["models"] == ["org/model"] and front["license"] == "mit"
