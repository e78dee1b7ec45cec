"""Every warning reaches whoever looks: in the page, in the terminal and in the JSON, of a plan and of a run."""

import ast
import json
from html import unescape

import gradio as gr
import pytest

from tests.conftest import ROOT, chat_rows, write_rows
from tests.planning.test_plan_truth import CELLS, TOOL, brought, models, tried, turns  # noqa: F401 (fixtures)
from tests.workers.test_objectives import COLOURS, base, tokens  # noqa: F401 (fixtures)
from tuner import cli, monitoring, runs
from tuner.data.store import store
from tuner.evaluation import checkpoints
from tuner.jobs import training
from tuner.models.chat_templates import PLAIN
from tuner.runs import run_warnings, settling
from tuner.settings import run_config
from ui.pages.train import TrainPage
from ui.run_views import overview
from ui.session import AppContext
from ui.train_views.draft import Draft

PLANS = {  # warning -> (cell of test_plan_truth, settings) whose plan has it
    "rows_cut": ("late", {"max_length": 64}),
    "rows_left_out": ("system", {}),
    "validation_rows_left_out": ("system", {}),
    "tools_not_seen": ("tools without calls", {}),
    "reasoning_content_not_seen": ("reasoning unseen", {}),
    "rows_changed": ("late, cut", {}),
    "template_replaced": ("plain", {"chat_template": PLAIN}),
    "settings_ignored": ("plain", {"class_weights": True, "chat_template": "alpaca"}),
    "language_not_known": ("german", {}),
    "unknown_tokens": ("not in the vocabulary", {"accept_lost_rows": True}),
    "learning_rate_unusual": ("plain", {"learning_rate": 1.0}),
}
RUNS = {"best_changed", "checkpoint_damaged", "lengths_guessed", "tool_calls_not_seen", "fp16_overflow", "over_optimization"}
RUNS |= (
    {"out_of_memory", "evaluation_memory", "no_progress", "not_responding", "samples_off", "tracker_off"} | monitoring.NAMES | set(PLANS)
)


def names_in_source() -> set[str]:
    """The first argument of every call of `make` in the engine, as far as it is written there."""
    found = set()
    for file in (ROOT / "tuner").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and (getattr(node.func, "attr", None) or getattr(node.func, "id", None)) == "make"
            if called and node.args and isinstance(node.args[0], ast.Constant) and len(node.args) + len(node.keywords) >= 3:
                found.add(node.args[0].value)
    return found | {f"{part}_not_seen" for part in run_warnings.PARTS}


def test_each_warning_of_the_engine_is_walked_here():
    assert names_in_source() == RUNS, "a new warning: add it above, so that all three places show it"
    assert settling and checkpoints  # whose warnings these are


def texts_of(outputs: list) -> str:
    """What the page draws: HTML without its escapes, and the lines under the fields."""
    said = [o if isinstance(o, str) else str(o.get("info") or o.get("value") or "") for o in outputs if isinstance(o, (str, dict))]
    return unescape(" ".join(said))


