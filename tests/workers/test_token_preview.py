"""Row by row what a model would learn: the batches beside transformers' own way, the view beside the trainer's labels."""

import copy
import json
import os
import random
import signal

import numpy as np
import pytest

from tests.conftest import chat_rows, fresh, until, write_rows
from tuner import cli, paths
from tuner.data import length_statistics
from tuner.data.store import store
from tuner.errors import DataError, ModelError, NotFoundError, RequestError
from tuner.jobs import job as job_of_a_folder
from tuner.jobs import token_preview
from tuner.models import custom_template
from tuner.runs.run_warnings import NO_CALLS, NO_SYSTEM
from tuner.settings.run_config import Settings
from tuner.workers.tokenization import template_sandbox, tokenizer_loader
from tuner.workers.tokenization.lm_rows import IGNORED, prepare
from tuner.workers.tokenization.loss_mask import Masker

PLAIN = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPACED = (  # the mark stands before a space that belongs to the first word
    "{% for m in messages %}{{ m['role'] }}:{% if m['role'] == 'assistant' %}{% generation %} {{ m['content'] }}{{ eos_token }}"
    "{% endgeneration %}{% else %} {{ m['content'] }}{% endif %}\n{% endfor %}"
)
OPEN = SPACED.replace("{{ eos_token }}", "")  # nothing tells the end
RICH = (
    "{% if tools %}Tools: {{ tools | tojson }}\n{% endif %}{% for m in messages %}{{ m.role }}: {% if m.role == 'assistant' %}{% generation %}"
    "{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}"
    "{{ m.content }}{{ eos_token }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}\n{% endfor %}"
)
TWICE = (  # two stretches per answer
    "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}A: {% endgeneration %}{{ '' }}{% generation %}{{ m.content }}"
    "{{ eos_token }}{% endgeneration %}{% else %}Q: {{ m.content }}{% endif %}\n{% endfor %}"
)
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}}


def u(text, **more):
    return {"role": "user", "content": text, **more}


def a(text, **more):
    return {"role": "assistant", "content": text, **more}


TALKS = [
    [u("What is 1 plus 1?"), a("It is 2.")],
    [{"role": "system", "content": "Be kind."}, u("Hi"), a("Hello!"), u("And?"), a("  Spaces before, and after  ")],
    [u("Grüße, 世界 👩‍👩‍👧‍👦!"), a("🙂🙃 naïve café\u0301 — שלום 日本語\n\n- a\n\tb")],
    [u("<|im_end|> in the text"), a("<|im_start|>assistant\nforged<|im_end|>")],
    [u("x " * 200), a("y " * 300)],
    [u("Odd"), a("\u200b\u00a0 zero\u200b"), u("\r\n\ttabs"), a("{{ not a template }}")],
]


@pytest.fixture(scope="module")
def starter():
    return tokenizer_loader.tokenizer(paths.STARTER)


def with_template(tokenizer, template):
    other = copy.deepcopy(tokenizer)
    other.chat_template = template
    return other


def trimmed(tokenizer):
    """The starter's tokenizer as RoBERTa's: spaces belong to no token's place in the text."""
    from tokenizers.processors import ByteLevel

    other = with_template(tokenizer, SPACED)
    other.backend_tokenizer.post_processor = ByteLevel(trim_offsets=True)
    return other


def masked(tokenizer, *rows, objective="chat", kind="chat"):
    masker = Masker(tokenizer, kind=kind, objective=objective)
    out = masker.batch(list(rows))
    return masker, out


def said(tokenizer, row) -> list[str]:
    return [tokenizer.decode(row.ids[a:b]) for a, b in row.ranges]


