"""The plan against the truth: what it says of rows, lengths, steps, tests and the learning rate is what the worker then really does."""

import json
import math
import random
import shutil

import pytest

from tests.conftest import chat_rows, until, write_rows
from tests.workers.test_objectives import COLOURS, base, sentence, table, tokens, trained  # noqa: F401 (fixtures)
from tuner import paths, runs
from tuner.data.store import store
from tuner.errors import SettingError, TunerError
from tuner.jobs import token_counting, training
from tuner.models.chat_templates import CHATML
from tuner.planning import dropped_rows, token_counts
from tuner.runs import run_warnings
from tuner.settings import parsing
from tuner.settings.run_config import Settings
from tuner.workers.tokenization import template_sandbox

CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Rome"}}}
TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather of a city. " * 20, "parameters": {"type": "object"}},
}
REFUSES = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
RICH = (  # has a place for everything, and writes much by itself
    "{% if tools %}{{ '<|im_start|>system\nYou may call these functions, one at a time, and must wait for what they return: ' }}{% for t in tools %}"
    "{{ t | tojson }}{% endfor %}{{ '\n' }}{% endif %}"
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}{% generation %}"
    "{% if m.reasoning_content %}{{ '<think>' + m.reasoning_content + '</think>' }}{% endif %}{{ m.content or '' }}"
    "{% for c in m.tool_calls or [] %}{{ '<call>' + (c.function | tojson) + '</call>' }}{% endfor %}{{ eos_token }}{% endgeneration %}"
    "{% else %}{{ m.content }}{% endif %}{{ '\n' }}{% endfor %}"
)
TEMPLATES = {"marked": CHATML, "refuses": REFUSES + CHATML, "rich": RICH, "prefixes": CHATML.replace("{%- generation %}", "").replace("{%- endgeneration %}", "")}  # fmt: skip


def turns(*said: tuple[str, str], **more) -> dict:
    return {"messages": [{"role": role, "content": text} for role, text in said]} | more


def plain(n=40):
    return chat_rows(n)


def late(n=40):
    """The rows at the end of the file are five times as long as all before."""
    return plain(n) + [turns(("user", f"Tell me all about {i}."), ("assistant", f"{i} and on " * 40)) for i in range(6)]


def tools(n=20):
    """A question, a call, what came back, an answer; the tools' descriptions are longer than all that."""
    ask = [{"role": "user", "content": "Weather?"}, {"role": "assistant", "content": "", "tool_calls": [CALL]}]
    back = [{"role": "tool", "name": "weather", "content": "5"}]
    return [{"messages": [*ask, *back, {"role": "assistant", "content": f"{i} degrees."}], "tools": [TOOL]} for i in range(n)]


def reasoning(n=30):
    return [
        {
            "messages": [
                {"role": "user", "content": f"{i} + 1?"},
                {"role": "assistant", "content": str(i + 1), "reasoning_content": "I add. " * i},
            ]
        }
        for i in range(n)
    ]


def system_in_some(n=40):
    return [
        turns(*([("system", "Be kind.")] if i % 3 == 0 else []), ("user", f"What is {i}?"), ("assistant", f"It is {i}.")) for i in range(n)
    ]


def judged(n=40):
    return [
        {"prompt": f"What is {i}? " * (1 + i % 5), "chosen": f"It is {i}." * (1 + i % 7), "rejected": f"It is {i}, or not."}
        for i in range(n)
    ]


def alike(n=30):
    """Pairs that differ late, so that a short length leaves no difference."""
    same = "It is the same for a long while, word for word, and then it is not, which nobody would have thought before. "
    return [{"prompt": f"What is {i}?", "chosen": same * (i % 4) + "Yes.", "rejected": same * (i % 4) + "No."} for i in range(n)]


def rated(n=40):
    return [{"prompt": f"What is {i}?", "completion": f"It is {i}." * (1 + i % 9), "label": i % 2 == 0} for i in range(n)]


def passages(n=30):
    return [{"text": " ".join(sentence(random.Random(i), 10 + 4 * i))} for i in range(n)]


