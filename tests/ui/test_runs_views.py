"""The Runs page as data: which rows a visitor sees, what a chart is sent, what is drawn of names that people typed."""

import json
import shutil
from contextlib import closing
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from tests.ui.test_ui import NASTY
from tuner import runs
from tuner.evaluation import checkpoint_copies, checkpoints
from tuner.jobs import training
from tuner.runs.run_status import RunStatus
from tuner.settings import objectives
from ui.components import charts, run_state, units
from ui.pages.runs import figures
from ui.run_views import checkpoints_view, config, listing, overview, table_view
from ui.run_views.listing import AllRuns, Row, View
from ui.session import AppContext


def row(n: int, **more) -> Row:
    plain = {
        "name": f"run {n}",
        "state": "finished",
        "data": "sums@1",
        "model": "starter",
        "method": "lora",
        "loss": 1.0 / n,
        "time": 10.0 * n,
    }
    return Row(f"run-{n}", **plain | {"started": f"2026-11-{n:02d} 10:00", "notes": ""} | more)


def all_of(rows: list[Row]) -> AllRuns:
    return AllRuns(rows, frozenset(r.id for r in rows), "", [], [], [])


def test_rows_are_found_by_all_words_and_by_the_word_of_their_state():
    found = all_of([row(1, notes="rank 64, Köln"), row(2, state="failed"), row(3, method="full")])
    seen = lambda query: [r.id for r in listing.seen(found, View(query=query))]  # noqa: E731
    assert seen("KÖLN rank") == ["run-1"] and seen("fail") == ["run-2"] and seen("full starter") == ["run-3"]
    assert seen("") == ["run-1", "run-2", "run-3"] and seen("köln full") == []


@pytest.mark.parametrize("column", listing.COLUMNS)
def test_each_column_sorts_both_ways_and_back_with_what_is_unknown_last(column):
    found = all_of([row(2, name="b"), row(1, name="A"), row(3, name="c", loss=None, time=0.0), row(4, name="d", loss=0.0)])
    view = View().sorted_by(column)
    up, down = (listing.seen(found, v) for v in (view, view.sorted_by(column)))
    assert view.sorted_by(column).sorted_by(column).sort == "" and {r.id for r in up} == {r.id for r in down} == found.ids
    if column == "loss":
        assert [r.id for r in up] == ["run-4", "run-2", "run-1", "run-3"] and [r.id for r in down][-1] == "run-3"
    if column == "name":
        assert [r.name for r in up] == ["A", "b", "c", "d"], "as people sort, not by the case of letters"


def test_a_view_that_a_browser_kept_of_another_version_is_read():
    assert View.read(None) == View() and View.read({"query": "a", "gone": 1}) == View(query="a")
    assert View().ticked("a").ticked("b").ticked("a").picked == ("b",)
    assert View().sorted_by("__class__") == View()


def test_the_table_is_a_page_of_many_and_names_are_text(house, monkeypatch):
    many = [row(n % 28 + 1, name=f"run {n}") for n in range(1000)]
    many[0] = row(1, name=NASTY, notes='"> <img src=x>')
    monkeypatch.setattr(table_view, "all_runs", lambda ws: all_of(many))
    html = table_view.drawn(house.ws, View(picked=("run-1",)))
    assert "<img" not in html and html.count("<tr>") == 1 + listing.PER_PAGE and "of 1,000" in html
    table = ElementTree.fromstring(html[html.index("<tbody>") : html.index("</tbody>") + 8])
    assert table[0][1][0].text == NASTY and table[0][0][0].get("aria-checked") == "true"
    last = table_view.drawn(house.ws, View(page=10**9))
    assert "run 999" in last and "Next" not in last


def test_a_line_is_thinned_to_what_looks_the_same():
    steps = list(range(20000))
    values = [100.0 if i == 3333 else -50.0 if i == 4001 else float(i % 7) for i in steps]
    values[5000:5100] = [None] * 100
    kept, kept_values = charts.thin(steps, values)
    assert len(kept) <= charts.MOST and kept[0] == 0 and kept[-1] == 19999 and kept == sorted(kept)
    points = dict(zip(kept, kept_values, strict=True))
    assert points[3333] == 100.0 and points[4001] == -50.0 and None in kept_values
    assert charts.thin(steps[:10], values[:10]) == (steps[:10], values[:10]) and charts.thin([], []) == ([], [])


