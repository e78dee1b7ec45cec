"""Learning from preferences: each loss against its paper, the reference of each technique, rows, signs of too much, and whole runs."""

import json
import math
import shutil
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
import transformers

from tests.matrix.conftest import made_tokenizer, rows_for
from tests.matrix.test_matrix import MAPPING, SMALL, checkpoint
from tests.planning.test_planner import CARD, CPU
from tests.workers.test_objectives import make, table
from tests.workers.test_peft_methods import CONFIGS, settings
from tuner import cli, models, runs
from tuner.errors import DataError, ModelError, TunerError
from tuner.monitoring import Facts, History, over_optimization
from tuner.planning import memory, planner
from tuner.planning.planner import DataFacts
from tuner.runs import run_warnings
from tuner.settings import losses, methods, parsing, run_config
from tuner.settings.run_config import Settings
from tuner.workers.modelling import load, peft_methods
from tuner.workers.serving import task_predict
from tuner.workers.tokenization import preference_rows, reward_text
from tuner.workers.training import callbacks, preference, preference_batches, reference_model, reward

MAPPING |= {"rated": {"prompt": "prompt", "answer": "answer", "label": "label"}}
FACTS = models.facts_from_config(CONFIGS["llama"]().to_dict(), name="llama")
ROWS = [  # (question, better, worse), of unlike lengths
    ("red what is it", "green blue", "white"),
    ("which colour", "red", "black white green it is"),
    ("what comes next ?", "blue , red", "say say"),
    ("is it green", "it is", "which which what"),
]
KNOBS = {"beta": 0.3, "label_smoothing": 0.2}


@pytest.fixture(scope="module")
def tokenizer():
    tok = made_tokenizer()
    tok.chat_template = load.PLAIN_TEMPLATE
    return tok


@pytest.fixture(scope="module")
def base(tmp_path_factory, tokenizer):
    """A tiny Llama with weights of chance that are large enough for answers to differ."""
    c = CONFIGS["llama"]()
    c.vocab_size, c.pad_token_id, c.bos_token_id, c.eos_token_id = 128, 0, 2, 3
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(c)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(8 if p.dim() > 1 else 1)
    folder = tmp_path_factory.mktemp("base")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    transformers.utils.logging.disable_progress_bar()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def values(rows=ROWS) -> list[dict]:
    return [
        {"prompt": [{"role": "user", "content": q}]}
        | {k: [{"role": "assistant", "content": a}] for k, a in (("chosen", a), ("rejected", b))}
        for q, a, b in rows
    ]


class Quiet(callbacks.TrainerCallback):
    tokens = 0


def job_of(tmp_path, tokenizer, start=None, **more) -> SimpleNamespace:
    """What `make_trainer` takes of a run."""
    known = {
        "device": "cpu",
        "precision": "fp32",
        "micro_batch": 4,
        "effective_batch": 4,
        "packing": False,
        "max_steps": 3,
        "eval_steps": 2,
    }
    known |= {"save_steps": 2, "objective": "preference", "learning_rate": 1e-2, "max_length": 64}
    s = settings("full").replace(**known | more)
    run = SimpleNamespace(path=tmp_path, plan={"steps": 3, "settings": s})
    return SimpleNamespace(settings=s, run=run, tokenizer=tokenizer, start=start, report=Quiet(), reporter=None)


def trainer_of(job, model, rows=None):
    loss = losses.get(job.settings.preference_loss)
    told = preference_rows.tokenize(job.tokenizer, rows or values(), "preference", 64, unpaired=loss.unpaired)
    trainer = preference.make_trainer(job, model, told, told.select([]))
    trainer.model.eval()
    return trainer


# --- the losses --------------------------------------------------------------------------------------------------------------


def logps(model, ids, completion):
    """[rows] summed log-probabilities of the answers, and [rows] how many tokens they have."""
    each = model(input_ids=ids).logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    learnt = completion[:, 1:].float()
    return (each * learnt).sum(1), learnt.sum(1)


