"""Base models and tuned models: what they are, from config.json and safetensors headers, never from weights."""

import os
import re
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from tuner import hub_token, model_config, model_files, model_formats, model_kinds, model_tokenizer, paths, shapes
from tuner.errors import ModelError, NotFoundError, TunerError
from tuner.model_files import check_parts, count_parameters, document, has_template, header, missing_shards  # noqa: F401 (header is used by export)

HUB_ID = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")

# where a family keeps the layers that LoRA adapts; a fused layer stands under several short names and is adapted whole
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
    **dict.fromkeys(("mixtral", "qwen3_moe", "gpt_oss"), {k: LLAMA[k] for k in "qkvo"}),  # their experts are no linear maps
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
    family: str = "decoder"  # see objectives.FAMILIES
    decoder_layers: int = 0  # of an encoder-decoder, beside the `layers` of its encoder
    notes: tuple[str, ...] = field(default=())
    outer: str = ""  # the kind of the multimodal model whose text part this is; "" for a plain language model
    still: int = 0  # parameters that see or hear, which are loaded and never trained
    packed: str | None = None  # nf4 or int8: how bitsandbytes stored the weights
    config: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)  # config.json as it is, for `shapes`

    @property
    def depth(self) -> int:
        """All layers, of both halves where there are two."""
        return self.layers + self.decoder_layers

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
        if is_adapter(folder):
            return _from_adapter(folder, need_weights)
        there = bool(model_files.weights(folder))  # what is planned with weights is to be trained
        return Model(str(folder), "folder", folder_facts(folder, need_weights=need_weights or there), str(folder))
    model_formats.check_reference(ref)
    if HUB_ID.fullmatch(ref):
        return _from_hub(ref, ws.token if ws else None)
    raise NotFoundError(
        f"There is no model called {ref[:80]!r}.",
        asked=ref[:80],
        available="starter, a folder, a Hub id (owner/name) or a run's id",
        remedy="Choose one from the list, or give the folder's full path.",
        field="model",
    )


def _folder(ref: str) -> Path | None:
    """`ref` as a path when it is written like one, or there is such a folder; ModelError for a file."""
    try:
        folder = Path(ref).expanduser()
        is_folder = folder.is_dir()  # raises here, and not later on, where no path can be so
        if folder.is_file():
            raise _a_file(folder)
        return folder.resolve() if ref.startswith(("/", "~", ".")) or "\\" in ref or is_folder else None
    except (OSError, RuntimeError, ValueError):  # a name too long, the home of nobody, a null byte
        return None


def _a_file(file: Path) -> ModelError:
    model_formats.check_reference(str(file))
    return ModelError(
        f"{file.name} is a file, and a model is a folder.",
        asked=str(file)[:200],
        available="folders with config.json, a tokenizer and *.safetensors",
        remedy=f"Choose the folder that holds it: {file.parent}.",
        field="model",
    )


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter alone: some programs save a config.json beside it, but no weights of the model."""
    if not (folder / "adapter_config.json").is_file():
        return False
    return not (folder / "config.json").exists() or bool(list(folder.glob("adapter_model.*"))) and not model_files.weights(folder)


def _from_adapter(folder: Path, need_weights: bool) -> Model:
    """An adapter that was made elsewhere (or exported from here), on the base that it names: the starting point of a run."""
    named = document(folder / "adapter_config.json").get("base_model_name_or_path")
    named = named if isinstance(named, str) else None
    if not named or not (folder / "adapter_model.safetensors").is_file():
        raise ModelError(
            f"{folder.name} holds an adapter that " + ("names no base model." if not named else "has no adapter_model.safetensors."),
            asked=str(folder),
            available="folders that PEFT saved, with safetensors",
            remedy='Write the base into "base_model_name_or_path" of adapter_config.json.'
            if not named
            else "Save it again with save_pretrained.",
            field="model",
        )
    base = _base_of(folder, named)
    if (found := _folder(base)) is not None and is_adapter(found):
        raise ModelError(
            f"{folder.name} holds an adapter that stands on another adapter.",
            asked=named[:200],
            available="an adapter of a whole model",
            remedy="Merge the first one into its base, and name that.",
            field="model",
        )
    try:
        start = resolve(base, need_weights=need_weights)
    except TunerError as error:
        raise _no_base(folder, named, error) from error
    return Model(str(folder), start.kind, start.facts, start.base, adapter=folder, revision=start.revision)


def _base_of(folder: Path, named: str) -> str:
    """The base that an adapter names: a path without a beginning is relative to the adapter's folder, and to no other."""
    beside = _folder(str(folder / named))
    if beside is not None and (beside.is_dir() or named.startswith(".")):
        return str(beside)
    return named


