"""One configuration traced: a model from its config, the trainer of its worker, two steps, the peak of each."""

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
import transformers
from datasets import Dataset
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import TrainerCallback
from trl import DPOConfig, DPOTrainer
from trl.trainer import dpo_trainer
from trl.trainer.utils import add_fused_lm_head

from bench.trace import stand_ins
from bench.trace.ledger import Ledger
from tuner import models, paths
from tuner.planning import memory
from tuner.settings import objectives
from tuner.settings.run_config import Settings
from tuner.workers.modelling import layers, load, peft_methods
from tuner.workers.modelling.bottleneck_adapter import stacks
from tuner.workers.tokenization.loss_mask import Encoded
from tuner.workers.training import question_answering, run_loop, seq2seq, sequence_classification, sft, token_classification

WORKERS = {
    "classification": sequence_classification.Classifier,
    "regression": sequence_classification.Classifier,
    "tokens": token_classification.Tagger,
    "qa": question_answering.Pointer,
}


@dataclass(frozen=True)
class Case:
    """`config` as in config.json; `settings` beside the defaults; `rows` of `length` tokens at once (a target of an encoder-decoder has
    as many). `padded`: rows of unlike length, so that attention is given a mask."""

    config: dict[str, Any] = field(hash=False)
    settings: dict[str, Any] = field(hash=False)
    rows: int = 1
    length: int = 1024
    padded: bool = False
    device: str = "cuda"
    labels: int = 2

    @property
    def facts(self) -> models.ModelFacts:
        return models.facts_from_config(self.config, name=self.config["model_type"])


@dataclass(frozen=True)
class Traced:
    """Bytes: what lies there before a step (`still`), the `peak` of a step, that of a batch of a test (`evaluation`; `reading` is its peak
    within the layers), and the `marks` of the step's stretches: (live at the end, peak within) of each layer forward (`forward 0` ...), the
    rest of the `forward`, the `head` (the loss, forth and back), each layer `backward`, the `embeddings` (with the first layer, where they
    learn nothing) and the `step`. `closely`: storages by their size instead, see `Ledger`, before the step ("still"), in it, and in the test
    ("test forward 0" ...)."""

    still: int
    peak: int
    evaluation: int
    reading: int
    marks: dict[str, tuple[int, int]] = field(hash=False, default_factory=dict)
    closely: dict[str, Any] = field(hash=False, default_factory=dict)


def settings_of(case: Case) -> Settings:
    """All settings a worker reads, as a plan would hold them."""
    usual = Settings(
        device="cuda:0" if case.device == "cuda" else case.device,
        micro_batch=case.rows,
        effective_batch=case.rows,
        precision="bf16",
        gradient_checkpointing=False,
        packing=False,
        learning_rate=1e-4,
        max_length=case.length,
        eval_steps=10,
        save_steps=10,
        objective="chat",
    )
    settings = usual.replace(**case.settings)
    if settings.method == "qlora" and not settings.quantization:
        settings.quantization = "nf4"
    return settings


def trace(case: Case, *, closer: bool = False) -> Traced:
    """The peaks of `case`, with what made them where it is asked for. Raises what the libraries raise where a combination is impossible."""
    settings = settings_of(case)
    with tempfile.TemporaryDirectory() as folder, stand_ins.in_place(card=case.device == "cuda", padded=case.padded):
        with FakeTensorMode(allow_non_fake_inputs=True), Ledger(closer=closer) as ledger:
            model = model_of(case, settings)
            trainer = trainer_of(case, settings, model, Path(folder))
            ledger.add([*model.parameters(), *model.buffers()])
            return _steps(case, settings, trainer, ledger)


SHORTER = 6, 8  # layers
ALIKE = (
    "llama",
    "qwen2",
    "qwen3",
    "mistral",
    "gemma",
    "olmo2",
    "granite",
    "stablelm",
    "gpt2",
    "gpt_neox",
    "opt",
    "phi",
    "phi3",
    "mixtral",
    "qwen3_moe",
)