def labelled(n=60):
    """Long and short texts; one label occurs only once, and may come to stand among the validation rows alone."""
    chance = random.Random(4)
    rows = [{"text": " ".join(sentence(chance, 3 + i % 120)), "label": COLOURS[i % 2]} for i in range(n)]
    return [*rows, *({"text": " ".join(sentence(chance, 5)), "label": f"rare{i}"} for i in range(8))]


def words(n=40):
    chance = random.Random(6)
    rows = [sentence(chance, 4 + i % 90) for i in range(n)]
    return [{"tokens": r, "tags": ["X" if len(w) > 4 else "O" for w in r]} for r in rows]


def questions(n=30):
    chance, out = random.Random(7), []
    for i in range(n):
        said = sentence(chance, 20 + 8 * i)
        context, answer = " ".join(said), said[3]
        out.append(
            {"context": context, "question": "Which word is it?", "answers": {"text": [answer], "answer_start": [context.index(answer)]}}
        )
    return out


def translations(n=40):
    chance = random.Random(8)
    return [{"source": " ".join(sentence(chance, 2 + i % 70)), "target": " ".join(sentence(chance, 2 + i % 50))} for i in range(n)]


PAIRS = {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}
CELLS = {  # rows, kind, mapping, model, settings
    "plain": (plain, None, None, "marked", {}),
    "late": (late, None, None, "marked", {}),
    "late, cut": (late, None, None, "prefixes", {"max_length": 64}),
    "late, bf16 full": (late, None, None, "rich", {"method": "full", "max_length": 96}),
    "tools": (tools, None, None, "rich", {}),
    "reasoning": (reasoning, None, None, "rich", {"method": "last_layers"}),
    "reasoning unseen": (reasoning, None, None, "marked", {"accept_lost_rows": True}),
    "system": (system_in_some, None, None, "refuses", {"accept_lost_rows": True}),
    "system folded": (system_in_some, None, None, "refuses", {"fold_system": True}),
    "text": (passages, "text", {"text": "text"}, "marked", {"objective": "text", "max_length": 96}),
    "chat from labels": (labelled, "classification", {"text": "text", "label": "label"}, "marked", {"objective": "chat"}),
    "pairs": (judged, "preference", PAIRS, "marked", {"max_length": 64, "accept_lost_rows": True}),
    "pairs alike": (alike, "preference", PAIRS, "marked", {"max_length": 64, "accept_lost_rows": True}),
    "kto of pairs": (judged, "preference", PAIRS, "prefixes", {"preference_loss": "kto"}),
    "rated": (rated, None, None, "marked", {"max_length": 64, "accept_lost_rows": True}),
    "reward": (judged, "preference", PAIRS, "marked", {"objective": "reward"}),
    "reward of an encoder": (alike, "preference", PAIRS, "bert", {"objective": "reward", "max_length": 64, "accept_lost_rows": True}),
    "labels": (labelled, "classification", {"text": "text", "label": "label"}, "bert", {"max_length": 64, "accept_lost_rows": True}),
    "labels of a decoder": (
        labelled,
        "classification",
        {"text": "text", "label": "label"},
        "gpt2",
        {"objective": "classification", "accept_lost_rows": True},
    ),  # fmt: skip
    "words": (words, "tokens", {"tokens": "tokens", "tags": "tags"}, "bert", {"max_length": 64}),
    "questions": (questions, "qa", {"context": "context", "question": "question", "answers": "answers"}, "bert", {"max_length": 96}),
    "translations": (translations, "seq2seq", {"source": "source", "target": "target"}, "t5", {"max_length": 64}),
}


FEW = ("late, cut", "system folded", "text", "pairs alike", "labels", "questions", "translations")


@pytest.fixture(scope="module")
def models(base, tmp_path_factory):  # noqa: F811
    """The starter with each of the templates, and tiny models of the other families."""
    out = dict(base)
    for name, template in TEMPLATES.items():
        out[name] = tmp_path_factory.mktemp("templates") / name
        shutil.copytree(paths.STARTER, out[name])
        (out[name] / "chat_template.jinja").write_text(template)
    return out