def _no_base(folder: Path, named: str, error: TunerError) -> ModelError:
    remedy = f'{error.remedy.rstrip()} Or write where the base lies into "base_model_name_or_path" of adapter_config.json.'
    return ModelError(
        f"The adapter in {folder.name} stands on {named[:200]}, which can't be used: {error.message}",
        asked=named[:200],
        available=error.available,
        remedy=remedy,
        field="model",
    )


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


def _from_hub(id: str, token: str | None) -> Model:
    entry = next((e for e in catalog() if e["id"].lower() == id.lower()), None)
    if (folder := cached_snapshot(id)) is not None:
        facts = folder_facts(folder, name=id, need_weights=True)
        return Model(id, "hub", facts, id, revision=folder.name)
    if entry:
        return Model(entry["id"], "hub", catalog_facts(entry), entry["id"])
    from tuner import hub_models  # which counts with this module

    return Model(id, "hub", hub_models.facts(id, hub_token.for_calls(token)), id)


def auto_class(folder: Path | None, objective: str) -> str:
    """transformers' class of a model for an objective; of a multimodal checkpoint the one that holds all of its parts."""
    from tuner import objectives  # which is written in the terms of this module

    usual, kind = objectives.get(objective), document(folder / "config.json").get("model_type") if folder else None
    return model_kinds.MULTIMODAL if usual.task == "CAUSAL_LM" and model_kinds.is_multimodal(kind) else usual.auto


def base_folder(base: str) -> Path | None:
    """Where the weights of a base lie on this computer: the folder itself, or the snapshot of a Hub id; None when they don't."""
    return Path(base) if Path(base).is_dir() else cached_snapshot(base)


def cached_snapshot(id: str) -> Path | None:
    """The folder of a model that was downloaded before, by this or another program; None when it isn't complete."""
    from huggingface_hub import try_to_load_from_cache

    if not HUB_ID.fullmatch(id):
        return None
    config = try_to_load_from_cache(id, "config.json")
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    return folder if model_files.weights(folder) and not missing_shards(folder) else None


FLAT = {
    "model_type": "model_type",
    "hidden": "hidden_size",
    "mlp": "intermediate_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "vocabulary": "vocab_size",
    "tied": "tie_word_embeddings",
    "context": "max_position_embeddings",
}  # what the catalog calls the values of a config.json; `config` there holds the rest of it


def catalog_facts(entry: dict[str, Any]) -> ModelFacts:
    config = {theirs: entry[ours] for ours, theirs in FLAT.items() if ours in entry}
    more = {"licence": entry["licence"], "gated": entry.get("gated", False), "context": entry["context"]}
    facts = facts_from_config({**config, **entry.get("config", {})}, name=entry["id"], **more)
    still = entry.get("still", 0)
    return replace(facts, outer=entry.get("outer", ""), still=still, parameters=facts.parameters + still)


def catalog_of(family: str) -> list[dict[str, Any]]:
    """The entries of one family, the smallest first."""
    return [e for e in catalog() if e.get("family", "decoder") == family]


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
    files = model_files.names(folder)
    if is_adapter(folder):
        raise ModelError(
            f"{folder.name} holds an adapter, not a whole model.",
            asked=str(folder),
            available="folders with config.json and weights",
            remedy="Choose the base model it was made from, or a run of this workspace.",
            field="model",
        )
    model_formats.check_files(files, folder.name, str(folder), document(folder / "config.json"))
    if not os.path.lexists(folder / "config.json"):
        raise ModelError(
            f"{folder.name} holds no config.json, so it is not a model.",
            asked=str(folder),
            available="folders saved with save_pretrained",
            remedy="Point to the folder that holds config.json, the tokenizer and *.safetensors.",
            field="model",
        )
    config, found = document(folder / "config.json"), model_files.weights(folder)
    check_config(config, files, name or folder.name)
    if need_weights or found:
        check_parts(folder, found, files)
    more: dict[str, Any] = {"path": str(folder) if found else None, "has_template": has_template(folder)}
    if found and not model_formats.quantization(config):
        more["parameters"], more["bytes_per_weight"] = count_parameters(found)  # of quantized weights the headers count bytes
        more |= {"still": model_files.count_still(found)} if model_kinds.outer(config) else {}
    facts = facts_from_config(config, name=name or folder.name, **more)
    if need_weights or any((folder / f).exists() for f in model_tokenizer.FILES):
        model_tokenizer.check(folder, facts.config, found, name or folder.name)
    return facts


