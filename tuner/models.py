"""Base models and tuned models: what they are, from config.json and safetensors headers, never from weights."""

import json
import os
import re
import struct
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tuner import paths
from tuner.errors import ModelError, NetworkError, NotFoundError, translate

HUB_ID = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")

# where a family keeps the layers that LoRA adapts; a fused layer stands under several short names and is adapted whole
LLAMA = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "o_proj", "gate": "gate_proj", "up": "up_proj", "down": "down_proj"}
TARGETS: dict[str, dict[str, str]] = {
    **dict.fromkeys(
        ("llama", "qwen2", "qwen3", "mistral", "gemma", "gemma2", "gemma3_text", "smollm3", "olmo2", "granite", "stablelm"), LLAMA
    ),
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
    "opt": {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "out_proj", "up": "fc1", "down": "fc2"},
}
BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "I8": 1, "F8_E4M3": 1}


@dataclass(frozen=True)
class ModelFacts:
    """Sizes in elements: `hidden` H, `mlp` I, `q` heads x head_dim, `kv` kv_heads x head_dim, `vocabulary` V."""

    name: str
    model_type: str
    hidden: int
    mlp: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool
    context: int
    parameters: int
    bytes_per_weight: int = 2  # as stored
    gated_mlp: bool = True  # three matrices (gate, up, down) or two
    has_template: bool = True
    licence: str | None = None
    gated: bool = False
    path: str | None = None  # a local folder with weights; None: planned from facts alone
    notes: tuple[str, ...] = field(default=())

    @property
    def q(self) -> int:
        return self.heads * self.head_dim

    @property
    def kv(self) -> int:
        return self.kv_heads * self.head_dim

    @property
    def layer_parameters(self) -> int:
        """P_L: what one layer holds in its linear maps."""
        return 2 * self.hidden * self.q + 2 * self.hidden * self.kv + (3 if self.gated_mlp else 2) * self.hidden * self.mlp

    def linears(self) -> dict[str, tuple[int, int]]:
        """(inputs, outputs) of each linear map of one layer by its short name; fused ones under each of their names."""
        H, I, Q, K = self.hidden, self.mlp, self.q, self.kv  # noqa: E741
        shapes = {"q": (H, Q), "k": (H, K), "v": (H, K), "o": (Q, H), "gate": (H, I), "up": (H, I), "down": (I, H)}
        return {k: v for k, v in shapes.items() if self.gated_mlp or k != "gate"}


@dataclass(frozen=True)
class Model:
    """A thing to start from. `kind`: starter, folder, hub or run; `base` is the folder or Hub id whose weights it stands on."""

    ref: str
    kind: str
    facts: ModelFacts
    base: str
    adapter: Path | None = None  # a run's LoRA: it is the starting point
    revision: str | None = None


@cache
def catalog() -> list[dict[str, Any]]:
    return yaml.safe_load((paths.PRESETS / "catalog.yaml").read_text(encoding="utf-8"))


def resolve(ref: str, ws: paths.Workspace | None = None, *, need_weights: bool = False) -> Model:
    """The model that `ref` names: 'starter', a folder, a run's id or a Hub id.

    Raises NotFoundError or ModelError that say what is missing. A folder with config.json alone can be planned with;
    `need_weights` asks for weights and a tokenizer too.
    """
    ref = str(ref).strip()
    if ref == "starter":
        return Model(ref, "starter", folder_facts(paths.STARTER, need_weights=True, name="starter"), str(paths.STARTER))
    if ws is not None and paths.ID.fullmatch(ref) and (ws.runs / ref / "status.json").exists():
        return _from_run(ref, ws)
    if (folder := _folder(ref)) is not None:
        return Model(str(folder), "folder", folder_facts(folder, need_weights=need_weights), str(folder))
    if HUB_ID.fullmatch(ref):
        return _from_hub(ref)
    raise NotFoundError(
        f"There is no model called {ref[:80]!r}.",
        asked=ref[:80],
        available="starter, a folder, a Hub id (owner/name) or a run's id",
        remedy="Choose one from the list, or give the folder's full path.",
        field="model",
    )