@pytest.mark.parametrize("name", PLANS)
def test_a_plans_warnings_are_in_the_page_the_terminal_and_the_json(ws, tmp_path, models, capsys, name):  # noqa: F811
    cell, settings = PLANS[name]
    ds = OWN[cell][0](ws, tmp_path) if cell in OWN else brought(ws, tmp_path, cell)
    model = models[OWN[cell][1] if cell in OWN else CELLS[cell][3]]
    values = {"model": str(model), "data": ds.ref, "device": "cpu"} | settings
    options = ["plan", "--model", str(model), "--data", ds.ref, "-s", "device=cpu"]
    options += [x for k, v in settings.items() for x in ("-s", f"{k}={str(v).lower() if isinstance(v, bool) else v}")]
    assert cli.main(["--home", str(ws.home), *options, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (warning,) = [w for w in document["warnings"] if w["name"] == name]
    assert cli.main(["--home", str(ws.home), *options]) == 0
    terminal = capsys.readouterr().out
    with gr.Blocks():
        tab = TrainPage(AppContext(ws.home, ws.machine), gr.BrowserState({}))
    training.prepare(ws, values)  # all rows are counted
    page = texts_of(tab.plan(ws, Draft(preset=None).with_settings(values), None))
    for place in (terminal, page):
        assert warning["message"] in place and warning["remedy"] in place, name
        assert all(f["title"] in place for f in warning["fixes"])
    if name == "language_not_known":
        (fix,) = warning["fixes"]
        assert f"--model {fix['settings']['model']}]" in terminal and 'data-field="train-model"' in page
    if name == "settings_ignored":
        assert set(document["ignored"]) == {"class_weights", "chat_template"}
        assert page.count('"warning": "Not used: ') == 2, "beside both fields"
    for note in document["notes"]:
        assert note in terminal and note in page
    for question in document["question"]:
        assert question["message"] in terminal
        with pytest.raises(Exception, match="left out|leaves out|cut") as caught:
            training.start(ws, values)
        assert caught.value.message == question["message"]


def with_tools(ws, tmp_path):
    """Tools are offered and never called."""
    return store.add(ws, write_rows(tmp_path / "offered.jsonl", [r | {"tools": [TOOL]} for r in chat_rows(30)]), held_out=0.2)


def german(ws, tmp_path):
    said = "Ein Hund ist ein Tier, das viele Menschen gern haben und das mit ihnen in einem Haus wohnt, Nummer"
    rows = [turns(("user", f"Was ist ein Hund? ({i})"), ("assistant", f"{said} {i}.")) for i in range(30)]
    return store.add(ws, write_rows(tmp_path / "german.jsonl", rows), held_out=0.2)


def not_in_the_vocabulary(ws, tmp_path):
    return store.add(ws, write_rows(tmp_path / "rows.jsonl", [{"text": f"{c} 東京 {c}"} for c in COLOURS * 9]), kind="text", held_out=0.2)


OWN = {
    "tools without calls": (with_tools, "marked"),
    "german": (german, "marked"),
    "not in the vocabulary": (not_in_the_vocabulary, "gpt2"),
}


@pytest.mark.parametrize("name", sorted(RUNS))
def test_a_runs_warnings_are_in_the_page_the_terminal_and_the_json(house, capsys, name):
    """As they stand in status.json of a run, whoever wrote them there."""
    run = house.run(house.lora)
    before = run.status.warnings
    warning = run_warnings.make(name, f"What happened was {name} & more.", "Do <this>.", step=3, fixes=[{"title": "Fix", "settings": {}}])
    runs.write_status(run.path, warnings=run_warnings.add(before, [warning]))
    try:
        assert warning in json_of(house, capsys)["warnings"]
        assert cli.main(["--home", str(house.ws.home), "show", run.id]) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert warning["message"] in said and warning["remedy"] in said
        assert run_warnings.sentence(warning) in unescape(overview.card(house.run(house.lora)))
    finally:
        runs.write_status(run.path, warnings=before)


def json_of(house, capsys) -> dict:
    assert cli.main(["--home", str(house.ws.home), "show", house.lora, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_ignored_settings_and_lost_rows_are_in_the_run_from_its_first_moment(ws, tmp_path, models):  # noqa: F811
    """Before a worker has begun: what the plan knew stands in the run."""
    ds = brought(ws, tmp_path, "late")
    values = {"model": str(models["marked"]), "data": ds.ref, "device": "cpu", "max_length": 64, "class_weights": True}
    plan, model, ds, asked = training.prepare(ws, values)
    run = runs.create(ws, training._wish(model, ds, None, asked), training._document(plan, model, ds, None), name="new")
    assert {w["name"] for w in run.warnings} == {"settings_ignored", "rows_cut"} and run_config.FIELDS["class_weights"]