def check_config(config: dict[str, Any], files: set[str], name: str) -> None:
    """ModelError for what config.json and the names of the files tell that can't be trained."""
    model_formats.check_purpose(config, files, name)
    model_formats.check_quantization(config, files, name)


# what families call the same size in config.json, the more telling name first
NAMES = {
    "hidden": ("hidden_size", "n_embd", "d_model", "dim"),
    "mlp": ("intermediate_size", "n_inner", "ffn_dim", "d_ff", "encoder_ffn_dim", "hidden_dim"),
    "layers": ("encoder_layers", "num_hidden_layers", "n_layer", "num_layers", "n_layers", "num_encoder_layers"),
    "heads": ("encoder_attention_heads", "num_attention_heads", "n_head", "num_heads", "n_heads", "num_encoder_attention_heads"),
    "decoder_layers": ("num_decoder_layers", "decoder_layers"),
    "context": ("max_position_embeddings", "n_positions"),
}


def facts_from_config(config: dict[str, Any], *, name: str, **more: Any) -> ModelFacts:
    """Facts from a config.json as a dict; ModelError for what belongs to no family that this app can train."""
    text = model_config.checked(config, name)
    kind, family, outer = text.get("model_type") or "unknown", shapes.family_of(text), model_kinds.outer(config)
    family = "decoder" if outer else family
    if family is None:
        raise ModelError(
            f"{name} is of the kind {kind!r}, which can't be trained here.",
            asked=kind,
            available=sorted(TARGETS),
            remedy="Choose a model such as SmolLM2, Qwen or Llama (for chats), BERT (for labels) or T5 (for one text from another).",
            field="model",
        )
    try:
        sizes = _sizes(kind, family, text)
    except KeyError as error:
        raise _silent(name, error) from error
    except model_config.FOREIGN as error:
        raise model_config.wrong(name, "one of its sizes", str(error)[:100], "sizes as save_pretrained writes them") from error
    if sizes["head_dim"] < 1:
        raise model_config.wrong(name, "num_attention_heads", sizes["heads"], f"at most hidden_size, {sizes['hidden']:,}")
    packed = model_formats.packed(config)
    facts = ModelFacts(
        name, kind, parameters=0, family=family, outer=outer, packed=packed, notes=_notes(kind, family), config=text, **sizes
    )
    still = more.get("still", model_config.towers(config) if outer else 0)
    return replace(facts, **{"parameters": _counted(facts) + still, "still": still, **more})


def _counted(facts: ModelFacts) -> int:
    """How many parameters the config describes; ModelError where that is more than any disk holds, or can't be told."""
    try:
        counted = shapes.total(shapes.parts(facts, "base" if facts.family == "encoder" else "lm"))
    except KeyError as error:
        raise _silent(facts.name, error) from error
    except model_config.FOREIGN as error:
        raise model_config.wrong(facts.name, "one of its sizes", str(error)[:100], "sizes as save_pretrained writes them") from error
    if not 0 < counted <= model_config.PARAMETERS:
        raise model_config.wrong(facts.name, "the number of parameters", counted, f"up to {model_config.PARAMETERS:.0e}")
    return counted


def _silent(name: str, error: KeyError) -> ModelError:
    return ModelError(
        f"The config.json of {name} says nothing of {error.args[0]}.",
        asked=name,
        available="hidden_size, num_hidden_layers, vocab_size ...",
        remedy="Copy the model's own config.json.",
        field="model",
    )


def _notes(kind: str, family: str) -> tuple[str, ...]:
    like = {"decoder": "Llama", "encoder": "BERT", "encoder-decoder": "BART"}[family]
    return () if kind in TARGETS else (f"{kind} is new here: its sizes are counted as those of a {like}.",)


def _sizes(kind: str, family: str, config: dict[str, Any]) -> dict[str, Any]:
    """The sizes of `ModelFacts`; KeyError for what the config doesn't say."""
    c = {**shapes.FALLBACK.get(kind, {}), **config}
    hidden, layers, heads = _first(c, "hidden"), _first(c, "layers", len(c.get("layers_block_type") or ()) or None), _first(c, "heads")
    halves = family == "encoder-decoder"
    return {
        "hidden": hidden,
        "mlp": _first(c, "mlp", 4 * hidden),
        "layers": layers,
        "heads": heads,
        "kv_heads": c.get("num_key_value_heads") or heads,
        "head_dim": c.get("d_kv") or c.get("head_dim") or hidden // heads,
        "vocabulary": _given(c, "vocab_size"),
        "tied": bool(c.get("tie_word_embeddings", kind in shapes.TIED or family == "encoder")),
        "context": _context(kind, c),
        "gated_mlp": _gated(kind, family, c),
        "decoder_layers": _first(c, "decoder_layers", layers) if halves else 0,
    }