def _folder(ref: str) -> Path | None:
    """`ref` as a path when it is written like one, or there is such a folder."""
    try:
        folder = Path(ref).expanduser()
        return folder.resolve() if ref.startswith(("/", "~", ".")) or "\\" in ref or folder.is_dir() else None
    except (OSError, RuntimeError, ValueError):  # a name too long, the home of nobody, a null byte
        return None


def _from_run(id: str, ws: paths.Workspace) -> Model:
    plan = paths.read_json(ws.run(id) / "plan.json", {})
    folder = ws.run(id) / "model"
    if not folder.is_dir() or not plan:
        raise ModelError(
            f"The run {id} has no model to start from.",
            asked=id,
            available="runs that finished or were stopped after their first save",
            remedy="Choose another run, or resume this one.",
            field="model",
        )
    if plan["settings"]["method"] == "full":
        return Model(id, "run", folder_facts(folder, need_weights=True, name=id), str(folder))
    start = resolve(plan["model"]["base"], None)
    return Model(id, "run", start.facts, start.base, adapter=folder, revision=plan["model"].get("revision"))


def _from_hub(id: str) -> Model:
    entry = next((e for e in catalog() if e["id"].lower() == id.lower()), None)
    if (folder := cached_snapshot(id)) is not None:
        facts = folder_facts(folder, name=id)
        return Model(id, "hub", facts, id, revision=folder.name)
    if entry:
        return Model(entry["id"], "hub", catalog_facts(entry), entry["id"])
    return Model(id, "hub", _hub_facts(id), id)


def cached_snapshot(id: str) -> Path | None:
    """The folder of a model that was downloaded before, by this or another program; None when it isn't complete."""
    from huggingface_hub import try_to_load_from_cache

    if not HUB_ID.fullmatch(id):
        return None
    config = try_to_load_from_cache(id, "config.json")
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    return folder if list(folder.glob("*.safetensors")) and not missing_shards(folder) else None


def _hub_facts(id: str) -> ModelFacts:
    import httpx
    from huggingface_hub import constants, hf_hub_download

    try:
        if not constants.HF_HUB_OFFLINE:
            httpx.head(constants.ENDPOINT, timeout=5)  # without a network the download alone tries for 23 s
        config = hf_hub_download(id, "config.json", etag_timeout=5, token=False)
    except Exception as error:
        raise translate(error) or NetworkError(
            f"{id} can't be looked up on the Hub.",
            asked=id,
            available="models on this computer",
            remedy="Check the network and the spelling.",
        ) from error
    return facts_from_config(json.loads(Path(config).read_text()), name=id)


def catalog_facts(entry: dict[str, Any]) -> ModelFacts:
    sizes = {
        k: entry[k] for k in ("model_type", "hidden", "mlp", "layers", "heads", "kv_heads", "head_dim", "vocabulary", "tied", "context")
    }
    facts = ModelFacts(name=entry["id"], parameters=0, licence=entry["licence"], gated=entry.get("gated", False), **sizes)
    return _with_parameters(facts)


def _with_parameters(facts: ModelFacts, **more: Any) -> ModelFacts:
    embeddings = facts.vocabulary * facts.hidden * (1 if facts.tied else 2)
    counted = facts.layers * (facts.layer_parameters + 2 * facts.hidden) + embeddings + facts.hidden
    return ModelFacts(**{**facts.__dict__, "parameters": counted, **more})