def test_runs_of_one_name_are_told_apart(house):
    tuned, whole = house.run(house.lora), house.run(house.full)
    assert run_state.distinct([tuned, whole]) == [tuned.name, whole.name]
    assert run_state.distinct([tuned, tuned]) == [f"{tuned.name} ({tuned.id})"] * 2
    assert training.unused_name(house.ws, "never") == "never" and training.unused_name(house.ws, tuned.name) == f"{tuned.name} 2"


def test_a_loss_that_rose_again_is_said(house, monkeypatch):
    run = house.run(house.lora)
    assert "rose again" not in "".join(overview.verdict(run))
    monkeypatch.setattr(runs, "metrics", lambda _, keys: [(4, "eval_loss", run.best), (8, "eval_loss", run.best + 1)])
    assert f"rose again to {units.decimal(run.best + 1)}" in "".join(overview.verdict(run))


def test_figures_are_what_is_new_and_no_number_is_a_gap(house):
    run = house.run(house.lora)
    whole = charts.figures(run)
    last = whole["series"]["loss"][0][-1]
    assert whole["run"] == run.id and not whole["live"] and {"loss", "eval_loss", "epoch", "elapsed_seconds"} <= set(whole["series"])
    later = charts.figures(run, last - 1)["series"]
    assert all(min(steps) >= last for steps, _ in later.values()) and later["loss"][0] == [last]
    json.dumps(whole, allow_nan=False)


def test_epoch_and_time_grow_with_the_steps(house):
    found = charts.figures(house.run(house.lora))["series"]
    for key in ("epoch", "elapsed_seconds"):
        assert found[key][0] == found["loss"][0] and found[key][1] == sorted(found[key][1]) and found[key][1][-1] > 0
    assert found["epoch"][1][-1] == pytest.approx(house.run(house.lora).progress.epoch, abs=0.01)


def with_objective(run, objective: str):
    plan = run.plan | {"settings": run.plan["settings"] | {"objective": objective}}
    return SimpleNamespace(plan=plan)


@pytest.mark.parametrize("objective", sorted(objectives.OBJECTIVES))
def test_loss_comes_first_and_what_compares_answers_first_for_preferences(house, objective):
    told = charts.described([with_objective(house.run(house.lora), objective)])
    first = [c["name"] for c in told["charts"] if c["first"]]
    assert first == (["loss", "margins", "accuracies"] if objective in objectives.PAIRED else ["loss", "quality", "learning-rate"])
    assert all(line["label"] for c in told["charts"] for line in c["lines"]) and all(told["words"].values())
    rewards = next(c for c in told["charts"] if c["name"] == "rewards")
    assert [line["label"] for line in rewards["lines"]][:3] == ["chosen, training", "rejected, training", "chosen, validation"]


def test_the_figures_of_a_run_that_is_not_here_are_none(house):
    asked = figures(AppContext(house.ws.home))
    found = asked(
        [{"run": house.lora, "since": "x"}, {"run": "../../etc"}, {}, None, {"run": house.full, "since": 10**6}],
        SimpleNamespace(session_hash="s"),
    )
    assert [r["run"] for r in found["runs"]] == [house.lora, house.full] and found["runs"][1]["series"] == {}


def test_an_overview_says_why_a_run_ended(house):
    run = house.run(house.lora)
    failed = run.with_status(RunStatus.from_json(run.status.document | {"state": "failed", "reason": "The disk is <full>."}))
    assert "The disk is &lt;full&gt;." in overview.head(failed) and 'lang="en"' in overview.head(failed)
    assert "took" in overview.head(run) and "so far" not in overview.head(run)


