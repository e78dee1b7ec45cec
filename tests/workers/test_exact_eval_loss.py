"""The validation loss is the same for the same weights, whatever the micro-batch: a mean over tokens, over pairs, over rows."""

import math

import pytest
import torch

from tests.workers.test_preferences import base, job_of, one_thread, tokenizer, values  # noqa: F401 (fixtures)
from tuner.evaluation import scoring
from tuner.settings import losses
from tuner.workers.modelling import load
from tuner.workers.tokenization import preference_rows
from tuner.workers.tokenization.lm_rows import prepare
from tuner.workers.training import preference, reward, sft
from tuner.workers.training.exact_eval_loss import rows_of

BATCHES = (8, 4, 2, 1)
BY_BATCH = ("aot", "aot_unpaired")  # they order the pairs of a batch: with one pair there is nothing to order
# unlike lengths, and a number of rows that no batch but 1 divides
TALKS = [
    ("red what is it", "green"),
    ("which", "blue , red it is say say what comes next ? green blue white black red"),
    ("what comes next ?", "say"),
    ("is it green", "which which what black white green it is"),
    ("red", "white"),
    ("blue , red", "black white green it is say say what comes next ? green"),
    ("say", "it is red"),
]
ROWS = [
    ("red what is it", "green blue", "white"),
    ("which colour", "red", "black white green it is"),
    ("what comes next ?", "blue , red", "say say"),
    ("is it green", "it is", "which which what"),
    ("red", "white black blue green it is", "say"),
    ("say", "red", "blue , red it is say"),
    ("which which", "what comes next ?", "green"),
]


def held_out_loss(trainer) -> dict[str, float]:
    found = trainer.evaluate()
    return {k: v for k, v in found.items() if not any(w in k for w in ("runtime", "per_second", "epoch", "time"))}


def disturbed(folder, amount=0.05):
    """A model that is not its reference any more."""
    model = load.base_model(folder, "fp32", "cpu")
    torch.manual_seed(5)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(amount * torch.randn_like(p) * p.abs().mean())
    return model


@pytest.mark.parametrize("objective", ["chat", "text"])
@pytest.mark.parametrize("kind", ["OwnLoss", "Exact", "weighted"])
def test_language_models_by_trained_tokens(objective, kind, base, tokenizer, tmp_path, monkeypatch):  # noqa: F811
    said = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in TALKS]
    texts = [{"text": f"{q} {a}"} for q, a in TALKS]
    if kind == "weighted":
        said, texts = ([v | {"weight": w} for v, w in zip(rows, (1, 2, 0.5, 1, 3, 1, 1), strict=True)] for rows in (said, texts))
    if kind == "Exact":
        monkeypatch.setattr(sft, "OwnLoss", sft.Exact)  # what a card computes, here
    found = []
    for size in BATCHES:
        job = job_of(tmp_path, tokenizer, objective=objective, micro_batch=size, effective_batch=8)
        held = prepare(tokenizer, said if objective == "chat" else texts, kind=objective, objective=objective, max_length=64)
        trainer = sft.make_trainer(job, disturbed(base), held, held)
        assert isinstance(trainer, sft.OwnLoss)
        found.append(held_out_loss(trainer)["eval_loss"])
    assert found == pytest.approx([found[0]] * len(BATCHES), abs=1e-5) and math.isfinite(found[0])
    if kind != "weighted":
        assert found[0] == pytest.approx(by_hand(base, held), abs=1e-4)
        assert scoring.of_loss(found[0], ("perplexity",))["perplexity"] == pytest.approx(math.exp(found[0]))


def by_hand(folder, held) -> float:
    """-log p of each trained token after the first, row by row, divided by their number."""
    model, total, n = disturbed(folder).eval(), 0.0, 0
    for row in sft.as_dataset(held):
        ids, labels = torch.tensor([row["input_ids"]]), torch.tensor(row["labels"])
        with torch.no_grad():
            each = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
        for place in (labels[1:] != -100).nonzero().flatten():
            total, n = total - float(each[place, labels[place + 1]]), n + 1
    return total / n