def folder_facts(folder: Path, *, need_weights: bool = False, name: str | None = None) -> ModelFacts:
    """Facts of a model in a folder, or an error that says which of its parts is missing."""
    if not folder.is_dir():
        raise NotFoundError(
            f"There is no folder {folder}.",
            asked=str(folder),
            available="a folder on this computer that holds a model",
            remedy="Check the path; the folder must hold config.json.",
            field="model",
        )
    if (folder / "adapter_config.json").exists() and not (folder / "config.json").exists():
        raise ModelError(
            f"{folder.name} holds an adapter, not a whole model.",
            asked=str(folder),
            available="folders with config.json and weights",
            remedy="Choose the base model it was made from, or a run of this workspace.",
            field="model",
        )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("it is not a list of names and values")
    except FileNotFoundError:
        raise ModelError(
            f"{folder.name} holds no config.json, so it is not a model.",
            asked=str(folder),
            available="folders saved with save_pretrained",
            remedy="Point to the folder that holds config.json, the tokenizer and *.safetensors.",
            field="model",
        ) from None
    except ValueError as error:
        raise ModelError(
            f"The config.json in {folder.name} can't be read.",
            asked=str(error)[:120],
            available="JSON as save_pretrained writes it",
            remedy="Copy the model again.",
            field="model",
        ) from error
    weights = sorted(folder.glob("*.safetensors"))
    if need_weights:
        _check_parts(folder, weights)
    more: dict[str, Any] = {"path": str(folder) if weights else None, "has_template": has_template(folder)}
    if weights:
        more["parameters"], more["bytes_per_weight"] = count_parameters(weights)
    return facts_from_config(config, name=name or folder.name, **more)


