"""The script of a run that labels, scores or rewrites texts: transformers' Trainer with the batches and the loss of `workers/training/trainer.py`."""

import json
from typing import Any

from tuner import models, runs
from tuner.export.script import padding
from tuner.models import model_files
from tuner.settings import objectives
from tuner.settings.run_config import Settings

OBJECTIVES = ("classification", "regression", "tokens", "seq2seq")
CONFIG = "TrainingArguments"
COLLATOR = "padded"
ONE, SEVERAL = "single_label_classification", "multi_label_classification"

SEQUENCE = '''
def tokenized(row):
    """Return the tokens of a text and its label as the loss needs it."""
    return {{"input_ids": tokenizer(row["text"], truncation=True, max_length=MAX_LENGTH)["input_ids"], "labels": {label}}}
'''
LABELS = {
    ONE: 'NAMES.index(row["label"])',
    SEVERAL: '[float(name in row["label"]) for name in NAMES]',
    "regression": '(row["label"] - MEAN) / STD',
}
WORDS = '''
def tokenized(row):
    """Return the tokens of a text; the first token of each word has the word's tag, the others have none (-100)."""
    encoded = tokenizer(row["text"], truncation=True, max_length=MAX_LENGTH, return_offsets_mapping=True)
    labels = [-100] * len(encoded["input_ids"])
    for word, tag in zip(row["words"], row["tags"]):  # a word: the letters from one place to another
        first = [i for i, (a, b) in enumerate(encoded["offset_mapping"]) if a < word[1] and b > word[0] and labels[i] == -100]
        if first:
            labels[first[0]] = NAMES.index(tag)
    return {"input_ids": encoded["input_ids"], "labels": labels}
'''
PAIRS = '''
def tokenized(row):
    """Return the tokens of a source, and those of its target with the end token."""
    target = tokenizer(text_target=row["target"])["input_ids"]
    target = target if target[-1:] == [tokenizer.eos_token_id] else target + [tokenizer.eos_token_id]
    source = tokenizer(row["source"], truncation=True, max_length=MAX_LENGTH)["input_ids"]
    return {"input_ids": source, "labels": target[:MAX_LENGTH]}
'''
LOSSES = {
    ONE: 'F.cross_entropy(out.logits.float(), labels, reduction="none")',
    SEVERAL: 'F.binary_cross_entropy_with_logits(out.logits.float(), labels, reduction="none")',
    "regression": 'F.mse_loss(out.logits.float().squeeze(-1), labels, reduction="none")',
    "tokens": 'F.cross_entropy(out.logits.float().transpose(1, 2), labels, reduction="none")',
}
LOSSES["seq2seq"] = LOSSES["tokens"]
PADDED = '''
def padded(rows):
    """Return a batch: rows that are padded to the same length."""
    length = LONGEST
    batch = {"input_ids": [row["input_ids"] + [tokenizer.pad_token_id] * (length - len(row["input_ids"])) for row in rows]}
    batch["attention_mask"] = [[1] * len(row["input_ids"]) + [0] * (length - len(row["input_ids"])) for row in rows]
    batch["labels"] = LABELS
    return {name: torch.tensor(values) for name, values in batch.items()}
'''
WIDE = '[row["labels"] + [-100] * (MOST - len(row["labels"])) for row in rows]'
SAMPLER = '''
class SimilarLength(Sampler):
    """Rows of similar length share a batch; the batches come in random order, the longest first."""

    def __init__(self, lengths, batch, seed):
        self.lengths, self.batch, self.seed, self.epoch = np.array(lengths), batch, seed, 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return len(self.lengths)

    def __iter__(self):
        random = np.random.default_rng((self.seed, self.epoch))
        order, size = random.permutation(len(self.lengths)), self.batch * 50
        parts = [order[i : i + size] for i in range(0, len(order), size)]
        order = np.concatenate([part[np.argsort(-self.lengths[part], kind="stable")] for part in parts])
        whole = len(order) // self.batch * self.batch
        batches = order[:whole].reshape(-1, self.batch)
        if len(batches):
            batches = batches[random.permutation(len(batches))]
            longest = self.lengths[batches].max(axis=1).argmax()
            batches[[0, longest]] = batches[[longest, 0]]
        return iter([*batches.flatten().tolist(), *order[whole:].tolist()])
'''
TRAINER = '''
class MeanTrainer(Trainer):
    """The loss of a step is the mean over all its labels, however the step is split into batches."""

    def __init__(self, **options):
        super().__init__(**options)
        self.model_accepts_loss_kwargs, self._loss_shifts_labels = True, False

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs["labels"]
        out = model(INPUTS)
        losses = LOSS
        loss = losses.sum() / (num_items_in_batch if num_items_in_batch is not None else (labels != -100).sum())
        return (loss, out) if return_outputs else loss

    def _get_train_sampler(self, train_dataset=None):
        lengths = [len(ids) for ids in self.train_dataset["input_ids"]]
        return SimilarLength(lengths, self.args.per_device_train_batch_size, self.args.seed)
'''


