"""Samples while a run trains: a few fixed prompts are answered before the first step and at each evaluation, and kept (`tuner.runs.samples_file`).

Answers are greedy, so that they change only because the model does, and take nothing of the random numbers of the training: a resumed run
still ends in the same bytes.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from transformers import TrainerCallback

from tuner.data.store import store
from tuner.jobs import worker_exit
from tuner.runs import run_warnings, samples_file
from tuner.settings import objectives
from tuner.workers.modelling import sharding
from tuner.workers.tokenization import harmony, template_render
from tuner.workers.training import ranks, recovery

READ = 512  # tokens of a prompt (its end)
# a mixture of experts that balances them in training can't answer token by token while it does
ANSWERING = {"use_cache": True, "output_router_logits": False}
VIRTUAL = ("PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING")
BEGINNING = 60  # characters of a plain text that the model continues

Prompt = tuple[str, list[dict[str, Any]] | str]  # what is shown; messages, or a text to continue


class Samples(TrainerCallback):
    """Answers the prompts; stands before the report of the run, so that its time counts as that of the evaluation."""

    def __init__(self, job):
        self.job, self.off = job, False
        self.rows = list(itertools.islice(of_rows(job), job.settings.sample_prompts))

    def on_train_begin(self, args, state, control, model=None, **_):
        if state.global_step == 0:
            self.ask(model, 0)

    def on_evaluate(self, args, state, control, model=None, metrics=None, **_):
        if metrics and "eval_loss" in metrics and state.global_step:
            self.ask(model, state.global_step)

    def ask(self, model, step: int) -> None:
        """Answer the prompts at a step. What goes wrong is told once, and never ends the training."""
        in_parts = sharding.sharded(model)  # then all processes answer, each with its part
        if self.off or not (ranks.first() or in_parts):
            return
        if not (prompts := ranks.decided(self.prompts()) if in_parts else self.prompts()):
            return
        state = torch.get_rng_state()
        try:
            answers = answered(model, self.job.tokenizer, [p for _, p in prompts])
            told = [{"prompt": shown} | answer for (shown, _), answer in zip(prompts, answers, strict=True)]
            if ranks.first():
                samples_file.write(self.job.run.path, step, told)
        except Exception as error:
            if in_parts:
                raise  # the other processes would wait for this one
            worker_exit.log(error)
            self.off = True
            why = "the memory does not suffice" if recovery.is_short(error) else f"{type(error).__name__}: {str(error)[:200]}"
            message = f"The sample prompts are not answered any more: {why}."
            self.job.reporter.warn([run_warnings.make("samples_off", message, "The training is not affected.", step=step, severity="info")])
        finally:
            torch.set_rng_state(state)

    def prompts(self) -> list[Prompt]:
        """Return a person's own prompts, else those of the validation rows."""
        system = [{"role": "system", "content": self.job.run.system}] if self.job.run.system else []
        own = samples_file.own_prompts(self.job.run.path)
        if self.job.settings.objective == "text":
            return [(p, p) for p in own] or self.rows
        return [(p, [*system, {"role": "user", "content": p}]) for p in own] or self.rows


def watch(job, trainer) -> None:
    """Have a trainer's run answer sample prompts, if its model writes texts."""
    if job.settings.objective in objectives.GENERATIVE and job.settings.sample_prompts and trainer.eval_dataset is not None:
        trainer.callback_handler.callbacks.insert(0, Samples(job))


def of_rows(job) -> Iterator[Prompt]:
    """Yield the prompts of the first validation rows that have different ones."""
    seen = set()
    for row in store.iterate(job.data, held_out=True):
        if (prompt := of_row(row["value"])) and prompt[0] not in seen:
            seen.add(prompt[0])
            yield prompt


def of_row(value: dict[str, Any]) -> Prompt | None:
    """Return the prompt of a canonical row: the messages before its last answer, or the beginning of its text; None without one."""
    if "text" in value:
        words = value["text"][:BEGINNING].rsplit(" ", 1)[0].strip()
        return (words, words) if words else None
    messages = value.get("messages") or value.get("prompt") or []
    last = max((n for n, m in enumerate(messages) if m["role"] == "user"), default=None)
    if last is None or not isinstance(messages[last].get("content"), str):
        return None
    return messages[last]["content"], [{"role": m["role"], "content": m.get("content") or ""} for m in messages[: last + 1]]


def answered(model, tokenizer, prompts: list[list[dict[str, Any]] | str]) -> list[dict[str, Any]]:
    """Return [{"answer", "cut"}]: greedy answers, generated together; one after another where virtual tokens precede the text, because PEFT
    counts the positions of padded rows differently there."""
    if len(prompts) > 1 and getattr(model, "peft_type", None) in VIRTUAL:
        return [answered(model, tokenizer, [prompt])[0] for prompt in prompts]
    rows = [read(tokenizer, prompt)[-READ:] for prompt in prompts]
    width, pad = max(map(len, rows)), tokenizer.pad_token_id or 0
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=model.device)
    ends = model.generation_config.eos_token_id
    ends = {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}
    training, kept = model.training, {name: getattr(model.config, name) for name in ANSWERING if hasattr(model.config, name)}
    model.eval()
    for name in kept:
        setattr(model.config, name, ANSWERING[name])
    try:
        with torch.no_grad(), _autocast(model):
            out = model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=samples_file.TOKENS,
                max_time=samples_file.SECONDS,
                do_sample=False,
                pad_token_id=pad,
                eos_token_id=sorted(ends) or None,
            )
    finally:
        model.train(training)
        for name, value in kept.items():
            setattr(model.config, name, value)
    return [_told(tokenizer, row[width:].tolist(), ends) for row in out]


def read(tokenizer, prompt: list[dict[str, Any]] | str) -> list[int]:
    """Return the tokens of a prompt, as the model saw them in training."""
    if isinstance(prompt, str):
        ids = tokenizer(prompt)["input_ids"]
        return ids[:-1] if len(ids) > 1 and ids[-1] == tokenizer.eos_token_id else ids
    return tokenizer(template_render.prompt(tokenizer, prompt, tokenize=False), add_special_tokens=False)["input_ids"]


def _told(tokenizer, ids: list[int], ends: set[int]) -> dict[str, Any]:
    end = next((n for n, token in enumerate(ids) if token in ends), None)
    text = harmony.text(tokenizer, ids[:end])
    return {"answer": text, "cut": end is None}


def _autocast(model):
    """Compute in bf16 on a card whose adapter is in fp32, as the training does."""
    kinds = {p.dtype for p in model.parameters()}
    mixed = model.device.type == "cuda" and len(kinds & {torch.float32, torch.bfloat16, torch.float16}) > 1
    return torch.autocast(model.device.type, dtype=torch.bfloat16 if torch.bfloat16 in kinds else torch.float16, enabled=mixed)
