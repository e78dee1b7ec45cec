"""Reward model: `python -m tuner.workers.training.reward RUN_DIR`. A head with one output, higher for the answer that people preferred.

The Bradley-Terry loss, -log sigmoid(better - worse - margin), by TRL's RewardTrainer (Ouyang et al. 2022, arXiv:2203.02155; the margin: Touvron
et al. 2023, arXiv:2307.09288). Only differences are trained, so the rewards have no absolute zero.
"""

import sys
from pathlib import Path

import torch
from transformers import Trainer
from trl import RewardConfig, RewardTrainer

from tuner.settings import trainer_arguments
from tuner.workers.tokenization import preference_rows, reward_text
from tuner.workers.tokenization.tokenized_rows import Rows
from tuner.workers.training import preference_batches, run_loop
from tuner.workers.training.callbacks import Reporter, guarded, leave
from tuner.workers.training.exact_eval_loss import ExactLoss
from tuner.workers.training.preference import above


class Reward(ExactLoss, RewardTrainer):
    """TRL's trainer with exact means over rows: `accuracy` is how often the better answer gets the higher reward, `margin` by how much."""

    def _prepare_dataset(self, dataset, *_):
        return dataset

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        loss, out = super().compute_loss(model, inputs, return_outputs=True)
        if not hasattr(self, "recorded"):
            self.recorded = {True: [], False: []}
        self.recorded[self.model.training].append(out.logits.detach().float().squeeze(-1).chunk(2))
        return (loss, out) if return_outputs else loss

    def units(self, inputs):
        return len(inputs["input_ids"]) // 2

    def means(self, training: bool) -> dict[str, float]:
        recorded = getattr(self, "recorded", {}).get(training)
        if not recorded:
            return {}
        better, worse = (torch.cat(side) for side in zip(*recorded, strict=True))
        recorded.clear()
        out = {"rewards/chosen": better.mean(), "rewards/rejected": worse.mean(), "rewards/accuracies": above(better, worse, True)}
        out["rewards/margins"] = out["rewards/chosen"] - out["rewards/rejected"]
        out |= {"accuracy": out["rewards/accuracies"], "margin": out["rewards/margins"]}
        return {k: float(v) for k, v in out.items()}

    def evaluation_loop(self, dataloader, description, prediction_loss_only=None, ignore_keys=None, metric_key_prefix="eval"):
        out = super().evaluation_loop(dataloader, description, True, ignore_keys, metric_key_prefix)
        out.metrics.update({f"{metric_key_prefix}_{k}": v for k, v in self.means(False).items()})
        return out

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        Trainer.log(self, logs | self.means(True) if "loss" in logs else logs, start_time)
        for kept in self._metrics.values():  # TRL's means are over batches
            kept.clear()


def make_trainer(job: run_loop.Job, model, train: Rows, validation: Rows) -> Reward:
    settings = job.settings
    more = {"remove_unused_columns": False, "prediction_loss_only": True, "max_length": None}  # rows are truncated already
    whole = {n: p.data for n, p in model.named_parameters() if p.requires_grad}
    trainer = Reward(
        model=model,
        args=run_loop.arguments(settings, job.run.plan["steps"], job.run.path, bool(len(validation)), kind=RewardConfig, **more),
        train_dataset=preference_batches.as_dataset(train),
        eval_dataset=preference_batches.as_dataset(validation) if len(validation) else None,
        processing_class=job.tokenizer,
        data_collator=preference_batches.Batch(job.tokenizer.pad_token_id, "reward", trainer_arguments.multiple(settings)),
        callbacks=[job.report],
    )
    for name, parameter in model.named_parameters():  # with quantized weights TRL casts them to bf16, which loses small updates
        if name in whole:
            parameter.data = whole[name]
    return trainer


def rows_of(job: run_loop.Job, held_out: bool) -> Rows:
    settings = job.settings
    if reward_text.has_chat_template(job.tokenizer):
        return preference_rows.tokenize(
            job.tokenizer, job.values(held_out), "preference", settings.max_length, fold_system=settings.fold_system
        )
    return reward_text.tokenize(job.tokenizer, job.values(held_out), settings.max_length)


def work(r: Reporter) -> None:
    job = run_loop.begin(r)
    settings = job.settings
    train, validation = rows_of(job, False).needed(settings.max_length), rows_of(job, True)
    about = {"names": ["reward"], "problem": "regression", "mean": 0.0, "std": 1.0}
    job.notes["labels.json"] = about | {"objective": settings.objective, "max_length": settings.max_length}
    model = run_loop.build(job, names=about["names"], problem=about["problem"])
    run_loop.train(job, make_trainer(job, model, train, validation), run_loop.summary(train, validation))


if __name__ == "__main__":
    leave(guarded(Path(sys.argv[1]).resolve(), work))
