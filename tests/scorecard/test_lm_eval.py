"""Tasks of the LM Evaluation Harness, asked of a run and its base model by the harness itself; the task is a local one."""

import json
import os
import subprocess
import sys

import psutil
import pytest

from tests.conftest import until
from tuner.errors import RequestError
from tuner.jobs import data_jobs
from tuner.scorecard import lm_eval_tasks
from tuner.serving import chat_client
from ui.run_views import scorecard

SUMS = [(n, n + 3, 2 * n + 3) for n in range(2, 9)]
TASK = """\
task: little_sums
dataset_path: json
dataset_kwargs:
  data_files:
    test: {rows}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs:
  until: ["@"]
  max_gen_toks: 24
  do_sample: false
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
"""


@pytest.fixture(scope="module")
def task(tmp_path_factory, house) -> str:
    """A task whose right answers are what the run says to the first questions, and nothing that a model says to the others."""
    folder, client, spec = tmp_path_factory.mktemp("task"), chat_client.Client(house.ws), chat_client.serving_spec(house.ws, house.lora)
    rows = []
    for n, (a, b, _) in enumerate(SUMS):
        question = f"What is {a} plus {b}?"
        said = client.answer(spec, [{"role": "user", "content": question}], temperature=0.0, max_tokens=24).text
        rows.append({"question": question, "answer": said if n < 5 else "no model says this"})
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "sums.yaml").write_text(TASK.format(rows=folder / "rows.jsonl"), encoding="utf-8")
    return str(folder / "sums.yaml")


def command(house, *args: str) -> subprocess.CompletedProcess:
    env = os.environ | {"TUNESMITH_HOME": str(house.ws.home), "TUNESMITH_MACHINE": str(house.ws.machine_folder())}
    return subprocess.run([sys.executable, "-m", "tuner.cli", "evaluate", *args], env=env, capture_output=True, text=True, timeout=300)


def test_the_harness_asks_the_run_and_its_base(house, task):
    done = command(house, house.lora, "--tasks", task, "--rows", "6", "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    (row,) = found["results"]
    assert row["task"] == "little_sums" and row["metric"] == "exact_match" and row["rises"] and row["questions"] == 6
    assert row["values"][0]["value"] == pytest.approx(5 / 6), "five of the six answers are its own, word for word"
    client, base = chat_client.Client(house.ws), chat_client.serving_spec(house.ws, house.lora, base=True)
    rows = [json.loads(line) for line in open(task.replace("sums.yaml", "rows.jsonl"), encoding="utf-8")][:6]
    its = [client.answer(base, [{"role": "user", "content": r["question"]}], temperature=0.0, max_tokens=24).text for r in rows]
    right = sum(said == r["answer"] for said, r in zip(its, rows, strict=True))
    assert row["values"][1]["value"] == pytest.approx(right / 6) and row["real"] is False, "so few questions show nothing"
    assert found["models"] == [house.lora, f"{house.lora}/base"] and lm_eval_tasks.kept(house.ws, house.lora)[0] == found
    drawn = scorecard.benchmarks(found)
    assert "little_sums" in drawn and "6 questions" in drawn and "0.833" in drawn and "No difference" in drawn
    said = lm_eval_tasks.as_text(found)
    assert "0.833" in said and "no difference that these questions could show" in said and "little_sums: 6 questions" in said


def test_a_difference_is_real_when_chance_does_not_explain_it():
    def real(one: float, other: float, error: float | None) -> bool | None:
        return lm_eval_tasks._real([{"value": one, "error": error}, {"value": other, "error": error}])

    assert real(0.8, 0.6, 0.05) is True and real(0.8, 0.7, 0.05) is False and real(0.8, 0.6, None) is None
    better = {"task": "t", "metric": "perplexity", "rises": False, "questions": 9, "real": True}
    better |= {"values": [{"value": 5.0, "error": 0.1}, {"value": 9.0, "error": 0.1}]}
    assert "Better" in scorecard.benchmarks({"models": ["r", "r/base"], "lm_eval": "0.4", "results": [better]})


@pytest.mark.long
def test_a_task_that_the_harness_can_not_ask_is_said(house, tmp_path):
    (tmp_path / "broken.yaml").write_text("task: broken\ndataset_path: json\noutput_type: generate_until\n", encoding="utf-8")
    done = command(house, house.lora, "--tasks", str(tmp_path / "broken.yaml"))
    assert done.returncode == 1 and "lm-eval could not ask these tasks" in done.stderr and "Choose another task" in done.stderr


def test_what_can_not_be_asked_is_said(house, monkeypatch, capsys):
    failed = lm_eval_tasks._failure("Loading\nTraceback:\nValueError: Task nothing was not found\n\n", ["nothing"])
    assert "ValueError: Task nothing was not found" in failed.message and "Loading" in capsys.readouterr().out, "the whole of it is logged"
    both = command(house, house.lora, "--tasks", "gsm8k", "--data", house.data.ref)
    assert both.returncode == 2 and "--data and --tasks can't go together" in both.stderr
    with pytest.raises(RequestError, match="No task was named"):
        lm_eval_tasks.start(house.ws, house.lora, [])
    monkeypatch.setattr(lm_eval_tasks.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RequestError) as missing:
        lm_eval_tasks.start(house.ws, house.lora, ["gsm8k"])
    assert "pip install 'tunesmith[lm-eval]'" in missing.value.remedy


def test_cancelled_no_harness_is_left(house, task):
    job = lm_eval_tasks.start(house.ws, house.lora, [task], against="base")
    try:
        until(lambda: data_jobs.progress(house.ws, job).total)
        data_jobs.cancel(house.ws, job)
        until(lambda: not data_jobs.progress(house.ws, job).running)
        assert data_jobs.progress(house.ws, job).state == "cancelled"
        assert not [p for p in psutil.process_iter(["cmdline"]) if task in " ".join(p.info["cmdline"] or ())]
    finally:
        data_jobs.forget(house.ws, job)
