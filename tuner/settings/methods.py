"""The registry of methods: what each changes in a model, its strengths and weaknesses, where it works, and its usual settings.

No torch here: `workers/modelling/peft_methods.py` builds what this describes. Where a library does not support a combination, `refusal`
says so in one sentence and names another; the form, the command line and the documentation's matrix all use it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuner.models import ModelFacts
from tuner.settings import objectives

if TYPE_CHECKING:  # run_config lists the methods
    from tuner.settings.run_config import Settings

PROMPT_METHODS = ("prompt", "p_tuning", "prefix")  # train a few virtual tokens before the text and leave all weights unchanged


@dataclass(frozen=True)
class Method:
    """A fine-tuning method.

    `rate`: the usual learning rate. `rates`: the range outside of which the plan warns. `tiny_rate`: the learning rate for models of a few
    million parameters, which need larger steps. `settings`: the settings of `RunConfig` that apply to it. `saved`: what its result is, as
    `continuation.kind` finds it in the folder: peft:LORA and so on (PEFT's type of the adapter), bottleneck, layers or whole.
    """

    name: str
    title: str
    changes: str
    good: str
    bad: str
    paper: str
    saved: str
    rate: float
    rates: tuple[float, float]
    tiny_rate: float
    settings: tuple[str, ...] = ()
    checkpointing: bool = True
    packing: bool = True
    merges: bool = True  # into a complete model that loads without our code
    warmup: float = 0.03


LORA = ("lora_rank", "lora_alpha", "lora_dropout", "lora_targets", "use_dora", "use_rslora", "lora_init", "adapter_precision")
METHODS = {
    m.name: m
    for m in (
        Method(
            "lora",
            "LoRA",
            "Trains small matrices beside the large ones; the base model stays unchanged.",
            "Nearly as good as full fine-tuning for a style, a format or a task, with a fraction of the memory; many adapters can share one base model.",
            "Learns less new knowledge than full fine-tuning.",
            "Hu et al. 2021, arXiv:2106.09685",
            "peft:LORA",
            2e-4,
            (1e-5, 2e-3),
            2e-3,
            LORA,
        ),
        Method(
            "qlora",
            "QLoRA",
            "LoRA on a base model that is quantized to 4 (or 8) bits.",
            "Trains the largest model that fits: the weights take a quarter of the memory.",
            "A little slower and a little less exact than LoRA; the adapter is merged into the unquantized model.",
            "Dettmers et al. 2023, arXiv:2305.14314",
            "peft:LORA",
            2e-4,
            (1e-5, 2e-3),
            2e-3,
            (*LORA, "quantization"),
        ),
        Method(
            "full",
            "Full fine-tuning",
            "Changes every weight.",
            "Learns the most: new knowledge, a new language, a large dataset.",
            "Takes four to eight times the memory of the model and forgets more of what the model knew; each result is a complete model.",
            "Howard and Ruder 2018, arXiv:1801.06146",
            "whole",
            2e-5,
            (1e-6, 1e-4),
            5e-4,
        ),
        Method(
            "last_layers",
            "Last layers",
            "Trains the last few layers and the final norm; the layers below stay frozen.",
            "Fast, and keeps what the lower layers know; good for labels and for a style of answering.",
            "Learns less than LoRA with the same memory where the task is far from what the model knows.",
            "Lee et al. 2019, arXiv:1911.03090",
            "layers",
            5e-5,
            (1e-6, 1e-3),
            2e-3,
            ("last_layers", "train_embeddings", "train_head"),
        ),
        Method(
            "adapter",
            "Bottleneck adapter",
            "Adds small networks after the parts of each layer: down to a narrow width, and up again.",
            "Stable on small datasets; the classic choice for encoders, with one adapter per task.",
            "Adds computation to every layer, so the tuned model answers a little slower, and it can't be merged.",
            "Houlsby et al. 2019, arXiv:1902.00751; Pfeiffer et al. 2020, arXiv:2005.00247",
            "bottleneck",
            3e-4,
            (1e-5, 5e-3),
            3e-3,
            ("adapter_placement", "adapter_size"),
            merges=False,
        ),
        Method(
            "ia3",
            "IA3",
            "Trains one scaling factor for each inner value of a layer.",
            "Tiny (a hundredth of LoRA), and hardly overfits on very few rows.",
            "Learns little: tasks close to what the model knows, no new knowledge.",
            "Liu et al. 2022, arXiv:2205.05638",
            "peft:IA3",
            3e-3,
            (3e-4, 3e-2),
            2e-2,
        ),
        Method(
            "ln",
            "Norm tuning",
            "Trains only the normalization layers.",
            "Tiny and nearly free; a surprisingly good start for a style.",
            "Learns little.",
            "Zhao et al. 2023, arXiv:2312.11420",
            "peft:LN_TUNING",
            1e-3,
            (1e-4, 1e-2),
            1e-2,
        ),
        Method(
            "prompt",
            "Prompt tuning",
            "Trains a few virtual tokens that are put before every text.",
            "The smallest of all: a few thousand numbers; many tasks can be served from one base model.",
            "Learns slowly, and works well only on large models (billions of parameters).",
            "Lester et al. 2021, arXiv:2104.08691",
            "peft:PROMPT_TUNING",
            3e-2,
            (1e-3, 3e-1),
            1e-1,
            ("virtual_tokens", "prompt_text"),
            packing=False,
            merges=False,
            warmup=0.1,
        ),
        Method(
            "p_tuning",
            "P-tuning",
            "Trains virtual tokens through a small network, which is more stable.",
            "Better than prompt tuning on models below a few billion parameters.",
            "Still much weaker than LoRA on small models.",
            "Liu et al. 2021, arXiv:2103.10385",
            "peft:P_TUNING",
            1e-2,
            (1e-3, 3e-1),
            1e-2,
            ("virtual_tokens",),
            packing=False,
            merges=False,
            warmup=0.1,
        ),
        Method(
            "prefix",
            "Prefix tuning",
            "Trains virtual tokens for every layer.",
            "Stronger than prompt tuning, and still leaves the base model unchanged.",
            "Needs more memory for activations than LoRA, because it breaks with gradient checkpointing.",
            "Li and Liang 2021, arXiv:2101.00190",
            "peft:PREFIX_TUNING",
            1e-2,
            (1e-4, 1e-1),
            2e-2,
            ("virtual_tokens", "prefix_projection"),
            checkpointing=False,
            packing=False,
            merges=False,
            warmup=0.1,
        ),
    )
}


PEFT = tuple(m.name for m in METHODS.values() if m.saved not in ("layers", "whole"))  # saved as a small adapter beside the base model


def get(name: str) -> Method:
    return METHODS[name]


def is_peft(name: str) -> bool:
    return name in PEFT


def refusal(method: str, objective: str, facts: ModelFacts, settings: "Settings | None" = None) -> str | None:
    """Return why this combination can't be trained, with what to choose instead; None when it can."""
    if reason := objectives.refusal(objective, facts):
        return reason
    kind = facts.model_type
    if facts.quantized and method not in ("lora", "qlora"):
        return f"{facts.name} is stored {STORED[facts.quantized]}, and quantized weights can't be trained themselves: choose LoRA or QLoRA, or the 16-bit model it was made from."
    if facts.multimodal_type and objectives.get(objective).task != "CAUSAL_LM":
        return f"{facts.name} is multimodal ({facts.multimodal_type}), and its text part can only be trained to generate text: choose chat, text or preference, or a plain language model."
    if facts.quantized and objectives.get(objective).task != "CAUSAL_LM":
        return f"{facts.name} is stored {STORED[facts.quantized]}, where a head for {objective} can't be added: choose the 16-bit model it was made from."
    if method == "prefix" and _hybrid(facts):
        return f"Prefix tuning adds keys and values to every layer, and some layers of {facts.name} have none: choose LoRA or P-tuning."
    if settings and (refused := setting_refusal(method, facts, settings)):
        return refused[2]
    return CELLS.get((method, objective, facts.family)) or CELLS.get((method, objective, kind)) or CELLS.get((method, "*", kind))


HYBRID = "bamba falcon_h1 granitemoehybrid jamba kimi_linear lfm2 lfm2_moe minimax nemotron_h olmo_hybrid qwen3_next recurrent_gemma zamba zamba2"


def _hybrid(facts: ModelFacts) -> bool:
    """Return whether some layers keep a recurrent state instead of keys and values."""
    kinds = facts.config.get("layer_types")
    listed = isinstance(kinds, list) and any(isinstance(k, str) and not k.endswith("attention") or k == "linear_attention" for k in kinds)
    return listed or facts.model_type in HYBRID.split() or facts.model_type.startswith("qwen3_5")


STORED = {"nf4": "in 4 bits (bitsandbytes)", "int8": "in 8 bits (bitsandbytes)"}


def merge_refusal(facts: ModelFacts) -> str | None:
    """Return why an adapter can't be merged into this model, with what to do instead; None when it can."""
    if not facts.quantized:
        return None
    return (
        f"{facts.name} is stored {STORED[facts.quantized]}, so the result can't be merged into it: export the adapter, or train from the 16-bit "
        "model it was made from."
    )


def setting_refusal(method: str, facts: ModelFacts, settings: "Settings") -> tuple[str, list, str] | None:
    """Return (setting, allowed values, reason) where a method works but for one of its settings; None when there is no conflict."""
    if facts.quantized and settings.quantization not in (None, facts.quantized):
        return "quantization", [facts.quantized], f"{facts.name} is already stored {STORED[facts.quantized]}: leave quantization out."
    if method == "qlora" and settings.use_dora and settings.quantization == "int8":
        return "use_dora", [False], "DoRA does not work with 8-bit quantization: choose nf4, or turn DoRA off."
    if method == "lora" and settings.use_dora and settings.lora_init != "default":
        return "use_dora", [False], "DoRA can't be combined with PiSSA or OLoRA: turn DoRA off, or choose the default initialization."
    if method == "lora" and settings.lora_init == "olora" and facts.model_type == "gpt2":
        return (
            "lora_init",
            ["default", "pissa"],
            "OLoRA does not support the transposed matrices of GPT-2: choose pissa, or the default initialization.",
        )
    if method == "qlora" and settings.lora_init in ("pissa", "olora"):
        why = "PiSSA and OLoRA start from the weights themselves, which are quantized here: choose LoRA, or the default initialization."
        return "lora_init", ["default"], why
    if method == "last_layers" and settings.last_layers > facts.depth:
        return "last_layers", [f"1 to {facts.depth}"], f"{facts.name} has {facts.depth} layers: choose 1 to {facts.depth}."
    return None


# (method, objective or *, family or model type) -> reason; one entry for each combination that breaks in a library
CELLS: dict[tuple[str, str, str], str] = {
    **{
        (method, objective, "encoder-decoder"): "Encoder-decoders don't support virtual tokens for labels or numbers: choose LoRA or IA3."
        for method in PROMPT_METHODS
        for objective in ("classification", "regression")
    },
    **{(m, "*", "llama4_text"): "PEFT does not support virtual tokens for Llama 4: choose LoRA." for m in ("prompt", "p_tuning")},
    **{
        ("prefix", "*", kind): "This type of encoder does not support prefixes: choose P-tuning or LoRA."
        for kind in ("modernbert", "distilbert", "deberta-v2")
    },
}