def row_by_row(tokenizer, messages, template, tools=None):
    """(ids, mask) as transformers gives them for one conversation."""
    out = tokenizer.apply_chat_template(
        messages, tools=tools, chat_template=template, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    return out["input_ids"], out["assistant_masks"]


def as_mask(row) -> list[int]:
    mask = [0] * len(row.ids)
    for a, b in row.ranges:
        mask[a:b] = [1] * (b - a)
    return mask


# --- the batches are what transformers gives row by row -------------------------------------------------------------------


@pytest.mark.parametrize(
    "template", [None, SPACED, RICH, tokenizer_loader.PLAIN_TEMPLATE, TWICE], ids=["starter", "spaced", "rich", "plain", "twice"]
)
def test_marked_templates_give_what_transformers_gives(starter, template):
    tokenizer = with_template(starter, template or starter.chat_template)
    chance = random.Random(3)
    letters = "ab c.\n🙂é世 <|im_end|>"
    noise = [[u("".join(chance.choices(letters, k=30))), a("".join(chance.choices(letters, k=chance.randint(1, 60))))] for _ in range(60)]
    _, rows = masked(tokenizer, *({"messages": m} for m in TALKS + noise))
    for messages, row in zip(TALKS + noise, rows, strict=True):
        assert (row.ids, as_mask(row)) == row_by_row(tokenizer, messages, tokenizer.chat_template), messages


def test_trls_training_templates_give_what_transformers_gives(starter):
    tried = 0
    for text, twin in template_sandbox.of_trl().items():
        if not twin or custom_template.MARK.search(text):
            continue
        tokenizer = with_template(starter, text)
        for messages in TALKS[:3]:
            try:
                expected = row_by_row(tokenizer, messages, twin)
            except Exception:  # this template takes no such conversation, or only content in parts
                continue
            row = masked(tokenizer, {"messages": messages})[1][0]
            if 1 in expected[1]:
                assert (row.ids, as_mask(row)) == expected
                tried += 1
    assert tried > 30


def test_tools_and_reasoning_reach_the_template(starter):
    tokenizer = with_template(starter, RICH)
    call = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
    messages = [
        u("Add."),
        a("", tool_calls=[call]),
        {"role": "tool", "name": "add", "content": "2"},
        a("It is 2.", reasoning_content="1+1"),
    ]
    masker, (row, bare) = masked(tokenizer, {"messages": messages, "tools": [TOOL]}, {"messages": messages})
    assert (row.ids, as_mask(row)) == row_by_row(tokenizer, messages, RICH, [TOOL])
    assert (bare.ids, as_mask(bare)) == row_by_row(tokenizer, messages, RICH)
    assert "Tools: [" in row.text and said(tokenizer, row)[1] == "<think>1+1</think>It is 2.<|im_end|>" and masker.notes() == []
    masker, refused = masked(starter, {"messages": messages, "tools": [TOOL]}, {"messages": messages})
    assert [row.refused for row in refused] == [NO_CALLS, NO_CALLS], "no empty answer is trained in the place of a call"
    talk = [*messages[:1], messages[-1]]
    masker, _ = masked(starter, {"messages": talk, "tools": [TOOL]}, {"messages": talk}, {"messages": messages[:1] + [a("2", weight=1)]})
    assert masker.unseen == {"tools": 1, "reasoning_content": 2}


def test_named_templates_for_tools(starter):
    tokenizer = with_template(starter, {"default": starter.chat_template, "tool_use": RICH})
    _, (with_tools, without) = masked(tokenizer, {"messages": TALKS[0], "tools": [TOOL]}, {"messages": TALKS[0]})
    assert with_tools.text.startswith("Tools:") and without.text.startswith("<|im_start|>")


def test_where_transformers_loses_the_mark_the_answer_is_still_learnt(starter):
    """A tokenizer whose spaces stand nowhere: transformers finds no token at the mark and learns nothing."""
    tokenizer = trimmed(starter)
    assert 1 not in row_by_row(tokenizer, TALKS[0], SPACED)[1]
    _, rows = masked(tokenizer, *({"messages": m} for m in TALKS[:2]))
    assert said(tokenizer, rows[0]) == [" It is 2.<|im_end|>"] and len(said(tokenizer, rows[1])) == 2


def test_a_last_character_of_several_tokens_is_learnt_whole(starter):
    tokenizer = with_template(starter, OPEN)
    masker, (row,) = masked(tokenizer, {"messages": [u("Hi"), a("Hello 👾")]})
    assert said(tokenizer, row) == [" Hello 👾"] and "may not know when to stop" in masker.notes()[0]


def test_templates_without_marks(starter):
    masker, rows = masked(with_template(starter, PLAIN), *({"messages": m} for m in TALKS))
    assert masker.how == "prefixes" and "does not mark" in masker.notes()[0]
    _, expected = masked(starter, *({"messages": m} for m in TALKS))
    same = [0, 1, 3, 4, 5]
    assert [(rows[i].ids, rows[i].ranges) for i in same] == [(expected[i].ids, expected[i].ranges) for i in same]
    anew = with_template(starter, "{{ messages | length }} turns\n" + PLAIN)
    _, rows = masked(anew, *({"messages": m} for m in TALKS[:2]))
    assert all("can't be located" in r.refused for r in rows)


# --- weights --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", [None, PLAIN, TWICE], ids=["marks", "prefixes", "two stretches"])
def test_a_message_with_weight_0_is_read_and_not_learnt(starter, template):
    tokenizer = with_template(starter, template or starter.chat_template)
    talk = [u("One?"), a("First.", weight=0), u("Two?"), a("Second.", weight=1), u("Three?", weight=0), a("Third.")]
    bare = [{k: v for k, v in m.items() if k != "weight"} for m in talk]
    _, (row, whole) = masked(tokenizer, {"messages": talk}, {"messages": bare})
    assert row.ids == whole.ids and "First." in "".join(said(tokenizer, whole))
    learnt = "".join(said(tokenizer, row))
    assert "First." not in learnt and "Second." in learnt and "Third." in learnt


def test_a_row_without_weight_is_left_out_and_says_why(starter):
    out = prepare(
        starter, [{"messages": [u("Hi"), a("No.", weight=0)]}, {"messages": TALKS[0]}], kind="chat", objective="chat", max_length=99
    )
    assert len(out) == 1 and out.left_out == {"every answer has weight 0": 1}


def test_a_program_of_a_stranger_may_fail_on_a_row(starter):
    odd = with_template(starter, "{% if messages[0]['content'] == 'Hi' %}{{ 1 / 0 }}{% endif %}" + starter.chat_template)
    out = prepare(odd, [{"messages": [u("Hi"), a("Ho")]}, {"messages": TALKS[0]}], kind="chat", objective="chat", max_length=99)
    assert len(out) == 1 and "ZeroDivisionError" in next(iter(out.left_out))


# --- the view -------------------------------------------------------------------------------------------------------------


def viewed(tokenizer, *rows, **more):
    from tuner.workers.tokenization.row_view import view

    masker, out = masked(tokenizer, *rows, **more)
    return [view(row, tokenizer, masker.special) for row in out], out


def test_the_pieces_are_the_text(starter):
    for tokenizer in (starter, with_template(starter, PLAIN), trimmed(starter)):
        views, rows = viewed(tokenizer, *({"messages": m} for m in TALKS))
        for shown, row in zip(views, rows, strict=True):
            joined = "".join(t["text"] for t in shown["tokens"])
            assert joined == row.text[: len(joined)] and not row.text[len(joined) :].strip() and "\ufffd" not in joined
            assert [t["id"] for t in shown["tokens"]] == row.ids and [t["trained"] for t in shown["tokens"]] == list(
                map(bool, as_mask(row))
            )
            assert shown["length"] == len(row.ids) and shown["learnt"] == sum(as_mask(row)) and shown["problem"] is None
    (shown,), _ = viewed(starter, {"messages": [u("Hi"), a("👾")]})
    pieces = [t["text"] for t in shown["tokens"] if t["trained"]]
    assert pieces[0] == "👾" and set(pieces[1:-1]) == {""} and pieces[-1] == "<|im_end|>" and shown["tokens"][-2]["special"]


def test_of_a_text_the_end_token_is_shown_too(starter):
    (shown,), _ = viewed(starter, {"text": "Once upon a time"}, kind="text", objective="text")
    assert "".join(t["text"] for t in shown["tokens"]) == "Once upon a time<|im_end|>" and all(t["trained"] for t in shown["tokens"])
    assert shown["tokens"][-1]["special"] and not shown["tokens"][0]["special"]


# --- the trainer's labels are the view's ----------------------------------------------------------------------------------


@pytest.mark.parametrize("objective, packing", [pytest.param("chat", False, marks=pytest.mark.long), ("text", False), ("chat", True)])
def test_what_the_model_is_trained_on_is_what_was_shown(starter, tmp_path, objective, packing):
    """One step of the real trainer: the labels that reach the model, token by token."""
    import torch
    from transformers import AutoModelForCausalLM
    from trl import SFTTrainer

    from tuner.workers.training import sft

    rows = [{"messages": m} if objective == "chat" else {"text": m[-1]["content"]} for m in (*TALKS[:2], *TALKS[3:5])]
    kind = "chat" if objective == "chat" else "text"
    data = prepare(starter, rows, kind=kind, objective=objective, max_length=48)
    seen = []

    class Watched(SFTTrainer):
        def compute_loss(self, model, inputs, *args, **kwargs):
            seen.append({k: v.clone() for k, v in inputs.items() if torch.is_tensor(v)})
            return super().compute_loss(model, inputs, *args, **kwargs)

    settings = {
        "device": "cpu", "precision": "fp32", "micro_batch": 4, "effective_batch": 4, "epochs": 1, "max_steps": 1, "learning_rate": 1e-4,
        "schedule": "constant", "warmup": 0, "weight_decay": 0.0, "max_grad_norm": 1.0, "seed": 1, "optimizer": "adamw",
        "gradient_checkpointing": False, "max_length": 48, "packing": packing, "eval_steps": 9, "save_steps": 9, "keep_checkpoints": 2,
    }  # fmt: skip
    model = AutoModelForCausalLM.from_pretrained(paths.STARTER, dtype=torch.float32)
    trainer = Watched(
        model=model,
        args=sft.arguments(Settings(**settings), 1, tmp_path, False),
        train_dataset=sft.as_dataset(data),
        processing_class=starter,
    )
    trainer.train()
    trained = sorted(tuple(x for x in row if x != IGNORED) for batch in seen for row in batch["labels"].tolist())
    views, _ = viewed(starter, *rows, objective=objective, kind=kind)
    views = [v for v in views if any(t["trained"] for t in v["tokens"][:48])]
    assert len(views) == len(data) == (3 if objective == "chat" else 4)
    shown = sorted(tuple(t["id"] for t in v["tokens"][:48] if t["trained"]) for v in views)
    if packing:  # several rows in one, each without the token before its first
        assert sorted(x for row in trained for x in row) == sorted(x for row in shown for x in row)
    else:
        assert trained == shown
        ids = sorted(tuple(row[: int(m.sum())]) for b in seen for row, m in zip(b["input_ids"].tolist(), b["attention_mask"], strict=True))
        assert ids == sorted(tuple(t["id"] for t in v["tokens"][:48]) for v in views)


# --- the whole set --------------------------------------------------------------------------------------------------------


def some_rows(n=300):
    chance, out = random.Random(5), []
    for i in range(n):
        length, at, ranges = chance.randint(1, 500), 0, []
        while length and (begin := at + chance.randint(0, 60)) < length - 1:
            at = chance.randint(begin + 1, length)
            ranges.append((begin, at))
        out.append((i + 1, chance.random() < 0.2, length if ranges else 0, ranges))
    return out


@pytest.mark.parametrize("limit", [1, 7, 100, 333, 500, 9999])
def test_costs_are_what_cutting_each_row_shows(limit):
    rows = some_rows()
    held = length_statistics.arrays(rows)
    got = length_statistics.truncation(held, limit, micro_batch=4)
    left = [[(a, min(b, limit)) for a, b in ranges if a < limit] for *_, ranges in rows]
    assert got["trained_tokens"] == sum(b - a for ranges in left for a, b in ranges)
    assert got["lost_trained"] == sum(b - a for *_, r in rows for a, b in r) - got["trained_tokens"]
    assert got["tokens"] == sum(min(n, limit) for (_, _, n, _), ranges in zip(rows, left, strict=True) if ranges)
    assert got["cut_rows"] == sum(n > limit for _, _, n, _ in rows) and got["lost_tokens"] == sum(max(0, n - limit) for _, _, n, _ in rows)
    assert got["untrained_rows"] == sum(not r for r in left) and got["refused"] == sum(not n for _, _, n, _ in rows)
    assert length_statistics.untrained(held, limit) == [n for (n, *_), ranges in zip(rows, left, strict=True) if not ranges]
    assert 0 <= got["padding"] < 1 and length_statistics.truncation(held, limit)["padding"] == 0
    sides = [length_statistics.truncation(held, limit, held_out=side) for side in (True, False)]
    assert all(
        sum(s[k] for s in sides) == got[k] for k in ("rows", "tokens", "trained_tokens", "lost_trained", "cut_rows", "untrained_rows")
    )


def test_the_curve_is_the_costs_at_many_limits():
    held = length_statistics.arrays(some_rows())
    curve = length_statistics.curve(held, 50)
    for i, limit in enumerate(curve["limit"]):
        exact = length_statistics.truncation(held, limit)
        assert {k: curve[k][i] for k in curve if k != "limit"} == {k: exact[k] for k in curve if k != "limit"}
    assert sum(length_statistics.histogram(held)["counts"]) == int((held["length"] > 0).sum())
    empty = length_statistics.arrays([])
    assert (
        length_statistics.truncation(empty, 10, 4)["rows"] == 0
        and length_statistics.curve(empty)["limit"] == []
        and length_statistics.histogram(empty)["counts"]
    )


def test_padding_without_packing():
    assert length_statistics.padding(np.array([10, 10, 10, 10]), 2) == 0 and length_statistics.padding(
        np.array([10, 30]), 2
    ) == pytest.approx(1 / 3, abs=1e-4)


# --- the job --------------------------------------------------------------------------------------------------------------


def test_a_preview_from_start_to_end(ws, data, starter):
    job = token_preview.start(ws, data.ref, "starter")
    rows = token_preview.look_now(ws, job, offset=2, count=3)
    values = [r["value"] for r in store.rows(data, 2, 3)]
    views, _ = viewed(starter, *values)
    assert rows == [{"row": r["row"], "held_out": r["held_out"]} | v for r, v in zip(store.rows(data, 2, 3), views, strict=True)]
    state = token_preview.wait(ws, job, 60)
    assert (state.state, state.rows, state.result["how"], state.result["notes"], state.result["refused"]) == ("done", 40, "own", [], {})
    assert token_preview.start(ws, data.ref, "starter") == job
    out = prepare(starter, [r["value"] for r in store.iterate(data)], kind="chat", objective="chat", max_length=1024)
    got = token_preview.costs(ws, job, 1024, micro_batch=2)
    assert (got["rows"], got["tokens"], got["trained_tokens"], got["longest"]) == (40, len(out.ids), out.learnt, out.longest)
    assert token_preview.costs(ws, job, 12)["untrained_rows"] == 40 and token_preview.untrained(ws, job, 12) == list(range(1, 41))
    assert token_preview.curve(ws, job)["limit"][-1] == out.longest and sum(token_preview.histogram(ws, job)["counts"]) == 40
    (shown,) = until(lambda: token_preview.look_at(ws, job, [{"messages": [u("Hi"), a("Hey, you")]}]))
    assert "".join(t["text"] for t in shown["tokens"] if t["trained"]) == "Hey, you<|im_end|>"
    child = job_of_a_folder._children[str(ws.jobs / job)]
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert token_preview.look_now(ws, job, offset=9, count=1)[0]["row"] == 10, "a worker that left is started again"
    token_preview.forget(ws, job)
    with pytest.raises(NotFoundError):
        token_preview.progress(ws, job)


def test_a_preview_can_be_cancelled_and_begun_again(ws, tmp_path):
    ds = store.add(ws, write_rows(tmp_path / "many.jsonl", chat_rows(30_000)))
    job = token_preview.start(ws, ds.ref, "starter")
    until(lambda: token_preview.progress(ws, job).done)
    token_preview.cancel(ws, job)
    assert until(lambda: token_preview.progress(ws, job).state != "running" and token_preview.progress(ws, job), 5).state == "cancelled"
    with pytest.raises(DataError, match="cancelled"):
        token_preview.costs(ws, job, 100)
    assert token_preview.start(ws, ds.ref, "starter") == job and token_preview.progress(ws, job).state == "running"
    token_preview.cancel(ws, job)


def test_rows_that_can_not_be_learnt_say_why(ws, tmp_path):
    folder = tmp_path / "strict"
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        (folder / name).write_bytes((paths.STARTER / name).read_bytes())
    (folder / "chat_template.jinja").write_text(
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system turns.') }}{% endif %}" + PLAIN
    )
    rows = [{"messages": TALKS[0]}, {"messages": [{"role": "system", "content": "Be kind."}, *TALKS[0]]}]
    ds = store.add(ws, write_rows(tmp_path / "two.jsonl", rows), held_out=0)
    job = token_preview.start(ws, ds.ref, str(folder))
    state = token_preview.wait(ws, job, 60)
    assert state.result["refused"] == {NO_SYSTEM: 1} and state.result["how"] == "prefixes" and state.result["notes"]
    shown = token_preview.look_now(ws, job)
    assert shown[0]["problem"] is None and NO_SYSTEM in shown[1]["problem"] and shown[1]["tokens"] == []
    assert token_preview.costs(ws, job, 99)["refused"] == 1 and token_preview.untrained(ws, job, 99) == [2]
    (folder / "chat_template.jinja").write_text("{{ raise_exception('Never.') }}")
    other = token_preview.start(ws, ds.ref, str(folder))
    state = token_preview.wait(ws, other, 60)
    assert other != job and state.state == "failed" and state.errors[0]["code"] == "model" and "Never." in state.errors[0]["message"]
    with pytest.raises(ModelError, match="Never"):
        token_preview.look(ws, other)


def test_what_can_not_be_shown_is_refused_at_once(ws, data):
    with pytest.raises(ModelError, match="not on this computer"):
        token_preview.start(ws, data.ref, "HuggingFaceTB/SmolLM2-135M-Instruct")
    with pytest.raises(NotFoundError):
        token_preview.start(ws, "nothing", "starter")
    with pytest.raises(RequestError):
        token_preview.start(ws, data.ref, "starter", objective="classification")


def test_the_command_line_shows_the_same(ws, data, starter, capsys):
    assert cli.main(["data", "preview", data.ref, "--model", "starter", "--rows", "2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    views, _ = viewed(starter, *(r["value"] for r in store.rows(data, 0, 2)))
    assert document["rows"] == [v["tokens"] for v in views] and document["about"][0]["row"] == 1 and document["how"] == "own"
    assert not list(ws.jobs.glob("preview-*"))


def test_the_worker_needs_no_torch():
    code = (
        "import sys\nsys.modules['torch'] = None\nfrom tuner import paths\nfrom tuner.workers import token_preview\n"
        "from tuner.workers.tokenization import lm_rows, loss_mask, tokenizer_loader\n"
        "tokenizer = tokenizer_loader.tokenizer(paths.STARTER)\nprint(sys.modules['torch'], len([m for m in sys.modules if m.startswith(('trl', 'peft'))]))"
    )
    assert fresh(code).splitlines()[-1] == "None 0"