@pytest.fixture(autouse=True)
def tried(ws):
    """The templates need no trial in each test; tests/workers/test_template_sandbox.py tries them."""
    ws.machine_folder().mkdir(parents=True, exist_ok=True)
    paths.write_json(ws.machine_folder() / "templates.json", {template_sandbox._key(t): True for t in TEMPLATES.values()})


def brought(ws, tmp_path, cell: str) -> store.Dataset:
    make, kind, mapping, *_ = CELLS[cell]
    return store.add(ws, write_rows(tmp_path / "rows.jsonl", make()), kind=kind, mapping=mapping, held_out=0.2)


def planned(ws, ds, model, settings: dict):
    """(plan, the run as `training.start` would leave it in the queue)"""
    values = {"model": str(model), "data": ds.ref, "device": "cpu", "effective_batch": 4} | settings
    plan, found, ds, asked = training.prepare(ws, values, need_data=True)
    return plan, runs.create(ws, training._wish(found, ds, None, asked), training._document(plan, found, ds, None), name="truth")


@pytest.mark.parametrize("cell", [pytest.param(c, marks=() if c in FEW else pytest.mark.long) for c in CELLS])
def test_what_the_plan_says_is_what_the_run_does(ws, tmp_path, models, cell):
    ds, settings = brought(ws, tmp_path, cell), CELLS[cell][4] | {"epochs": 1}
    plan, run = planned(ws, ds, models[CELLS[cell][3]], settings)
    assert not plan.question, plan.question
    run = trained(ws, run)
    prepared, s, measured = run.status.prepared, plan.settings, table(run)
    # rows
    assert {k: prepared[k] for k in plan.rows} == plan.rows, "rows, cut, left out, notes, not seen, of both sides"
    told = {w["name"]: w["message"] for w in plan.warnings}
    assert {w["name"]: w["message"] for w in run.warnings if w["name"] in told or "rows" in w["name"]} == told, "in the same words"
    # lengths
    reason = next(r.reason for r in plan.reasons if r.setting == "max_length")
    if not prepared["cut"] and "longest row has" in reason and not plan.rows["left_out"] and "seq2seq" != s.objective:
        assert f"longest row has {longest_of(ws, ds, run):,} tokens" in reason
    assert prepared["longest"] <= s.max_length
    # steps, tests, saves
    assert run.progress.step == plan.steps == max(measured["loss"])
    assert plan.steps == math.ceil(math.ceil(prepared["rows"] / s.effective_batch) * s.epochs)
    tests = {n for n in range(1, plan.steps + 1) if n % s.eval_steps == 0} | {plan.steps}
    assert set(measured.get("eval_loss", {})) == (tests if prepared["held_out"]["rows"] else set())
    # the learning rate
    rates, warm = measured["learning_rate"], math.ceil(s.warmup * plan.steps)
    assert max(rates.values()) == pytest.approx(s.learning_rate if plan.steps > warm + 1 else max(rates.values()), rel=0.35)
    assert (rates[1] == 0) == (warm > 0) and any(rate > 0 for rate in rates.values())


def longest_of(ws, ds, run) -> int:
    """The longest row of both sides, from the dataset and the run's own tokenizer."""
    counts = token_counting.counts(token_counts.question(ds, training.models.resolve(run.config["model"], ws), run.config), ws, None)
    return int(counts.lengths().max())


def test_a_process_that_is_leaving_is_not_asked_but_a_new_one(ws, tmp_path, models, monkeypatch):
    """Its output ends a moment before the system says that it is gone, and whoever asks in that moment must not be told that it failed."""
    cell = "late, cut"
    ds, name, settings = brought(ws, tmp_path, cell), CELLS[cell][3], CELLS[cell][4]
    question = token_counts.question(ds, training.models.resolve(str(models[name]), ws), settings)
    child, new = token_counting.Child(), token_counting._child
    child.process.kill()
    until(lambda: child.gone)
    monkeypatch.setattr(child.process, "poll", lambda: None)
    there = iter([child])
    monkeypatch.setattr(token_counting, "_child", lambda: next(there, None) or new())
    assert len(token_counting.counts(question, ws, None).lengths()) == ds.rows
    assert not child.alive