def paper(name, c, r, rc, rr, nc, nr, beta, eps, nll, nll_all):
    """The loss as its paper writes it. `c`, `r` [pairs]: log-probabilities of both answers, `rc`, `rr` those of the reference, `nc`, `nr`
    their tokens; `nll` of the better answers' tokens, `nll_all` of the questions' as well."""
    s, sig = F.logsigmoid, torch.sigmoid
    a, b = c - rc, r - rr  # log-ratios
    d = a - b
    odds = torch.log(torch.exp(c / nc) / (1 - torch.exp(c / nc))) - torch.log(torch.exp(r / nr) / (1 - torch.exp(r / nr)))
    sort = lambda x: torch.sort(x).values  # noqa: E731
    smooth = lambda x: -(1 - eps) * s(x) - eps * s(-x)  # noqa: E731
    q = torch.stack([s(beta * d), s(-beta * d)])
    return {
        "sigmoid": lambda: -s(beta * d),
        "rpo": lambda: -s(beta * d) + nll,
        "ipo": lambda: (a / nc - b / nr - 1 / (2 * beta)) ** 2,
        "hinge": lambda: torch.clamp(1 - beta * d, min=0),
        "robust": lambda: (-(1 - eps) * s(beta * d) + eps * s(-beta * d)) / (1 - 2 * eps),
        "exo_pair": lambda: (q.exp() * (q - torch.tensor([1 - eps, eps]).log()[:, None])).sum(0),
        "nca_pair": lambda: -s(beta * a) - 0.5 * (s(-beta * a) + s(-beta * b)),
        "bco_pair": lambda: -s(beta * a) - s(-beta * b),
        "sppo_hard": lambda: (a - 0.5 / beta) ** 2 + (b + 0.5 / beta) ** 2,
        "aot": lambda: smooth(beta * (sort(c - r) - sort(rc - rr))),
        "aot_unpaired": lambda: smooth(beta * (sort(a) - sort(b))),
        "apo_zero": lambda: 1 - sig(beta * a) + sig(beta * b),
        "apo_down": lambda: sig(beta * a) + 1 - sig(beta * d),
        "discopop": lambda: -s(beta * d) * (1 - sig(beta * d / 0.05)) + torch.exp(-beta * d) * sig(beta * d / 0.05),
        "sigmoid_norm": lambda: -s(beta * (a / nc - b / nr)),
        "orpo": lambda: nll_all - beta * s(odds),
        "cpo": lambda: smooth(beta * (c - r)) + nll,
        "simpo": lambda: smooth(beta * (c / nc - r / nr) - 0.5),
    }[name]().mean()


def kto(name, now, before, other, good, beta):
    """Ethayarajh et al. 2024, equations 7 and 8, and its APO twin; `other`: log-ratios of answers to other questions."""
    z = other.mean().clamp(min=0) if name == "kto" else 0.0
    ratio = now - before
    return torch.where(good, 1 - torch.sigmoid(beta * (ratio - z)), 1 - torch.sigmoid(beta * (z - ratio))).mean()


@pytest.mark.parametrize("name", losses.LOSSES)
def test_a_loss_is_its_papers(name, base, tokenizer, tmp_path):
    """To 1e-5, on a batch of four rows of unlike lengths, of a model that is not its reference any more."""
    loss = losses.get(name)
    job = job_of(tmp_path, tokenizer, preference_loss=name, **KNOBS)
    model, old = load.base_model(base, "fp32", "cpu"), load.base_model(base, "fp32", "cpu").eval()
    trainer = trainer_of(job, model)
    torch.manual_seed(5)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p) * p.abs().mean())
    plain = load.base_model(base, "fp32", "cpu").eval()
    plain.load_state_dict(model.state_dict())
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(len(trainer.train_dataset))])
    with torch.no_grad():
        found = trainer.compute_loss(trainer.model, dict(batch)).item()
        if loss.trainer == "kto":
            ids, which = batch["input_ids"], batch["completion_mask"]
            (now, _), (before, _) = logps(plain, ids, which), logps(old, ids, which)
            other = torch.zeros(1)
            if name == "kto":
                own = (batch["KL_input_ids"], batch["KL_completion_mask"])
                other = logps(plain, *own)[0] - logps(old, *own)[0]
            wanted = kto(name, now, before, other, batch["label"], KNOBS["beta"]).item()
        else:
            dpo = preference_batches.Batch(0, "dpo")([trainer.train_dataset[i] for i in range(len(ROWS))])
            ids, which, n = dpo["input_ids"], dpo["completion_mask"], len(ROWS)
            (now, size), (before, _) = logps(plain, ids, which), logps(old, ids, which)
            all_of, tokens = logps(plain, ids[:n], dpo["attention_mask"][:n])
            nll, nll_all = -now[:n].sum() / size[:n].sum(), -all_of.sum() / tokens.sum()
            halves = (now[:n], now[n:], before[:n], before[n:], size[:n], size[n:])
            wanted = paper(name, *halves, KNOBS["beta"], KNOBS["label_smoothing"], nll, nll_all).item()
    assert found == pytest.approx(wanted, rel=1e-5, abs=1e-5) and math.isfinite(found)
    means = trainer.means(False)
    assert {"accuracy", "margin", "rewards/accuracies", "logps/chosen", "length/rejected"} <= means.keys()
    assert ("log_ratio/chosen" in means) is loss.reference


