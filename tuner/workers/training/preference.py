"""Preference training: `python -m tuner.workers.training.preference RUN_DIR`. DPO and its variants, KTO, CPO and SimPO, ORPO.

Rows are tokenized (`preference_rows.py`), the method is applied to the base model, the model at that point is the reference
(`reference_model.py`), one of TRL's trainers computes the loss (`losses.py` says which), and `Judged` reports metrics of both sides. A run that
continues from another starts at that model and has it as the reference; when resumed, it is built from there again before the checkpoint is
loaded, so the reference never changes.
"""

import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import Trainer
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer

from tuner.settings import losses, methods, trainer_arguments
from tuner.workers.tokenization import preference_rows
from tuner.workers.tokenization.lm_rows import IGNORED
from tuner.workers.tokenization.tokenized_rows import Rows
from tuner.workers.training import dry_run_steps, preference_batches, reference_model, run_loop
from tuner.workers.training.callbacks import Reporter, guarded, leave
from tuner.workers.training.exact_eval_loss import ExactLoss

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # the parts used from there are covered by tests
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

WRITTEN, LONGEST = 8, 256  # validation prompts that are answered at each evaluation, and the maximum tokens of an answer


class ReferencePlaceholder(torch.nn.Module):
    """A placeholder for TRL's reference model, so that TRL neither loads a second model nor adds an adapter: `Reference` is used instead."""

    def __init__(self, config):
        super().__init__()
        self.config = config

    def forward(self, **_):
        raise NotImplementedError("the reference is asked by tuner/workers/training/reference_model.py")


class LogProbRecorder:
    """A wrapper around the model that keeps the log-probabilities of the tokens."""

    def __init__(self, model):
        self.model, self.log_probs = model, None

    def __call__(self, **inputs):
        out = self.model(**inputs)
        self.log_probs = out.log_probs.detach()
        return out


class PreferenceMetrics(ExactLoss):
    """A mixin of all four trainers: tokenized rows, the reference, and metrics as exact means over rows."""

    reference: reference_model.Reference
    written: Any = None  # () -> mean tokens of generated answers
    paired = True  # whether each row has a better and a worse answer; rated answers are single

    def _prepare_dataset(self, dataset, *_):
        return dataset

    def tokenize_row(self, row, *_):
        return row

    def heard(self, **values: torch.Tensor) -> None:
        """Record values of one batch, [rows] each: `chosen`, `rejected` (rewards), and of both sides `_logps`, `_each` (per token), `_ratio`."""
        if not hasattr(self, "recorded"):
            self.recorded = {True: defaultdict(list), False: defaultdict(list)}
        for name, value in values.items():
            self.recorded[self.model.training][name].append(value.detach().float().cpu())

    def means(self, training: bool) -> dict[str, float]:
        """Return the metrics of all batches since the last call, and clear them."""
        recorded = getattr(self, "recorded", {}).get(training, {})
        found = {name: torch.cat(parts) for name, parts in recorded.items()}
        recorded.clear()
        return metrics(found, paired=self.paired)

    def units(self, inputs):
        """Return the number of pairs, or of rated answers."""
        if "label" in inputs:
            return len(inputs["label"])
        return len(inputs["chosen_input_ids"]) if "chosen_input_ids" in inputs else len(inputs["input_ids"]) // 2

    def loss_of(self, found: dict[str, torch.Tensor]) -> float | None:
        """Return the loss over all rows together, where the loss of a batch depends on the other rows in it; None where it does not."""
        return None

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        return Trainer.evaluate(self, eval_dataset, ignore_keys, metric_key_prefix)  # TRL's would use its own reference model

    def evaluation_loop(self, dataloader, description, prediction_loss_only=None, ignore_keys=None, metric_key_prefix="eval"):
        out = super().evaluation_loop(dataloader, description, True, ignore_keys, metric_key_prefix)
        whole = self.loss_of({name: torch.cat(parts) for name, parts in getattr(self, "recorded", {}).get(False, {}).items()})
        if whole is not None:
            out.metrics[f"{metric_key_prefix}_loss"] = whole
        found = self.means(False)
        if self.written is not None:
            found["length/written"] = self.written()
        out.metrics.update({f"{metric_key_prefix}_{k}": v for k, v in found.items()})
        return out

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        Trainer.log(self, logs | self.means(True) if "loss" in logs else logs, start_time)
        for name in ("_metrics", "_stored_metrics"):  # TRL's means are over batches, not over rows
            for stored in getattr(self, name, {}).values():
                stored.clear()


def metrics(found: dict[str, torch.Tensor], *, paired: bool = True) -> dict[str, float]:
    """Return the metrics from values per row. `accuracy`: how often the better answer is more likely per token (of rated answers: any good one
    against any bad one), without the reference; `rewards/accuracies`: how often its reward is higher."""
    if not {"chosen", "rejected"} <= found.keys():
        return {}
    better, worse = found["chosen"], found["rejected"]
    out = {"rewards/chosen": better.mean(), "rewards/rejected": worse.mean()}
    out["margin"] = out["rewards/margins"] = out["rewards/chosen"] - out["rewards/rejected"]
    out["rewards/accuracies"] = above(better, worse, paired)
    out["accuracy"] = above(found["chosen_each"], found["rejected_each"], paired)
    names = {"logps": "logps", "ratio": "log_ratio", "tokens": "length"}
    out |= {
        f"{w}/{side}": found[f"{side}_{n}"].mean() for n, w in names.items() for side in ("chosen", "rejected") if f"{side}_{n}" in found
    }
    return {k: float(v) for k, v in out.items()}