@pytest.mark.parametrize("cell", CELLS)
def test_the_counts_are_right_for_every_length(ws, tmp_path, models, cell):
    """Not for the plan's own length alone: a slider, a fallback and a person's own value read the same numbers."""
    from tuner.workers.modelling import load

    ds, name, settings = brought(ws, tmp_path, cell), CELLS[cell][3], CELLS[cell][4]
    question = token_counts.question(ds, training.models.resolve(str(models[name]), ws), settings)
    counts, tokenizer = token_counting.counts(question, ws, None), load.tokenizer(models[name])
    for limit in (24, 40, 64, 100, 300):
        s = {"objective": question.objective, "preference_loss": question.loss, "seed": 0} | settings | {"max_length": limit}
        found = counts.prepared(limit)
        try:
            sides = tokenized(ds, tokenizer, s)
        except TunerError as error:
            assert found["rows"] == 0 and "None of the" in str(error)
            continue
        for truth, told in zip(sides, (found, found["held_out"]), strict=True):
            assert (len(truth), truth.cut, truth.left_out) == (told["rows"], told["cut"], told["left_out"]), limit


def tokenized(ds, tokenizer, s: dict) -> tuple:
    """Training and validation rows as the workers prepare them."""
    from types import SimpleNamespace

    from tuner.workers.tokenization import task_rows
    from tuner.workers.training import preference, reward, sequence_classification, sft, token_classification

    def values(held_out):
        return (r["value"] for r in store.iterate(ds, held_out=held_out))

    job = SimpleNamespace(settings=Settings.from_json(s), data=ds, tokenizer=tokenizer, values=values)
    workers = {"chat": sft, "text": sft, "preference": preference, "reward": reward}
    if s["objective"] in workers:
        return tuple(workers[s["objective"]].rows_of(job, side) for side in (False, True))
    ways = {
        "classification": lambda v: task_rows.texts(tokenizer, v, s["max_length"]),
        "tokens": lambda v: task_rows.words(tokenizer, v, s["max_length"]),
        "qa": lambda v: task_rows.windows(tokenizer, v, s["max_length"], True),
        "seq2seq": lambda v: task_rows.text_pairs(tokenizer, v, "seq2seq", s["max_length"]),
    }
    train, held = (ways[s["objective"]](values(side)) for side in (False, True))
    if s["objective"] == "classification":
        about = sequence_classification.meaning(train, "classification", {})
        return train, sequence_classification.numbered(held, about)
    if s["objective"] == "tokens":
        names = sorted({name for pairs in train.columns["words"] for _, name in pairs})
        return token_classification.numbered(train, names), token_classification.numbered(held, names)
    return train, held


# --- what is asked before the start ---------------------------------------------------------------------------------------------


def refused(ws, ds, model, **settings) -> SettingError:
    with pytest.raises(SettingError) as caught:
        training.start(ws, {"model": str(model), "data": ds.ref, "device": "cpu", "max_steps": 2} | settings)
    assert not list(ws.runs.glob("*/status.json")), "nothing was started"
    return caught.value


def test_rows_that_would_be_lost_are_asked_about_with_the_fix(ws, tmp_path, models):
    ds = brought(ws, tmp_path, "system")
    error = refused(ws, ds, models["refuses"])
    assert run_warnings.NO_SYSTEM in error.message and "fold_system=true" in error.available and "accept_lost_rows=true" in error.available
    assert "maximum length" not in str(error) and error.field == "accept_lost_rows"
    plan, _ = planned(ws, ds, models["refuses"], {})
    (fix,) = plan.warnings[0]["fixes"]
    fixed, _ = planned(ws, ds, models["refuses"], fix["settings"])
    assert not fixed.question and not fixed.warnings and fixed.rows["rows"] == plan.rows["rows"] + sum(plan.rows["left_out"].values())