def test_rewards_and_log_ratios_are_means_over_rows(base, tokenizer, tmp_path):
    """Of batches of 3 rows and 1, and of the model against its reference."""
    trainer = trainer_of(job_of(tmp_path, tokenizer, preference_loss="sigmoid", **KNOBS), load.base_model(base, "fp32", "cpu"))
    old = load.base_model(base, "fp32", "cpu").eval()
    with torch.no_grad():
        trainer.model.lm_head.weight.mul_(1.1)
        for part in ((0, 1, 2), (3,)):
            trainer.compute_loss(trainer.model, trainer.data_collator([trainer.train_dataset[i] for i in part]))
        batch = trainer.data_collator([trainer.train_dataset[i] for i in range(4)])
        ids, which = batch["input_ids"], batch["completion_mask"]
        (now, size), (before, _) = logps(trainer.model, ids, which), logps(old, ids, which)
    ratio, found = now - before, trainer.means(False)
    assert found["log_ratio/chosen"] == pytest.approx(ratio[:4].mean().item(), abs=1e-4)
    assert found["rewards/margins"] == pytest.approx(0.3 * (ratio[:4] - ratio[4:]).mean().item(), abs=1e-4)
    assert found["rewards/accuracies"] == (ratio[:4] > ratio[4:]).float().mean() and found["length/chosen"] == size[:4].mean()
    assert found["accuracy"] == (now[:4] / size[:4] > now[4:] / size[4:]).float().mean() and trainer.means(False) == {}


# --- the reference -----------------------------------------------------------------------------------------------------------

WAYS = [
    ("full", {}), ("last_layers", {}), ("lora", {}), ("lora", {"use_dora": True}), ("lora", {"lora_init": "pissa"}), ("lora", {"lora_init": "olora"}),
    ("qlora", {"quantization": "nf4"}), ("adapter", {}), ("ia3", {}), ("ln", {}), ("prompt", {}), ("p_tuning", {}), ("prefix", {}),
    ("prefix", {"prefix_projection": True}),
]  # fmt: skip


def built(base, s, tokenizer, start=None):
    torch.manual_seed(0)
    model = load.base_model(base, "fp32", "cpu", quantization=s.quantization)
    return peft_methods.build(model, s, FACTS, objective="preference", tokenizer=tokenizer, start=start)


def moved(model, by=0.3, seed=1) -> None:
    """Everything that is trained, changed by chance."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.add_(by * torch.randn_like(p) * p.abs().mean().clamp(min=0.02))


def asked(trainer) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities of the answers of all rows: by the model, and by its reference."""
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(len(trainer.train_dataset))])
    now = reference_model.answers(trainer, batch["input_ids"], batch["attention_mask"], batch["completion_mask"])
    told = reference_model.with_reference(trainer, batch)
    return now, torch.cat([told["ref_chosen_logps"], told["ref_rejected_logps"]])