def above(better: torch.Tensor, worse: torch.Tensor, paired: bool) -> torch.Tensor:
    """Return how often the first is larger: pair by pair, or any of one side against any of the other (the area under the ROC curve)."""
    if paired:
        return (better > worse).float().mean()
    smaller = torch.searchsorted(worse.sort().values, better)  # per good answer: how many bad ones are below it
    return smaller.double().mean() / max(1, len(worse))


class WithReference(PreferenceMetrics):
    """A trainer with `Reference` as its reference model, which runs before the loss is computed."""

    def __init__(self, *args, model, **kwargs):
        super().__init__(*args, model=model, ref_model=ReferencePlaceholder(model.config), **kwargs)
        self.ref_model, self.precompute_ref_logps = None, True  # for TRL it is precomputed: the batch contains it

    def _compute_loss(self, model, inputs, return_outputs):
        inputs, recorder = reference_model.with_reference(self, inputs), LogProbRecorder(model)
        out = super()._compute_loss(recorder, inputs, return_outputs)
        self.tell(recorder.log_probs[:, -(inputs["input_ids"].shape[1] - 1) :].sum(1), inputs)
        return out

    def side(self, name: str, now: torch.Tensor, before: torch.Tensor, tokens: torch.Tensor) -> None:
        ratio = now - before
        self.heard(**{name: self.beta * ratio, f"{name}_logps": now, f"{name}_each": now / tokens, f"{name}_ratio": ratio})
        self.heard(**{f"{name}_tokens": tokens})


class DPO(WithReference, DPOTrainer):
    def tell(self, now: torch.Tensor, inputs: dict[str, torch.Tensor]) -> None:
        tokens = inputs["completion_mask"].sum(1).chunk(2)
        before = inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]
        for name, *values in zip(("chosen", "rejected"), now.chunk(2), before, tokens, strict=True):
            self.side(name, *values)


class KTO(WithReference, KTOTrainer):
    """The loss compares each answer with the mean KL divergence from the reference: of the batch in training, of all rows in evaluation."""

    paired = False

    def _compute_kl_logps(self, model, batch):
        self.others = super()._compute_kl_logps(model, batch)
        return self.others

    def loss_of(self, found: dict[str, torch.Tensor]) -> float | None:
        """Return equation 7 of Ethayarajh et al. 2024 (arXiv:2402.01306) over all rows."""
        if "kl" not in found:
            return None
        kl = found["kl"].mean().clamp(min=0)
        good = self.desirable_weight * (1 - torch.sigmoid(self.beta * (found["chosen_ratio"] - kl)))
        bad = self.undesirable_weight * (1 - torch.sigmoid(self.beta * (kl - found["rejected_ratio"])))
        return float(torch.cat([good, bad]).double().mean())

    def tell(self, now: torch.Tensor, inputs: dict[str, torch.Tensor]) -> None:
        good, tokens = inputs["label"].bool(), inputs["completion_mask"].sum(1)
        if self.others is not None:
            self.heard(kl=self.others - inputs["ref_KL_logps"])
        for name, which in (("chosen", good), ("rejected", ~good)):
            self.side(name, now[which], inputs["ref_logps"][which], tokens[which])


class WithoutReference(PreferenceMetrics):
    """A trainer without a reference model: the reward is beta times the log-probability that the loss compares."""

    reference = None

    def tell(self, chosen: torch.Tensor, rejected: torch.Tensor) -> None:
        for name, now in (("chosen", chosen), ("rejected", rejected)):
            self.heard(**{name: self.beta * now, f"{name}_logps": now})

    def concatenated_forward(self, model, batch):
        out = super().concatenated_forward(model, batch)
        for name, now in (("chosen", out[0]), ("rejected", out[1])):
            tokens = (batch[f"{name}_labels"] != IGNORED).sum(1)
            self.heard(**{f"{name}_each": now if self.per_token else now / tokens, f"{name}_tokens": tokens})
        return out


class CPO(WithoutReference, CPOTrainer):
    @property
    def per_token(self) -> bool:
        return self.loss_type == "simpo"

    def cpo_loss(self, chosen, rejected):
        self.tell(chosen, rejected)
        return super().cpo_loss(chosen, rejected)


class ORPO(WithoutReference, ORPOTrainer):
    per_token = True

    def odds_ratio_loss(self, chosen, rejected):
        self.tell(chosen, rejected)
        return super().odds_ratio_loss(chosen, rejected)