def trace_by_two(case: Case) -> Traced:
    """The same from two models of fewer layers, where each layer is like the others: every moment of the step is linear in their number."""
    if case.facts.model_type not in ALIKE or case.facts.layers <= 2 * SHORTER[1]:
        return trace(case)
    name = "n_layer" if "n_layer" in case.config else "num_hidden_layers"
    few, more = (trace(replace(case, config={**case.config, name: n})) for n in SHORTER)
    times = (case.facts.layers - SHORTER[0]) / (SHORTER[1] - SHORTER[0])

    def at(a: int, b: int) -> int:
        return round(a + times * (b - a))

    marks = {}
    for mark, (live, peak) in few.marks.items():
        way, _, i = mark.partition(" ")
        up = i and (int(i) >= SHORTER[0] // 2 or mark not in more.marks)  # those behind the middle are counted from the end
        there = more.marks[f"{way} {int(i) + SHORTER[1] - SHORTER[0]}" if up else mark]
        marks[f"{way} {int(i) + case.facts.layers - SHORTER[0]}" if up else mark] = at(live, there[0]), at(peak, there[1])
    still, evaluation, reading = (at(getattr(few, n), getattr(more, n)) for n in ("still", "evaluation", "reading"))
    return Traced(still, max(peak for _, peak in marks.values()), evaluation, reading, marks)


def model_of(case: Case, settings: Settings, pack=None):
    """The base from its config with what is to be learnt; `pack` packs its weights (without: stand-ins, which only fake tensors take)."""
    config = transformers.AutoConfig.for_model(**case.config)
    objective = objectives.get("chat" if settings.objective == "preference" else settings.objective)
    if objective.task in ("SEQ_CLS", "TOKEN_CLS"):
        config.num_labels = case.labels
    config.pad_token_id = 0
    if config.is_encoder_decoder and getattr(config, "decoder_start_token_id", None) is None:
        config.decoder_start_token_id = 0
    model = getattr(transformers, objective.auto).from_config(config, dtype=load.WIDTHS[settings.precision])
    if not case.facts.tied and getattr(model, "lm_head", None) is not None:  # T5's config says tied whatever it was told
        model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.lm_head.weight))
    model.fresh_modules = []
    if settings.quantization:
        (pack or _pack)(model, settings.quantization)
    model = peft_methods.build(model, settings, case.facts, objective=objective.name)
    model.config.use_cache = False
    if case.device == "cuda":
        vars(model).pop(layers.KEPT, None)  # what was swapped out lies in the computer's own memory
    return model