@pytest.mark.parametrize(("method", "more"), WAYS, ids=[m + "".join(f"-{k}={v}" for k, v in x.items()) for m, x in WAYS])
def test_the_reference_is_where_the_run_begins_and_stays_there(method, more, base, tokenizer, tmp_path):
    """Fresh: the base. Going on from a run: that run and not the base. After steps, and built again as on a resume: the same numbers."""
    s = settings(method, **SMALL | {"gradient_checkpointing": False, "preference_loss": "sigmoid"} | more)
    known = {k: getattr(s, k) for k in ("method", "gradient_checkpointing", "preference_loss", "lora_init")}
    bare = load.base_model(base, "fp32", "cpu", quantization=s.quantization).eval()
    batch = preference_batches.Batch(0, "dpo")(
        list(preference_batches.as_dataset(preference_rows.tokenize(tokenizer, values(), "preference", 64)))
    )
    with torch.no_grad():
        of_base = logps(bare, batch["input_ids"], batch["completion_mask"])[0]

    fresh = trainer_of(job_of(tmp_path, tokenizer, **known), built(base, s, tokenizer))
    now, before = asked(fresh)
    torch.testing.assert_close(before, of_base, atol=2e-4, rtol=2e-4)
    if method not in methods.PROMPT_METHODS:  # words of chance stand before the text from the start
        torch.testing.assert_close(now, before, atol=2e-4, rtol=2e-4)
    reference_model.check(fresh, "fp32")
    moved(fresh.model)
    now, before = asked(fresh)
    assert (now - before).abs().max() > 1e-2
    torch.testing.assert_close(before, of_base, atol=2e-4, rtol=2e-4)

    start = tmp_path / "sft"
    peft_methods.save(fresh.model, start, s)
    if method == "full":
        base, start = start, None  # a whole model is a base
    s = s.replace(lora_init="default")
    known |= {"lora_init": "default"}
    again = trainer_of(job_of(tmp_path, tokenizer, start=start, **known), built(base, s, tokenizer, start))
    of_run, before = asked(again)
    torch.testing.assert_close(of_run, now, atol=2e-3, rtol=2e-3)  # where the earlier run ended ...
    torch.testing.assert_close(before, of_run, atol=1e-5, rtol=1e-5)  # ... is the reference
    assert (before - of_base).abs().max() > 1e-2
    reference_model.check(again, "fp32")
    moved(again.model, seed=2)
    now, before = asked(again)
    assert (now - of_run).abs().max() > 1e-3
    torch.testing.assert_close(before, of_run, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(asked(again)[0], now, atol=1e-5, rtol=1e-5)  # and the model is itself again

    resumed = trainer_of(job_of(tmp_path, tokenizer, start=start, **known), built(base, s, tokenizer, start))
    moved(resumed.model, seed=3)  # as if a checkpoint was loaded
    torch.testing.assert_close(asked(resumed)[1], of_run, atol=1e-5, rtol=1e-5)


def test_another_model_as_the_reference_is_refused(base, tokenizer, tmp_path):
    """The common and silent mistake: an earlier run's addition as the start, the bare base as the reference."""
    s = settings("ia3", gradient_checkpointing=False)
    first = built(base, s, tokenizer)
    moved(first)
    peft_methods.save(first, tmp_path / "sft", s)
    known = {"gradient_checkpointing": False, "lora_init": s.lora_init, "method": "ia3", "preference_loss": "sigmoid"}
    model = built(base, s, tokenizer, tmp_path / "sft")
    trainer = trainer_of(job_of(tmp_path, tokenizer, **known), model)  # as if it began fresh
    with pytest.raises(ModelError, match=r"reference already differ by .* nats"):
        reference_model.check(trainer, "fp32")


def test_asked_beforehand_it_says_the_same(base, tokenizer, tmp_path):
    """And the model need not be kept twice."""
    job = job_of(tmp_path, tokenizer, preference_loss="sigmoid", precompute_reference=True)
    trainer = trainer_of(job, load.base_model(base, "fp32", "cpu"))
    assert trainer.reference.kept is None
    of_base, told = asked(trainer)[0], []
    trainer.train_dataset = reference_model.precompute(trainer, trainer.train_dataset, told.append)
    reference_model.check(trainer, "fp32")
    moved(trainer.model)
    assert told == [0] and (asked(trainer)[0] - of_base).abs().max() > 1e-2
    torch.testing.assert_close(asked(trainer)[1], of_base, atol=1e-5, rtol=1e-5)
    with pytest.raises(ModelError):
        reference_model.check(trainer, "fp32")  # it has moved on


# --- rows --------------------------------------------------------------------------------------------------------------------


def test_only_the_last_answers_are_compared(tokenizer):
    talk = [{"role": "user", "content": "red"}, {"role": "assistant", "content": "green"}, {"role": "user", "content": "blue"}]
    row = {"prompt": talk, "chosen": [{"role": "assistant", "content": "white"}], "rejected": [{"role": "assistant", "content": "black"}]}
    rows = preference_rows.tokenize(tokenizer, [row], "preference", 64)
    learnt = [[i for i in rows[0][k] if i != -100] for k in ("labels", "rejected_labels")]
    assert [tokenizer.decode(ids) for ids in learnt] == ["white [SEP]", "black [SEP]"]
    begin = preference_batches.begins(rows[0]["labels"])
    assert begin == preference_batches.begins(rows[0]["rejected_labels"]) and "green" in tokenizer.decode(rows[0]["input_ids"][:begin])


def test_what_is_too_long_is_cut_or_left_out_and_counted(tokenizer):
    long = ("red " * 40, "green", "blue")  # the question alone fills the length
    alike = ("red", "green " * 30 + "blue", "green " * 30 + "white")  # cut, both answers are the same
    cut = ("red", "green " * 60, "white")
    rows = preference_rows.tokenize(tokenizer, values([ROWS[0], long, alike, cut]), "preference", 32)
    assert len(rows) == 2 and rows.cut == 3 and set(rows.left_out.values()) == {1} and len(rows.left_out) == 2
    assert rows.summary()["longest"] == 32
    with pytest.raises(DataError, match="None of the 1 rows"):
        preference_rows.tokenize(tokenizer, values([long]), "preference", 32).needed(32)


def test_rated_answers_lie_singly_and_pairs_are_taken_apart(tokenizer):
    rated = [{"prompt": v["prompt"], "answer": v["chosen"], "label": i % 2 == 0} for i, v in enumerate(values())]
    rows = preference_rows.tokenize(tokenizer, rated, "rated", 64, unpaired=True)
    assert rows.columns["label"] == [True, False, True, False] and "rejected_labels" not in rows.columns
    both = preference_rows.tokenize(tokenizer, values(), "preference", 64, unpaired=True)
    assert both.columns["label"] == [True, False] * 4
    data = preference_batches.with_others(preference_batches.as_dataset(both), 3)  # batches of 3, 3 and 2
    answer = [row["input_ids"][preference_batches.begins(row["labels"]) :] for row in data]
    assert [row["other_ids"][preference_batches.begins(row["other_labels"]) :] for row in data] == [
        answer[i] for i in (2, 0, 1, 5, 3, 4, 7, 6)
    ]


# --- reward models -----------------------------------------------------------------------------------------------------------


def test_a_reward_models_loss_knows_margins(base, tokenizer, tmp_path):
    job = job_of(tmp_path, tokenizer, objective="reward")
    model = load.base_model(base, "fp32", "cpu", objective="reward", names=["reward"], problem="regression")
    rows = preference_rows.tokenize(tokenizer, [v | {"margin": 0.5 * i} for i, v in enumerate(values())], "preference", 64)
    trainer = reward.make_trainer(job, model, rows, rows.select([]))
    trainer.model.eval()
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(4)])
    with torch.no_grad():
        found = trainer.compute_loss(trainer.model, dict(batch)).item()
        scores = trainer.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits.squeeze(-1)
    better, worse = scores.chunk(2)
    assert found == pytest.approx(-F.logsigmoid(better - worse - torch.tensor([0.0, 0.5, 1.0, 1.5])).mean().item(), abs=1e-5)
    means = trainer.means(False)
    assert means["accuracy"] == (better > worse).float().mean() and means["margin"] == pytest.approx(
        (better - worse).mean().item(), abs=1e-6
    )