def arguments(job: run_loop.Job, loss: losses.Loss, validation: bool):
    """What all workers ask for, and what the loss alone knows."""
    settings, kind = job.settings, {"dpo": DPOConfig, "kto": KTOConfig, "cpo": CPOConfig, "orpo": ORPOConfig}[loss.trainer]
    more = losses.options(settings)
    if loss.trainer == "kto":
        more["train_sampling_strategy"] = "sequential"
    return run_loop.arguments(settings, job.run.plan["steps"], job.run.path, validation, kind=kind, max_length=settings.max_length, **more)


def make_trainer(job: run_loop.Job, model, train: Rows, validation: Rows):
    settings, loss = job.settings, losses.get(job.settings.preference_loss)
    known = reference_model.Reference(model, settings, fresh=job.start is None) if loss.reference else None
    whole = {n: p.data for n, p in model.named_parameters() if p.requires_grad}
    sets = [preference_batches.as_dataset(rows) if len(rows) else None for rows in (train, validation)]
    if loss.name == "kto":
        sets = [
            d and preference_batches.with_others(d, size) for d, size in zip(sets, (settings.micro_batch, len(validation)), strict=True)
        ]
    trainer = {"dpo": DPO, "kto": KTO, "cpo": CPO, "orpo": ORPO}[loss.trainer](
        model=model,
        args=arguments(job, loss, bool(len(validation))),
        train_dataset=sets[0],
        eval_dataset=sets[1],
        processing_class=job.tokenizer,
        data_collator=preference_batches.Batch(job.tokenizer.pad_token_id, loss.trainer, trainer_arguments.multiple(settings)),
        callbacks=[job.report],
    )
    for name, parameter in model.named_parameters():  # with quantized weights TRL casts them to bf16, which loses small updates
        if name in whole:
            parameter.data = whole[name]
    trainer.reference = known
    trainer.unpaired = loss.trainer in ("cpo", "orpo") or loss.name == "rpo"  # their loss on the better answer is a mean over tokens
    return trainer


def written(trainer, validation: Rows, tokenizer) -> float:
    """Return the mean tokens of the answers that the model generates for the first validation prompts, cut at `LONGEST` or twice the longest given
    answer."""
    rows = [validation[i] for i in range(min(WRITTEN, len(validation)))]
    prompts = [r["input_ids"][: preference_batches.begins(r["labels"])] for r in rows]
    most = min(LONGEST, 2 * max(sum(label != IGNORED for label in r["labels"]) for r in rows))
    width, model = max(map(len, prompts)), trainer.accelerator.unwrap_model(trainer.model)
    ids = torch.tensor([[tokenizer.pad_token_id] * (width - len(q)) + q for q in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(q)) + [1] * len(q) for q in prompts], device=model.device)
    training = model.training
    model.eval()
    with torch.no_grad(), trainer.compute_loss_context_manager():
        out = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=most, do_sample=False, use_cache=True, pad_token_id=tokenizer.pad_token_id
        )
    model.train(training)
    ends = np.isin(out[:, width:].cpu().numpy(), list({tokenizer.eos_token_id, *_ends(model)}))
    return float(np.where(ends.any(1), ends.argmax(1), ends.shape[1]).mean())


def _ends(model) -> list[int]:
    found = model.generation_config.eos_token_id
    return found if isinstance(found, list) else [] if found is None else [found]


def ask_beforehand(job: run_loop.Job, trainer) -> None:
    """Precompute the reference's columns for both datasets."""
    for name in ("train_dataset", "eval_dataset"):
        if (dataset := getattr(trainer, name)) is not None:
            dataset = dry_run_steps.longest(dataset, job.settings.micro_batch) if job.dry else dataset
            n = len(dataset)

            def tell(done: int, n: int = n) -> None:
                job.reporter.write_status("preparing", reason=f"Running the reference model: row {done + 1:,} of {n:,}.")

            setattr(trainer, name, reference_model.precompute(trainer, dataset, tell))


def rows_of(job: run_loop.Job, held_out: bool) -> Rows:
    settings = job.settings
    unpaired = losses.get(settings.preference_loss).unpaired
    rows = preference_rows.tokenize(
        job.tokenizer, job.values(held_out), job.data.kind, settings.max_length, unpaired=unpaired, fold_system=settings.fold_system
    )
    return preference_batches.shuffled(rows, settings.seed) if unpaired else rows


def work(r: Reporter) -> None:
    job = run_loop.begin(r)
    settings = job.settings
    train, validation = rows_of(job, False).needed(settings.max_length), rows_of(job, True)
    model = run_loop.build(job)
    trainer = make_trainer(job, model, train, validation)
    if trainer.reference is not None:
        if settings.precompute_reference:
            ask_beforehand(job, trainer)
        reference_model.check(trainer, settings.precision)
    if len(validation):
        trainer.written = lambda: written(trainer, validation, job.tokenizer)
        if not job.resume and not job.dry:
            r.metrics(0, {"eval_length/written": trainer.written()})
    summary = run_loop.summary(train, validation)
    if trainer.reference is not None and trainer.reference.begins_elsewhere:
        summary["notes"] = [
            *summary["notes"],
            f"{methods.get(settings.method).title} starts with random virtual tokens: the reference is the model without them.",
        ]
    run_loop.train(job, trainer, summary)


if __name__ == "__main__":
    leave(guarded(Path(sys.argv[1]).resolve(), work))