def _pack(model, quantization: str) -> None:
    """The linear maps of the layers as bitsandbytes holds them: packed bytes, with constants in blocks of 64 that are packed again."""
    import bitsandbytes as bnb

    for name in layers.linears(model):
        linear = model.get_submodule(name)
        if name.rpartition(".")[2] in (model._keep_in_fp32_modules or ()):
            continue
        n, dtype, shape = linear.weight.numel(), linear.weight.dtype, linear.weight.shape
        if not isinstance(linear, torch.nn.Linear):  # GPT-2 keeps its matrices the other way round
            shape = shape[::-1]
            linear.out_features, linear.in_features = shape
        linear.__class__ = bnb.nn.Linear4bit
        linear.weight = torch.nn.Parameter(torch.empty(-(-n // 2), 1, dtype=torch.uint8), requires_grad=False)
        linear.weight.quant_state = SimpleNamespace(shape=shape, dtype=dtype)
        linear.weight.compress_statistics, linear.weight.quant_type = True, "nf4"
        linear.compute_dtype, linear.compute_type_is_set, linear.quant_storage = dtype, True, torch.uint8
        linear.quant_state, linear.support_avx512bf16_for_cpu = linear.weight.quant_state, False
        linear.register_buffer("constants", torch.empty(-(-n // 64), dtype=torch.uint8), persistent=False)
        linear.register_buffer("constants_of_constants", torch.empty(-(-n // 64 // 256), dtype=torch.float32), persistent=False)
    model.is_loaded_in_4bit = True  # for PEFT; `is_quantized` would make the trainer look for transformers' own quantizer


def trainer_of(case: Case, settings: Settings, model, folder: Path):
    """The trainer of the worker, as the worker makes it, on one row (batches are handed in)."""
    job = SimpleNamespace(settings=settings, tokenizer=load.tokenizer(paths.STARTER), report=TrainerCallback())
    job.run = SimpleNamespace(plan={"steps": 10, "model": {"bytes_per_weight": 2}}, path=folder)
    unchecked = mock.patch.object(transformers.TrainingArguments, "_validate_args", lambda self: None)  # it asks for a card
    with unchecked, mock.patch.object(run_loop, "_autocast", lambda s: case.device == "cuda"):
        if settings.objective in ("chat", "text"):
            rows = sft.Prepared()
            rows.add(Encoded([5, 6, 7, 8], [(0, 4)]), 8)
            return sft.make_trainer(job, model, rows, rows)
        if settings.objective == "preference":
            return preference(case, settings, model, folder)
        rows = learn_rows(settings.objective)
        kind = WORKERS.get(settings.objective, seq2seq.Rewriter)
        return kind(job, model, rows, rows, *_more(case, settings))


def preference(case: Case, settings: Settings, model, folder: Path) -> DPOTrainer:
    """TRL's own: the reference is the adapter switched off, or else a copy of the model, or what was computed beforehand."""
    whole, asked = settings.method in memory.WHOLE, bool(settings.precompute_reference)
    other = torch.nn.Module() if whole and asked else model_of(case, settings).requires_grad_(False) if whole else None
    learnt = {n: p.data for n, p in model.named_parameters() if p.requires_grad}
    if asked:
        other.config = model.config
    with (
        mock.patch.object(DPOTrainer, "_prepare_dataset", lambda self, rows, *_: rows),
        mock.patch.object(dpo_trainer, "add_fused_lm_head", _fused),
    ):
        trainer = DPOTrainer(
            model,
            other,
            run_loop.arguments(settings, 10, folder, False, kind=DPOConfig, max_length=None, prediction_loss_only=True),
            train_dataset=Dataset.from_dict({"prompt_ids": [[1]], "chosen_ids": [[2]], "rejected_ids": [[3]]}),
            processing_class=load.tokenizer(paths.STARTER),
        )
    for name, parameter in model.named_parameters():  # beside packed weights TRL makes them bf16
        if name in learnt:
            parameter.data = learnt[name]
    if asked:
        trainer.ref_model, trainer.precompute_ref_logps = None, True
    return trainer


def _fused(model, **how) -> None:
    if hasattr(model, "lm_head"):  # not what stands for a reference that was asked beforehand
        add_fused_lm_head(model, **how)


def learn_rows(objective: str):
    from tuner.workers.tokenization.tokenized_rows import Rows

    rows = Rows(("labels",)) if objective in ("seq2seq", "tokens") else Rows()
    rows.add(
        input_ids=[5, 6, 7], labels=[1, 1, 1] if objective in ("seq2seq", "tokens") else [0, 0] if objective == "qa" else 0, weight=1.0
    )
    return rows


def _more(case: Case, settings: Settings) -> tuple:
    names = [str(i) for i in range(case.labels)]
    if settings.objective == "classification":
        return ({"names": names, "problem": sequence_classification.ONE}, None)
    if settings.objective == "regression":
        return ({"names": ["number"], "problem": sequence_classification.NUMBER, "mean": 0.0, "std": 1.0}, None)
    return {"tokens": (names, None), "qa": (True,)}.get(settings.objective, ())


def batch(case: Case, settings: Settings) -> dict[str, torch.Tensor]:
    """A batch as the collators make it."""
    if settings.objective == "preference":
        shape = 2 * case.rows, case.length
        out = {n: torch.ones(shape, dtype=torch.long) for n in ("input_ids", "attention_mask", "completion_mask")}
        asked = {n: torch.zeros(case.rows) for n in ("ref_chosen_logps", "ref_rejected_logps")}
        return out | (asked if settings.precompute_reference else {})
    shape, objective = (case.rows, case.length), settings.objective
    out = {"input_ids": torch.zeros(shape, dtype=torch.long), "attention_mask": torch.ones(shape, dtype=torch.long)}
    labels = {"classification": (case.rows,), "regression": (case.rows,), "qa": (case.rows, 2)}.get(objective, shape)
    if objective == "qa":
        out["text"] = torch.zeros(case.rows, 2, dtype=torch.long)
    out["labels"] = torch.zeros(labels, dtype=torch.float32 if objective == "regression" else torch.long)
    if settings.packing:
        out["position_ids"] = out.pop("attention_mask")
    return out if objective in ("chat", "text") else out | {"weight": torch.ones(case.rows)}


def _steps(case: Case, settings: Settings, trainer, ledger: Ledger) -> Traced:
    if settings.gradient_checkpointing:
        trainer.model.gradient_checkpointing_enable(trainer.args.gradient_checkpointing_kwargs or {"use_reentrant": False})
    model = trainer.model_wrapped = trainer.accelerator.prepare_model(trainer.model)
    trainer.create_optimizer()
    trainer.current_gradient_accumulation_steps = 1
    _watch(model, ledger)
    learnt = [p for p in model.parameters() if p.requires_grad]
    for p in learnt:
        p.grad = torch.zeros_like(p)
    trainer.optimizer.step()  # its states come with the first
    model.zero_grad()
    still, at_first = ledger.live, dict(+ledger.sizes)
    ledger.restart()
    trainer.training_step(model, batch(case, settings), torch.tensor(10))
    ledger.mark("embeddings")
    torch.nn.utils.clip_grad_norm_(learnt, 1.0)
    trainer.optimizer.step()
    ledger.mark("step")
    marks, closely = ledger.marks, {"still": (at_first, []), **ledger.closely} if ledger.closer else {}
    model.zero_grad()
    ledger.restart()
    trainer.model.eval()
    trainer.prediction_step(model, batch(case, settings), True)
    ledger.mark("answer")
    peaks = {name: peak for name, (_, peak) in ledger.marks.items()}
    reading = max(peak for name, peak in peaks.items() if name.startswith("forward "))
    closely |= {f"test {name}": seen for name, seen in ledger.closely.items()}
    return Traced(still, max(peak for _, peak in marks.values()), max(peaks.values()), reading, marks, closely)


def _watch(model, ledger: Ledger) -> None:
    """Marks at each layer's output, forth, and back when its gradient arrives."""
    every = [layer for _, stack in stacks(model) for layer in stack]

    def forth(i: int):
        def hook(module, args, out):
            hidden = out[0] if isinstance(out, tuple) else out
            ledger.mark(f"forward {i}")
            if hidden.requires_grad and torch.is_grad_enabled():
                hidden.register_hook(lambda grad: ledger.mark("head" if i == len(every) - 1 else f"backward {i + 1}"))

        return hook

    def words(module, args, out):
        if isinstance(out, torch.Tensor) and out.requires_grad and torch.is_grad_enabled():
            out.register_hook(lambda grad: ledger.mark("backward 0"))

    for i, layer in enumerate(every):
        layer.register_forward_hook(forth(i))
    model.get_input_embeddings().register_forward_hook(words)
    model.register_forward_hook(lambda *a: ledger.mark("forward"))