def test_a_reward_model_is_asked_as_it_was_taught(base, tokenizer):
    """A question and its answer, or a talk in words, make the tokens of training: for models that chat and for those that don't."""
    value = values()[1]
    bare = made_tokenizer()
    for tok, made in (
        (tokenizer, preference_rows.tokenize(tokenizer, [value], "preference", 64)),
        (bare, reward_text.tokenize(bare, [value], 64)),
    ):
        assert reward_text.ids_of(tok, value["prompt"] + value["chosen"], 64) == made[0]["input_ids"]
    model = load.base_model(base, "fp32", "cpu", objective="reward", names=["reward"], problem="regression").eval()
    one = task_predict.answer(model, tokenizer, "reward", "red", question="which colour")
    assert one == task_predict.answer(model, tokenizer, "reward", "User: which colour\nAssistant: red") and isinstance(one["value"], float)
    with pytest.raises(TunerError, match="no answer to judge"):
        task_predict.answer(model, tokenizer, "reward", "red")


# --- whole runs --------------------------------------------------------------------------------------------------------------


def worked(run: runs.Run, worker=preference) -> runs.Run:
    code = callbacks.guarded(run.path, worker.work)
    run = runs.read(run.path, json.loads((run.path / "status.json").read_text()))
    assert code == 0 and run.state == "finished", run.status
    return run