def imports(weighted: bool) -> tuple[list[str], list[str]]:
    """Return (lines, names of transformers)."""
    lines = ["import numpy as np", "import torch", "from datasets import load_dataset"]
    return [*lines, "from torch.nn import functional as F", "from torch.utils.data import Sampler"], ["Trainer", "TrainingArguments"]


def problem(run: runs.Run) -> str:
    """Return what kind of labels the run has: the key of its loss."""
    objective = run.plan["settings"]["objective"]
    return str(model_files.head(run.path / "model").get("problem", ONE)) if objective == "classification" else objective


def tokenized(run: runs.Run) -> str:
    """Return the function that makes tokens and labels of a row."""
    kind = problem(run)
    return WORDS if kind == "tokens" else PAIRS if kind == "seq2seq" else SEQUENCE.format(label=LABELS[kind])


def constants(run: runs.Run) -> dict[str, Any]:
    """Return what the function needs beside the tokenizer and MAX_LENGTH: the labels, or the mean and spread of the numbers."""
    about = model_files.head(run.path / "model")
    if run.plan["settings"]["objective"] == "regression":
        return {"MEAN": about["mean"], "STD": about["std"]}
    return {"NAMES": about["names"]} if about.get("names") else {}


def classes(run: runs.Run, settings: Settings, weighted: bool) -> str:
    """Return the classes that make the batches and the loss. `weighted`: each row counts as much as its weight says."""
    kind = problem(run)
    wide = kind in ("tokens", "seq2seq")
    batch = PADDED.replace("LONGEST", padding.even('max(len(row["input_ids"]) for row in rows)', settings))
    if wide:
        most = 'max(len(row["labels"]) for row in rows)'
        batch = batch.replace(
            '    batch["labels"] = LABELS\n',
            f'    most = {padding.even(most, settings)}\n    batch["labels"] = {WIDE.replace("MOST", "most")}\n',
        )
    batch = batch.replace("LABELS", '[row["labels"] for row in rows]')
    aside = ("labels",) if kind != "seq2seq" else ()
    aside += ("sample_weight",) if weighted else ()
    given = f"**{{name: value for name, value in inputs.items() if name not in {_said(aside)}}}" if aside else "**inputs"
    out = TRAINER.replace("INPUTS", given).replace("LOSS", LOSSES[kind])
    if weighted:
        batch = batch.replace("    return {name", '    batch["sample_weight"] = [row["sample_weight"] for row in rows]\n    return {name')
        out = out.replace(
            "        loss = ", '        losses = losses * inputs["sample_weight"].view(-1, *[1] * (losses.dim() - 1))\n        loss = '
        )
    return "\n".join([batch, SAMPLER, out])


def trainer(weighted: bool) -> str:
    """Return the name of the trainer's class."""
    return "MeanTrainer"


def after(weighted: bool) -> list[str]:
    """Return the lines that follow the trainer."""
    return []


def options(settings: Settings, weighted: bool) -> dict[str, Any]:
    """Return the arguments that this trainer has beside those of all."""
    checkpointing = {"gradient_checkpointing_kwargs": {"use_reentrant": False}} if settings.gradient_checkpointing else {}
    return {"remove_unused_columns": False, "prediction_loss_only": True} | checkpointing


def _said(names: tuple[str, ...]) -> str:
    return "(" + ", ".join(f'"{name}"' for name in names) + ("," if len(names) == 1 else "") + ")"


def head(run: runs.Run) -> list[str]:
    """Return the options with which the base model gets its head; none for a model that has one."""
    settings, about = run.plan["settings"], model_files.head(run.path / "model")
    if objectives.get(settings["objective"]).head == "lm":
        return []
    names = "NAMES" if settings["objective"] != "regression" else '["number"]'
    out = [f"id2label=dict(enumerate({names}))", f"label2id={{name: i for i, name in enumerate({names})}}"]
    out += [f"problem_type={json.dumps(about['problem'])}"] if about.get("problem") else []
    folder = models.base_folder(run.plan["model"]["base"])
    stored = model_files.document(folder / "config.json").get("id2label") if folder else None
    other = isinstance(stored, dict) and len(stored) != len(about["names"])
    return out + (["ignore_mismatched_sizes=True"] if other else [])
