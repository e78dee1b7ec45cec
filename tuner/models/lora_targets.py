"""The modules that LoRA adapts in each model type, by short name and by module name, and the number of weights that it adds."""

from tuner.models import tensor_shapes
from tuner.models.facts import ModelFacts

# short name -> module name; a fused layer is listed under several short names and is adapted as a whole
LLAMA = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "o_proj", "gate": "gate_proj", "up": "up_proj", "down": "down_proj"}
BERT = {"q": "query", "k": "key", "v": "value", "o": "attention.output.dense", "up": "intermediate.dense", "down": "output.dense"}
OPT = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "out_proj", "up": "fc1", "down": "fc2"}
TARGETS: dict[str, dict[str, str]] = {
    **dict.fromkeys(
        (
            "llama",
            "qwen2",
            "qwen3",
            "mistral",
            "gemma",
            "gemma2",
            "gemma3_text",
            "smollm3",
            "olmo2",
            "olmo3",
            "qwen3_5_text",
            "granite",
            "stablelm",
        ),
        LLAMA,
    ),
    **dict.fromkeys(("mixtral", "qwen3_moe", "gpt_oss"), {k: LLAMA[k] for k in "qkvo"}),  # their experts are not linear layers
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "electra"), BERT),
    "deberta-v2": BERT | {"q": "query_proj", "k": "key_proj", "v": "value_proj"},
    **dict.fromkeys(("t5", "mt5"), {"q": "q", "k": "k", "v": "v", "o": "o", "gate": "wi_0", "up": "wi_1", "down": "wo"}),
    **dict.fromkeys(("bart", "mbart"), OPT),
    "phi3": {
        "q": "qkv_proj",
        "k": "qkv_proj",
        "v": "qkv_proj",
        "o": "o_proj",
        "gate": "gate_up_proj",
        "up": "gate_up_proj",
        "down": "down_proj",
    },
    "gpt2": {"q": "c_attn", "k": "c_attn", "v": "c_attn", "o": "attn.c_proj", "up": "c_fc", "down": "mlp.c_proj"},
    "gpt_neox": {
        "q": "query_key_value",
        "k": "query_key_value",
        "v": "query_key_value",
        "o": "attention.dense",
        "up": "dense_h_to_4h",
        "down": "dense_4h_to_h",
    },
    "phi": {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "dense", "up": "fc1", "down": "fc2"},
    "opt": OPT,
    "distilbert": {"q": "q_lin", "k": "k_lin", "v": "v_lin", "o": "out_lin", "up": "lin1", "down": "lin2"},
    "modernbert": {"q": "Wqkv", "k": "Wqkv", "v": "Wqkv", "o": "attn.Wo", "gate": "Wi", "up": "Wi", "down": "mlp.Wo"},
}


def targets(facts: ModelFacts) -> dict[str, str]:
    """Return {short name: the end of the module's name} for this model (T5 v1.0 has one up projection, not two)."""
    known = TARGETS.get(facts.model_type, {})
    if facts.model_type in ("t5", "mt5") and not facts.gated_mlp:
        return {k: "wi" if k == "up" else v for k, v in known.items() if k != "gate"}
    return known


def lora_modules(facts: ModelFacts, wanted: str | list[str]) -> str | list[str]:
    """Return the ends of module names, as `workers/layers.named` reads them: short names translated, module names unchanged."""
    if isinstance(wanted, str):
        return wanted if wanted == "all-linear" else lora_modules(facts, [t.strip() for t in wanted.split(",") if t.strip()])
    return list(dict.fromkeys(targets(facts).get(t, t) for t in wanted))


def lora_parameters(facts: ModelFacts, rank: int, wanted: str | list[str], *, dora: bool = False, head: str = "lm") -> int:
    """Return the number of weights that LoRA adds: the sum of r (in + out) over the targets (Hu et al. 2021, arXiv:2106.09685).

    DoRA adds a magnitude for each output (Liu et al. 2024, arXiv:2402.09353).
    """
    modules, known = lora_modules(facts, wanted), list(TARGETS.get(facts.model_type, {}).values())
    linears = [p for p in tensor_shapes.parts(facts, head) if p.kind == "linear" and p.role != "task"]
    if modules == "all-linear":
        found = [(p, len(p.layers)) for p in linears if p.layers]
    else:
        found = tensor_shapes.matching(linears, modules, known)
    return sum(n * (rank * (p.inputs + p.outputs) + (p.outputs if dora else 0)) for p, n in found)