def test_rated_answers_are_learnt_whole_and_a_resume_ends_in_the_same_bytes(ws, base, tmp_path):
    """KTO, going on from an addition of an earlier run, through the worker."""
    rows = [{"prompt": r["prompt"], "answer": r[k], "label": k == "chosen"} for r in rows_for("preference") for k in ("chosen", "rejected")]
    s = SMALL | {"method": "ia3", "preference_loss": "kto", "beta": 0.5, "learning_rate": 2e-2, "max_steps": 12, "eval_steps": 6}
    s |= {
        "device": "cpu",
        "precision": "fp32",
        "micro_batch": 4,
        "effective_batch": 8,
        "epochs": 1000,
        "packing": False,
        "gradient_checkpointing": False,
    }
    chosen = Settings(**s)
    model = built(base, chosen, None)
    moved(model, by=0.1)
    peft_methods.save(model, tmp_path / "sft", chosen)
    run = make(ws, base, rows, "rated", "preference", tmp_path, learnt_tests=True, **s)
    run.plan["model"]["adapter"] = str(tmp_path / "sft")
    (run.path / "plan.json").write_text(json.dumps(run.plan))
    first = worked(run)
    told = table(first)
    assert told["eval_loss"][12] < told["loss"][1] and told["eval_rewards/margins"][12] > 0 and 0 in told["eval_length/written"]
    assert first.status.best["accuracy"] is not None and first.status.baseline["margin"] == pytest.approx(0, abs=1e-5)
    at_the_end = checkpoint(first, 12)
    shutil.rmtree(run.path / "checkpoints" / "checkpoint-12")
    shutil.rmtree(run.path / "model")
    runs.write_status(run.path, state="interrupted")
    assert checkpoint(worked(run), 12) == at_the_end and table(first)["loss"] == told["loss"]


@pytest.mark.long
def test_the_whole_loop_from_the_command_line(ws, tmp_path, capsys):
    """A run, preferences from there, stopped and resumed, asked: what a script does."""
    home = ["--home", str(ws.home), "--json"]

    def said(*words: str) -> dict:
        assert cli.main([*words, *home]) == 0
        return json.loads(capsys.readouterr().out)

    persona, judged = (said("data", "add", f"presets/samples/{name}.jsonl")["dataset"] for name in ("persona", "preferences"))
    first = said("train", "--model", "starter", "--data", persona, "-s", "max_steps=10", "-s", "lora_rank=4")["run"]
    plan = said("plan", "--model", first, "--data", judged)
    assert plan["settings"]["objective"] == "preference" and plan["settings"]["lora_rank"] == 4
    second = said("train", "--model", first, "--data", judged, "-s", "max_steps=12", "-s", "save_steps=4", "-s", "eval_steps=4")["run"]
    shown = said("show", second)
    assert shown["best"]["accuracy"] > 0.5 and shown["signs"] == [] and "rewards/margins" in said("metrics", second)["columns"]
    shutil.rmtree(ws.runs / second / "checkpoints" / "checkpoint-12")
    shutil.rmtree(ws.runs / second / "model")
    runs.write_status(ws.runs / second, state="interrupted")
    assert said("resume", second)["state"] == "finished" and said("chat", second, "--prompt", "Name two flowers.")["answer"]


# --- plans -------------------------------------------------------------------------------------------------------------------


def plan(kind="preference", device=CARD, big=True, **settings):
    facts = models.catalog_facts(models.catalog_of("decoder")[0]) if big else models.resolve("starter").facts
    model = models.Model("m", "hub", facts, "m")
    return planner.plan(
        parsing.parse(settings), model, DataFacts(kind, 1000, 50, 60.0, 200), device=device, preset=settings.pop("preset", None)
    )


@pytest.mark.parametrize("name", losses.LOSSES)
def test_each_loss_is_planned_or_refused_for_each_kind_of_data(name):
    for kind in ("preference", "rated"):
        for method in methods.METHODS:
            try:
                s = plan(kind, preference_loss=name, method=method).settings
                assert losses.refusal(name, kind, method) is None and s.beta > 0 and s.micro_batch >= losses.get(name).min_micro_batch
                assert (s.label_smoothing is not None) is (losses.get(name).smoothing is not None)
            except TunerError as error:
                (told,) = error.as_list()
                assert told["field"] == "preference_loss" and losses.refusal(name, kind, method) == (told["message"], told["available"])