def test_without_a_single_row_nothing_starts_whatever_is_accepted(ws, tmp_path, models):
    every = [turns(("system", "Be kind."), ("user", f"What is {i}?"), ("assistant", f"It is {i}.")) for i in range(30)]
    ds = store.add(ws, write_rows(tmp_path / "rows.jsonl", every), held_out=0.2)
    error = refused(ws, ds, models["refuses"], accept_lost_rows=True)
    assert "24 of 24 rows (100%)" in error.message and "6 of 6 validation rows (100%)" in error.message
    assert "accept_lost_rows" not in str(error.available) and "fold_system" in error.remedy
    calls = store.add(ws, write_rows(tmp_path / "calls.jsonl", tools()), held_out=0.2)
    assert run_warnings.NO_CALLS in refused(ws, calls, models["marked"], accept_lost_rows=True).message


def test_what_a_persons_own_length_cuts_is_told_and_not_asked(ws, tmp_path, models):
    ds = brought(ws, tmp_path, "late")
    plan, _ = planned(ws, ds, models["marked"], {"max_length": 64})
    (cut,) = plan.warnings
    assert cut["name"] == "rows_cut" and not plan.question and cut["fixes"][0]["settings"]["max_length"] > 64
    whole, _ = planned(ws, ds, models["marked"], cut["fixes"][0]["settings"])
    assert not whole.warnings
    asked = parsing.parse({"max_length": 64})
    c = dropped_rows.Choices(asked.given(), None)
    c.put("max_length", 64, "planner", "It would not fit otherwise.")
    assert dropped_rows.asks(plan.rows, plan.warnings, c) == plan.warnings, "what nobody chose is asked"


def test_a_sample_speaks_for_a_large_dataset_until_all_is_counted(ws, tmp_path, monkeypatch):
    """Rows from all its parts: the long ones at its end too. The page does not wait; a start does."""
    rows = [turns(("user", f"{i}?"), ("assistant", f"It is {i}.")) for i in range(24_000)]
    rows += [turns(("user", f"{i}?"), ("assistant", "and on " * 60)) for i in range(3000)]
    ds = store.add(ws, write_rows(tmp_path / "many.jsonl", rows), held_out=0.01)
    values = {"model": "starter", "data": ds.ref, "device": "cpu"}
    plan = training.prepare(ws, values, wait=0)[0]
    (told,) = [w for w in plan.warnings if w["name"] == "lengths_guessed"]
    assert plan.rows is None and told["severity"] == "info"
    question = token_counts.question(ds, training.models.resolve("starter"), values)
    heard = []
    exact = training.prepare(ws, values, each=heard.append)[0]
    sample = token_counts._read(*(lambda f: (str(f), f.stat().st_mtime_ns, 1))(question.sample_file))
    assert sample.sample and 60 < sample.lengths().max() == exact_longest(exact) and len(sample.lengths()) == 1000
    assert exact.rows["rows"] == ds.rows - ds.held_out and any(0 < h["done"] < ds.rows for h in heard)
    assert training.prepare(ws, values, wait=0)[0].rows == exact.rows, "it is kept with the version"


def exact_longest(plan) -> int:
    reason = next(r.reason for r in plan.reasons if r.setting == "max_length")
    return int(reason.split("has ")[1].split(" tokens")[0].replace(",", ""))


def test_a_child_that_was_killed_is_started_again_and_a_broken_tokenizer_is_told(ws, tmp_path, models):
    ds = brought(ws, tmp_path, "plain")
    child = token_counting._child()
    child.process.kill()
    child.process.wait()
    assert training.prepare(ws, {"model": str(models["marked"]), "data": ds.ref})[0].rows["rows"] == ds.rows - ds.held_out
    broken = tmp_path / "broken"
    shutil.copytree(models["marked"], broken)
    (broken / "tokenizer.json").write_text("{" * 99)
    with pytest.raises(TunerError) as caught:
        training.prepare(ws, {"model": str(broken), "data": ds.ref})
    assert "tokenizer" in str(caught.value).lower() and "Something unforeseen" not in json.dumps(caught.value.as_list())