@pytest.mark.parametrize("name", [n for n in losses.LOSSES if n not in BY_BATCH])
def test_preferences_by_pairs(name, base, tokenizer, tmp_path):  # noqa: F811
    """Also of losses that hold a mean over tokens, or a divergence over all rows; and all that is measured beside them."""
    loss, found = losses.get(name), []
    for size in BATCHES[:-1] if name == "kto" else BATCHES:  # TRL refuses batches of one: nothing to be compared with
        job = job_of(tmp_path, tokenizer, preference_loss=name, micro_batch=size, effective_batch=8, beta=0.3)
        told = preference_rows.tokenize(tokenizer, values(ROWS), "preference", 64, unpaired=loss.unpaired)
        old = load.base_model(base, "fp32", "cpu")
        trainer = preference.make_trainer(job, old, told, told)
        torch.manual_seed(5)
        with torch.no_grad():
            for p in old.parameters():
                p.add_(0.05 * torch.randn_like(p) * p.abs().mean())
        found.append(held_out_loss(trainer))
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        assert all(other[k] == pytest.approx(found[0][k], abs=1e-5, rel=1e-5) for k in other), (found[0], other)
    assert math.isfinite(found[0]["eval_loss"])


def test_reward_models_by_pairs(base, tokenizer, tmp_path):  # noqa: F811
    found = []
    for size in BATCHES:
        job = job_of(tmp_path, tokenizer, objective="reward", micro_batch=size, effective_batch=8)
        told = preference_rows.tokenize(tokenizer, values(ROWS), "preference", 64)
        torch.manual_seed(1)
        model = load.base_model(base, "fp32", "cpu", objective="reward", labels=1, names=["reward"], problem="regression")
        found.append(held_out_loss(reward.make_trainer(job, model, told, told)))
    for other in found[1:]:
        assert all(other[k] == pytest.approx(found[0][k], abs=1e-5) for k in found[0]), (found[0], other)


def test_of_rated_answers_any_good_one_is_compared_with_any_bad_one():
    """One definition, whether or not there are as many of both; rows that stand side by side by chance mean nothing."""
    good, bad = torch.tensor([1.0, 5.0, 3.0]), torch.tensor([2.0, 4.0, 0.0])
    each = [(g > b) for g in good.tolist() for b in bad.tolist()]
    assert float(preference.above(good, bad, False)) == pytest.approx(sum(each) / 9)
    assert float(preference.above(good, bad, True)) == pytest.approx(2 / 3)
    for n, m in ((7, 4), (1, 9), (50, 50)):
        torch.manual_seed(n)
        a, b = torch.randn(n).round(decimals=1), torch.randn(m).round(decimals=1)
        assert float(preference.above(a, b, False)) == pytest.approx(float((a[:, None] > b[None]).float().mean()))
    shuffled = good[[2, 0, 1]]
    assert float(preference.above(good, bad, False)) == float(preference.above(shuffled, bad, False))


def test_a_batch_of_pairs_is_taken_apart():
    batch = {"input_ids": torch.arange(6)[:, None], "ref_chosen_logps": torch.arange(3.0), "note": "x"}
    parts = rows_of(batch)
    assert [p["input_ids"].flatten().tolist() for p in parts] == [[0, 3], [1, 4], [2, 5]]
    assert [p["ref_chosen_logps"].tolist() for p in parts] == [[0.0], [1.0], [2.0]] and parts[0]["note"] == "x"
    assert len(rows_of({"input_ids": torch.zeros(6, 2), "attention_mask": torch.zeros(6, 2)})) == 3
    assert len(rows_of({"chosen_input_ids": torch.zeros(4, 2), "rejected_input_ids": torch.zeros(4, 3)})) == 4