def test_the_config_lists_what_had_an_effect_and_what_a_person_chose(ws, data):
    asked = {"model": "starter", "data": data.ref, "lora_rank": 4, "virtual_tokens": 7}
    plan, model, ds, _ = training.prepare(ws, asked, preset="quick")
    said = config.table(SimpleNamespace(plan=training._document(plan, model, ds, "quick")))
    assert "LoRA rank" in said and "Virtual tokens" in said, "a choice without effect is not hidden"
    assert "Adapter size" not in said and "Prefix projection" not in said and "Class weights" not in said
    assert "<td>LoRA</td>" in said and "False" not in said and "<td>off</td>" in said


def test_a_tick_and_a_search_under_way_at_the_same_time_keep_each_other(ws):
    """Both were given what was there before the other; each answer would have been the whole truth."""
    import gradio as gr

    from tests.jobs.test_cleanup import made
    from ui.run_views.table_view import TableView
    from ui.session import AppContext

    for name in ("first", "second"):
        made(ws, name)
    with gr.Blocks():
        table = TableView(AppContext(ws.home, ws.machine))
    shared, request = table.view.value, None
    searching, ticking = shared, shared  # Gradio hands the same object to both
    searched, _ = table.on_query("sec", searching, request)
    ticked, *_ = table.on_pick('["first", 1]', ticking, request)
    turned, _ = table.on_sort('["name", 2]', searching, request)
    assert searched is ticked is turned is shared
    assert (shared["query"], tuple(shared["picked"]), shared["sort"]) == ("sec", ("first",), "name")


def test_the_series_of_a_run_that_ended_are_read_once_and_again_when_it_went_on(house, ws, monkeypatch):
    shutil.copytree(house.ws.runs / house.lora, ws.runs / "kept")
    run, asked, real = runs.get(ws, "kept"), [], charts._series
    monkeypatch.setattr(charts, "_series", lambda run, since: asked.append(since) or real(run, since))
    first = charts.figures(run)
    assert charts.figures(run) == first and asked == [-1]
    last = first["series"]["loss"][0][-1]
    with closing(runs.metrics_db(run.path)) as db:
        runs.write_metrics(db, last + 1, {"loss": 0.5})
    assert charts.figures(run)["series"]["loss"][0][-1] == last + 1 and asked == [-1, -1]
    assert charts.figures(run, last)["series"] == {"loss": ([last + 1], [0.5])}, "what is new is always read"


def test_some_metrics_alone(house):
    run = house.run(house.lora)
    assert {key for _, key, _ in runs.metrics(run, keys=("eval_loss", "gone"))} == {"eval_loss"}
    assert runs.metrics(run, keys=("loss",)) == [m for m in runs.metrics(run) if m[1] == "loss"]


def test_checkpoints_say_what_was_measured_and_lead_on_as_runs(house, ws):
    shutil.copytree(house.ws.runs / house.lora, ws.runs / "named-b", dirs_exist_ok=True)
    run = runs.get(ws, "named-b")
    found = checkpoints_view.drawn(ws, run)
    assert found.count("Make it a run") == len(run.checkpoints) == found.count("<tr>") - 1 and found.count("Kept") == 1
    made = checkpoint_copies.make(ws, run.id, run.checkpoints[0]["step"], None)
    found = checkpoints_view.drawn(ws, run)
    assert found.count("Make it a run") == len(run.checkpoints) - 1 and f'href="chat?model={made.id}"' in found
    shutil.rmtree(run.path / "checkpoints")
    assert "No checkpoint yet" in checkpoints_view.drawn(ws, run)


def test_a_look_at_the_checkpoints_reads_no_state_of_the_trainer(house, monkeypatch):
    run = house.run(house.lora)
    monkeypatch.setattr(checkpoints, "_history", lambda checkpoint: pytest.fail("it may hold a line for each step"))
    assert all(c["eval_loss"] > 0 for c in checkpoint_copies.listing(run))


def test_a_sweep_shows_its_runs_alone_the_best_first():
    found = all_of([row(1, sweep="a-sweep", loss=2.0), row(2, sweep="a-sweep", loss=1.0), row(3)])
    view = table_view.TableView.on_sweep(None, "a-sweep", View().as_dict())[0]
    assert [r.id for r in listing.seen(found, View.read(view))] == ["run-2", "run-1"]