def _check_parts(folder: Path, weights: list[Path]) -> None:
    if not weights:
        pickled = [*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")]
        raise ModelError(
            f"{folder.name} holds its weights as {pickled[0].name}, a format that can run code."
            if pickled
            else f"{folder.name} holds no weights.",
            asked=str(folder),
            available="*.safetensors files",
            remedy="Save it again with save_pretrained (safe_serialization)."
            if pickled
            else "Copy the weights (*.safetensors) into the folder.",
            field="model",
        )
    if missing := missing_shards(folder):
        raise ModelError(
            f"{folder.name} lacks {len(missing)} of its weights files, {missing[0]} among them.",
            asked=str(folder),
            available="all files that model.safetensors.index.json names",
            remedy="Copy or download the rest.",
            field="model",
        )
    if not any((folder / f).exists() for f in ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model", "vocab.txt")):
        raise ModelError(
            f"{folder.name} holds no tokenizer.",
            asked=str(folder),
            available="folders with tokenizer.json or tokenizer.model",
            remedy="Save the tokenizer beside the model: tokenizer.save_pretrained(folder).",
            field="model",
        )


def missing_shards(folder: Path) -> list[str]:
    index = paths.read_json(folder / "model.safetensors.index.json", {})
    return sorted({f for f in index.get("weight_map", {}).values() if not (folder / f).exists()})


def has_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").exists() or (folder / "chat_template.json").exists():
        return True
    return bool((paths.read_json(folder / "tokenizer_config.json", {}) or {}).get("chat_template"))


def facts_from_config(config: dict[str, Any], *, name: str, **more: Any) -> ModelFacts:
    """Facts from a config.json as a dict; ModelError for what is not a decoder that this app can train."""
    text = {**config, **config.get("text_config", {})}
    kind = text.get("model_type", "unknown")
    if kind not in TARGETS and not _decoder(config):
        raise ModelError(
            f"{name} is of the kind {kind!r}, which can't be trained on chats or text here.",
            asked=kind,
            available=sorted(TARGETS),
            remedy="Choose a decoder such as SmolLM2, Qwen or Llama.",
            field="model",
        )
    try:
        hidden = text.get("hidden_size") or text["n_embd"]
        heads = text.get("num_attention_heads") or text["n_head"]
        facts = ModelFacts(
            name=name,
            model_type=kind,
            hidden=hidden,
            mlp=text.get("intermediate_size") or text.get("n_inner") or text.get("ffn_dim") or 4 * hidden,
            layers=text.get("num_hidden_layers") or text["n_layer"],
            heads=heads,
            kv_heads=text.get("num_key_value_heads") or heads,
            head_dim=text.get("head_dim") or hidden // heads,
            vocabulary=text["vocab_size"],
            tied=text.get("tie_word_embeddings", kind in ("gpt2", "gemma", "gemma2", "gemma3_text", "opt")),
            context=text.get("max_position_embeddings") or text.get("n_positions") or 2048,
            parameters=0,
            gated_mlp=kind not in ("gpt2", "gpt_neox", "phi", "opt"),
        )
    except KeyError as error:
        raise ModelError(
            f"The config.json of {name} says nothing of {error.args[0]}.",
            asked=name,
            available="hidden_size, num_hidden_layers, vocab_size ...",
            remedy="Copy the model's own config.json.",
            field="model",
        ) from error
    return _with_parameters(facts, **more)


def _decoder(config: dict[str, Any]) -> bool:
    return any("CausalLM" in a for a in config.get("architectures") or [])


def count_parameters(weights: list[Path]) -> tuple[int, int]:
    """(parameters, bytes per weight) from the headers of safetensors files (8 bytes of length, then JSON)."""
    total, stored = 0, 0
    for path in weights:
        for tensor in header(path).values():
            n = 1
            for side in tensor["shape"]:
                n *= side
            total, stored = total + n, stored + n * BYTES.get(tensor["dtype"], 2)
    return total, max(1, round(stored / max(1, total)))


def header(path: Path) -> dict[str, Any]:
    """{tensor name: {"dtype", "shape", "data_offsets"}} of one safetensors file."""
    try:
        with open(path, "rb") as f:
            (size,) = struct.unpack("<Q", f.read(8))
            if size > min(os.path.getsize(path), 100_000_000):
                raise ValueError("the header is longer than the file")
            tensors = json.loads(f.read(size))
        tensors.pop("__metadata__", None)
        if os.path.getsize(path) < 8 + size + max((t["data_offsets"][1] for t in tensors.values()), default=0):
            raise ValueError("the file ends before its last tensor does")
    except (ValueError, struct.error, AttributeError, KeyError, TypeError) as error:
        raise ModelError(
            f"The weights file {path.name} is damaged.",
            asked=str(error)[:120],
            available="whole safetensors files",
            remedy="Copy or download it again.",
            field="model",
        ) from error
    return tensors


def lora_modules(facts: ModelFacts, targets: str | list[str]) -> str | list[str]:
    """What PEFT calls `target_modules`: short names mapped for the family, module names as they are."""
    if isinstance(targets, str):
        return targets if targets == "all-linear" else lora_modules(facts, [t.strip() for t in targets.split(",") if t.strip()])
    known = TARGETS.get(facts.model_type, {})
    return list(dict.fromkeys(known.get(t, t) for t in targets))


def lora_parameters(facts: ModelFacts, rank: int, targets: str | list[str]) -> int:
    """How many weights LoRA adds: L sum r (in + out) over the targets (Hu et al. 2021, arXiv:2106.09685)."""
    shapes = facts.linears()
    fused: dict[str, list[str]] = {}
    for short, module in TARGETS.get(facts.model_type, LLAMA).items():
        fused.setdefault(module, []).append(short)
    wanted = lora_modules(facts, targets)
    total = 0
    for module, shorts in fused.items():
        if wanted == "all-linear" or module in wanted or any(module.endswith("." + w) or w.endswith("." + module) for w in wanted):
            known = [shapes[s] for s in shorts if s in shapes]
            total += rank * (known[0][0] + sum(out for _, out in known)) if known else 0
    return facts.layers * total


def listing(ws: paths.Workspace) -> list[tuple[str, str]]:
    """(title, ref) of what can be started from: the starter, the workspace's runs, the catalog."""
    from tuner import runs

    out = [("Starter (4 million parameters, comes with the app)", "starter")]
    out += [(f"{r.name} (tuned here)", r.id) for r in runs.listing(ws) if (r.path / "model").is_dir()]
    for entry in catalog():
        facts = catalog_facts(entry)
        out.append((f"{entry['id']} · {facts.parameters / 1e9:.2g}B · {entry['licence']}{' · gated' if facts.gated else ''}", entry["id"]))
    return out


def describe(model: Model) -> str:
    """One line for a form: size, licence, context, where it is."""
    f = model.facts
    size = f"{f.parameters / 1e9:.1f} billion parameters" if f.parameters >= 1e9 else f"{f.parameters / 1e6:.1f} million parameters"
    where = {"starter": "comes with the app", "folder": "a folder on this computer", "run": "tuned here"}.get(
        model.kind, "on this computer" if f.path else f"will be downloaded ({f.parameters * 2 / 1e9:.1f} GB)"
    )
    parts = [size, f"reads up to {f.context:,} tokens", where]
    return " · ".join(parts + ([f.licence] if f.licence else []) + (["gated: accept its terms on the Hub first"] if f.gated else []))