def test_what_a_plan_chooses_for_preferences():
    s = plan().settings
    assert (s.objective, s.preference_loss, s.beta, s.epochs) == ("preference", "sigmoid", 0.1, 2.0)
    assert s.learning_rate == pytest.approx(1e-5) and s.packing is False
    assert plan(method="full").settings.precompute_reference and plan(method="full").breakdown["reference"] == 0
    assert plan(method="full", precompute_reference=False).breakdown["reference"] > 0
    assert plan("rated").settings.preference_loss == "kto"
    toy = plan(big=False, device=CPU).settings
    assert toy.preference_loss == "rpo" and toy.learning_rate > 100 * s.learning_rate
    for refused in ({"micro_batch": 1, "preference_loss": "kto"}, {"label_smoothing": 0, "preference_loss": "exo_pair"}):
        with pytest.raises(TunerError) as caught:
            plan(**refused)
        assert caught.value.as_list()[0]["field"] == next(iter(refused))
    assert "label_smoothing" in plan(label_smoothing=0.1).ignored
    assert "beta" in plan(objective="chat", beta=0.2).ignored


@pytest.mark.parametrize("preset", ["quick", "balanced", "quality"])
def test_the_presets_fit_preferences(preset):
    s = planner.plan(
        run_config.RunConfig(), models.resolve("starter"), DataFacts("preference", 500, 50, 40.0, 90), preset=preset, device=CPU
    )
    assert s.settings.objective == "preference" and s.steps > 0 and s.fits


# --- over-optimization ---------------------------------------------------------------------------------------------------------


def rows_of(**series) -> list[tuple[int, str, float]]:
    return [(step, key.replace("__", "/"), value) for key, points in series.items() for step, value in points.items()]


def findings(rows=()) -> list[str]:
    """The sentences of what is found in these metrics."""
    found = (look(History(rows), Facts(step=100, steps=100)) for look in over_optimization.LOOKS.values())
    return [f["message"] for f in found if f]


def test_over_optimization_is_found_and_good_runs_are_left_alone():
    steady = {"eval_log_ratio__chosen": {10: 2.0}, "eval_log_ratio__rejected": {10: -9.0}, "eval_logps__chosen": {10: -40.0}}
    assert findings(rows_of(**steady)) == [] == findings()
    sunk = steady | {"eval_log_ratio__chosen": {10: -8.0}}
    assert "away from both" in findings(rows_of(**sunk))[0]
    few = steady | {"eval_log_ratio__chosen": {10: -1.0}}
    assert findings(rows_of(**few)) == []
    long = {"eval_length__written": {0: 20.0, 10: 50.0}, "eval_length__chosen": {10: 22.0}}
    assert "2.5 times as long (20 to 50 tokens" in findings(rows_of(**long))[0]
    assert findings(rows_of(**long | {"eval_length__chosen": {10: 48.0}})) == []  # as the good answers are
    growing = {"rewards__margins": {s: s / 10 for s in range(1, 41)}}
    falling = growing | {"eval_rewards__margins": {10: 1.0, 20: 2.0, 30: 1.2, 40: 0.9}}
    assert "fell from 2.00 to 0.90" in findings(rows_of(**falling))[0]
    assert findings(rows_of(**growing, eval_rewards__margins={10: 1.0, 20: 2.0, 30: 2.1, 40: 2.0})) == []
    once = {"rewards__accuracies": {s: float(s > 1) for s in range(1, 31)}}
    assert "distinguished after the first step" in findings(rows_of(**once))[0]
    assert findings(rows_of(rewards__accuracies={s: 0.6 if s < 6 else 1.0 for s in range(1, 31)})) == []
    assert set(over_optimization.LOOKS) < set(run_warnings.OVER_OPTIMIZATION)


def test_memory_knows_what_is_kept_twice():
    s = plan().settings
    assert memory.training(FACTS, s).terms["reference"] == 0
    assert memory.training(FACTS, s.replace(method="full", precompute_reference=False)).terms["reference"] == FACTS.parameters * 2
    once, kept = s.replace(precompute_reference=False), memory.training
    assert kept(FACTS, once, trainable=1000, continued=True).terms["reference"] == 4000 and kept(FACTS, once).terms["reference"] == 0
    assert not memory.paired(s.replace(preference_loss="kto")) and memory.uses_reference(s.replace(precompute_reference=False))