def _first(config: dict[str, Any], size: str, default: int | None = None) -> int:
    value = next((config[n] for n in NAMES[size] if config.get(n)), default)
    if value is None:
        raise KeyError(NAMES[size][0])
    return value


def _given(config: dict[str, Any], key: str) -> int:
    if not config.get(key):
        raise KeyError(key)
    return config[key]


def _context(kind: str, c: dict[str, Any]) -> int:
    """T5's positions are relative: 512 is what it was trained with. RoBERTa's table of positions begins two rows late."""
    if kind in ("t5", "mt5"):
        return c.get("n_positions") or 512
    usual = 512 if shapes.family_of(c) == "encoder" else 2048
    return _first(c, "context", usual) - (2 if kind in ("roberta", "xlm-roberta") else 0)


def _gated(kind: str, family: str, c: dict[str, Any]) -> bool:
    if kind in ("t5", "mt5"):
        return str(c.get("feed_forward_proj", "relu")).startswith("gated")
    return kind == "modernbert" or family == "decoder" and kind not in ("gpt2", "gpt_neox", "phi", "opt")


def targets(facts: ModelFacts) -> dict[str, str]:
    """Short name -> the end of the module's name, for this very model (the first T5 has one map up, not two)."""
    known = TARGETS.get(facts.model_type, {})
    if facts.model_type in ("t5", "mt5") and not facts.gated_mlp:
        return {k: "wi" if k == "up" else v for k, v in known.items() if k != "gate"}
    return known


def lora_modules(facts: ModelFacts, wanted: str | list[str]) -> str | list[str]:
    """Ends of module names, as `workers/layers.named` reads them: short names mapped for the family, module names as they are."""
    if isinstance(wanted, str):
        return wanted if wanted == "all-linear" else lora_modules(facts, [t.strip() for t in wanted.split(",") if t.strip()])
    return list(dict.fromkeys(targets(facts).get(t, t) for t in wanted))


def lora_parameters(facts: ModelFacts, rank: int, wanted: str | list[str], *, dora: bool = False, head: str = "lm") -> int:
    """How many weights LoRA adds: sum of r (in + out) over the targets (Hu et al. 2021, arXiv:2106.09685).

    DoRA adds a magnitude for each output (Liu et al. 2024, arXiv:2402.09353).
    """
    modules, known = lora_modules(facts, wanted), list(TARGETS.get(facts.model_type, {}).values())
    linears = [p for p in shapes.parts(facts, head) if p.kind == "linear" and p.role != "task"]
    if modules == "all-linear":
        found = [(p, len(p.layers)) for p in linears if p.layers]
    else:
        found = shapes.matching(linears, modules, known)
    return sum(n * (rank * (p.inputs + p.outputs) + (p.outputs if dora else 0)) for p, n in found)


FAMILIES = {"decoder": "writes", "encoder": "reads and labels", "encoder-decoder": "makes one text from another"}  # in a few words


def listing(ws: paths.Workspace, *, most: int | None = None) -> list[tuple[str, str]]:
    """(title, ref) of what can be started from: the starter, the workspace's runs (the `most` newest alone), the catalog."""
    from tuner import runs

    out = [("Starter (4 million parameters, comes with the app)", "starter")]
    out += [(f"{r.name} (tuned here)", r.id) for r in islice((r for r in runs.listing(ws) if r.can_answer), most)]
    for entry in catalog():
        facts = catalog_facts(entry)
        title = f"{entry['id']} · {facts.parameters / 1e9:.2g}B · {FAMILIES[facts.family]} · {entry['licence']}"
        out.append((title + (" · gated" if facts.gated else ""), entry["id"]))
    return out


def describe(model: Model) -> str:
    """One line for a form: size, licence, context, where it is."""
    f = model.facts
    size = f"{f.parameters / 1e9:.1f} billion parameters" if f.parameters >= 1e9 else f"{f.parameters / 1e6:.1f} million parameters"
    where = {"starter": "comes with the app", "folder": "a folder on this computer", "run": "tuned here"}.get(
        model.kind, "on this computer" if f.path else f"will be downloaded ({f.parameters * 2 / 1e9:.1f} GB)"
    )
    parts = [size, FAMILIES[f.family], f"reads up to {f.context:,} tokens", where]
    return " · ".join(parts + ([f.licence] if f.licence else []) + (["gated: accept its terms on the Hub first"] if f.gated else []))
