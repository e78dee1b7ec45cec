"""Too little memory in mid-run, with an allocator that refuses from some step on: the run goes on by itself and ends as if nothing had been."""

import importlib

import pytest
import torch
import transformers
from torch.nn import functional as F

from tests.workers.test_objectives import MAPPING, coloured, make, sentence, table, tokens  # noqa: F401
from tuner import runs
from tuner.settings import objectives
from tuner.workers.training import callbacks, recovery

MAPPING.setdefault("text", {"text": "text"})
STEPS = {"max_steps": 12, "eval_steps": 4, "micro_batch": 4, "effective_batch": 8, "learning_rate": 1e-3, "lora_dropout": 0.0}


@pytest.fixture(scope="module")
def still(tmp_path_factory, tokens):  # noqa: F811
    """A tiny model without dropout, whose numbers do not depend on how a batch is split."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("still")
    transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=400, n_embd=48, n_layer=2, n_head=4, n_positions=128, bos_token_id=2, eos_token_id=3,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        )
    ).save_pretrained(folder)  # fmt: skip
    for file in tokens.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def made(ws, still, tmp_path, objective="classification", **settings) -> runs.Run:
    import random

    chance = random.Random(3)
    rows = (
        coloured(60) if objective == "classification" else [{"text": " ".join(sentence(chance, chance.randint(4, 20)))} for _ in range(60)]
    )
    return make(ws, still, rows, objective, objective, tmp_path, **STEPS | settings)


def worked(ws, run) -> tuple[runs.Run, list[str]]:
    """(the run at its end, what it said each time that it went back into the queue); the worker works in this process."""
    said = []
    worker = importlib.import_module(f"tuner.workers.training.{objectives.get(run.plan['settings']['objective']).worker}")
    for _ in range(8):
        assert callbacks.guarded(run.path, worker.work) in (0, 71)
        run = runs.get(ws, run.id)
        if run.state != "queued":
            return run, said
        said.append(run.status.reason)
    raise AssertionError(said)


class Allocator:
    """Refuses batches of more than `rows` rows once `after` optimizer steps are done; `only` in training, or in evaluation."""

    def __init__(self, monkeypatch, rows: int, *, after: int = 0, only: str = "training"):
        self.steps, self.refused = 0, 0
        embedding, step = F.embedding, torch.optim.AdamW.step

        def refusing(ids, *args, **named):
            wanted = torch.is_grad_enabled() if only == "training" else not torch.is_grad_enabled()
            if wanted and self.steps >= after and ids.shape[0] > rows:
                self.refused += 1
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB.")
            return embedding(ids, *args, **named)

        def counted(optimizer, *args, **named):
            self.steps += 1
            return step(optimizer, *args, **named)

        monkeypatch.setattr(F, "embedding", refusing)
        monkeypatch.setattr(torch.optim.AdamW, "step", counted)


def curve(run) -> dict[str, list]:
    found = table(run)
    return {key: sorted(found[key].items()) for key in ("loss", "eval_loss")}


def same(a: runs.Run, b: runs.Run) -> None:
    for key, points in curve(a).items():
        others = curve(b)[key]
        assert [s for s, _ in points] == [s for s, _ in others], "no step is lost, none is doubled"
        assert [v for _, v in points] == pytest.approx([v for _, v in others], rel=1e-4, abs=1e-4), key


@pytest.mark.parametrize("objective", ["classification", "text"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_step_without_memory(ws, still, tmp_path, monkeypatch, objective, method):
    plain, _ = worked(ws, made(ws, still, tmp_path, objective, method=method))
    with monkeypatch.context() as patch:
        allocator = Allocator(patch, 2, after=6)
        run, said = worked(ws, made(ws, still, tmp_path, objective, method=method))
    assert run.state == "finished" and allocator.refused == 1
    assert said == [
        "Out of memory in the training step after step 6: the run continues from step 6 with micro-batch 2 × 4 instead of 4 × 2 (the "
        "effective batch stays)."
    ]
    same(plain, run)
    (warning,) = (w for w in run.warnings if w["name"] == "out_of_memory")
    assert warning["step"] == 6 and warning["message"] == said[0] and run.plan["settings"]["micro_batch"] == 2
    assert run.plan["settings"]["effective_batch"] == 8 and run.status.best["step"] == plain.status.best["step"]


def test_down_to_one_row_then_with_checkpointing_then_the_end(ws, still, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        Allocator(patch, 0, after=3)
        run, said = worked(ws, made(ws, still, tmp_path))
    assert [s.split(" with ")[1] for s in said] == [
        "micro-batch 2 × 4 instead of 4 × 2 (the effective batch stays).",
        "micro-batch 1 × 8 instead of 2 × 4 (the effective batch stays).",
        "gradient checkpointing.",
    ]
    assert run.state == "failed" and run.status.error["code"] == "memory_short" and run.status.error["field"] == "micro_batch"
    assert (
        "one row at a time" in run.status.reason
        and "step 3 is kept" in run.status.reason
        and run.plan["settings"]["gradient_checkpointing"]
    )
    run, _ = worked(ws, run)
    assert run.state == "finished", "with the memory there again it goes on"


def test_an_evaluation_without_memory_is_done_with_less_and_nothing_is_lost(ws, still, tmp_path, monkeypatch):
    plain, _ = worked(ws, made(ws, still, tmp_path))
    with monkeypatch.context() as patch:
        Allocator(patch, 1, after=4, only="evaluation")
        run, said = worked(ws, made(ws, still, tmp_path))
    assert run.state == "finished" and said == [], "in the same process"
    same(plain, run)
    found = [w["message"] for w in run.warnings if w["name"] == "evaluation_memory"]
    assert found == ["The memory did not suffice for an evaluation with batches of 4: it is done with batches of 1."]
    assert run.plan["settings"]["micro_batch"] == 4


@pytest.mark.parametrize("where", ["optimizer", "save", "end"])
def test_memory_that_ends_elsewhere(ws, still, tmp_path, monkeypatch, where):
    """The weights may be half changed, or half written: the last checkpoint counts."""
    plain, _ = worked(ws, made(ws, still, tmp_path))
    with monkeypatch.context() as patch:
        left = [5 if where == "optimizer" else 1 if where == "save" else 0]
        owner, name = {
            "optimizer": (torch.optim.AdamW, "step"),
            "save": (transformers.Trainer, "_save_checkpoint"),
            "end": (importlib.import_module("tuner.workers.training.run_loop"), "save"),
        }[where]
        real = getattr(owner, name)

        def once(*args, **named):
            left[0] -= 1
            if left[0] == -1:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return real(*args, **named)

        patch.setattr(owner, name, once)
        run, said = worked(ws, made(ws, still, tmp_path))
    assert run.state == "finished" and len(said) == 1 and f"continues from step {12 if where == 'end' else 4} " in said[0], said
    same(plain, run)
    assert run.can_answer and run.status.best == pytest.approx(plain.status.best, rel=1e-4)


def test_other_errors_are_not_taken_for_it(ws, still, tmp_path, monkeypatch):
    def broken(*args, **named):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(torch.optim.AdamW, "step", broken)
    run = made(ws, still, tmp_path)
    worker = importlib.import_module("tuner.workers.training.sequence_classification")
    assert callbacks.guarded(run.path, worker.work) == 1
    assert runs.get(ws, run.id).state == "failed"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"micro_batch": 6, "effective_batch": 12}, {"micro_batch": 3}),
        ({"micro_batch": 3, "effective_batch": 3}, {"micro_batch": 1}),
        ({"micro_batch": 1, "effective_batch": 4}, {"gradient_checkpointing": True}),
        ({"micro_batch": 1, "effective_batch": 4, "gradient_checkpointing": True}, None),
        ({"micro_batch": 1, "effective_batch": 4, "method": "last_layers"}, {"gradient_checkpointing": True}),
        ({"micro_batch": 2, "effective_batch": 4, "objective": "preference", "preference_loss": "kto"}, {"gradient_checkpointing": True}),
    ],
)
def test_what_is_reduced_next(changed, expected):
    from tests.workers.test_objectives import SETTINGS

    plan = {"settings": SETTINGS | {"objective": "chat", "max_steps": 5, "eval_steps": 5, "save_steps": 5} | changed}
    assert recovery.less(plan) == expected
