"""The modules of each model type: linear layers, norms and embeddings, with the names and sizes of transformers 5.

One function for each architecture; `BUILDERS` says which model type uses which. All sizes are in elements: H hidden, I mlp, Q and K the
widths of query and key/value, V vocabulary. Only `tensor_shapes.py` uses this module.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Part:
    """A module, or the same module in many layers: `name` contains {} for the number of the layer.

    `kind`: linear, embedding, norm or tensor (a bare parameter, such as experts). `role`: attention, cross, mlp, norm, embedding, head (LM
    head), task (labels). A `tied` part shares its weight: only its bias counts. A norm has 0 `inputs`.
    """

    name: str
    kind: str
    role: str
    inputs: int
    outputs: int
    bias: bool = False
    stack: str = ""  # encoder or decoder, for modules in layers
    layers: tuple[int, ...] = ()
    tied: bool = False

    @property
    def one(self) -> int:
        """Parameters in one layer."""
        weight = 0 if self.tied else max(self.inputs, 1) * self.outputs
        return weight + (self.outputs if self.bias else 0)

    @property
    def parameters(self) -> int:
        return self.one * (len(self.layers) or 1)

    def names(self) -> list[str]:
        return [self.name.format(i) for i in self.layers] if self.layers else [self.name]


def linear(name: str, role: str, inputs: int, outputs: int, bias: bool = False, tied: bool = False) -> Part:
    return Part(name, "linear", role, inputs, outputs, bool(bias), tied=tied)


def norm(name: str, size: int, bias: bool = False, role: str = "norm") -> Part:
    return Part(name, "norm", role, 0, size, bool(bias))


def embedding(name: str, rows: int, width: int) -> Part:
    return Part(name, "embedding", "embedding", rows, width)


def tensor(name: str, role: str, *sides: int) -> Part:
    size = 1
    for side in sides:
        size *= side
    return Part(name, "tensor", role, 0, size)


def layered(prefix: str, stack: str, n: int, parts: Iterable[Part]) -> list[Part]:
    """Return the parts of one layer repeated for `n` layers; a part with `layers` of its own keeps them."""
    each = tuple(range(n))  # shared by all parts
    return [replace(p, name=f"{prefix}.{{}}.{p.name}", stack=stack, layers=p.layers or each) for p in parts]


# --- decoders --------------------------------------------------------------------------------------------------------------

FOUR_NORMS = ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm")
NORMS = {
    **dict.fromkeys(("gemma2", "gemma3_text"), FOUR_NORMS),
    **dict.fromkeys(("olmo2", "olmo3"), ("post_attention_layernorm", "post_feedforward_layernorm")),
    "phi": ("input_layernorm",),
}


def llama(kind: str, f: Any, c: dict) -> list[Part]:
    """Return the parts of Llama and models like it: embeddings, layers of attention and MLP, a final norm."""
    centred = kind in ("phi", "stablelm")  # LayerNorm with a bias, not RMSNorm
    names = NORMS.get(kind, FOUR_NORMS[:1] if c.get("use_parallel_residual") and kind == "stablelm" else FOUR_NORMS[:2])
    layer = [*_attention(kind, f, c), *_mlp(kind, f, c), *(norm(n, f.hidden, centred) for n in names)]
    final = "final_layernorm" if kind == "phi" else "norm"
    return [
        embedding("embed_tokens", f.vocabulary, f.hidden),
        *layered("layers", "decoder", f.layers, layer),
        norm(final, f.hidden, centred),
        *(_experts(kind, f, c)),
    ]


def _attention(kind: str, f: Any, c: dict) -> list[Part]:
    same = bool(c.get("attention_bias")) and kind not in ("mistral", "mixtral", "phi3", "qwen2", "phi", "stablelm")
    qkv = same or kind in ("qwen2", "phi") or (kind == "stablelm" and bool(c.get("use_qkv_bias")))
    out = linear(f"self_attn.{'dense' if kind == 'phi' else 'o_proj'}", "attention", f.q, f.hidden, same or kind == "phi")
    if kind == "phi3":
        return [linear("self_attn.qkv_proj", "attention", f.hidden, f.q + 2 * f.kv), out]
    maps = [linear(f"self_attn.{n}_proj", "attention", f.hidden, size, qkv) for n, size in (("q", f.q), ("k", f.kv), ("v", f.kv))]
    return [*maps, out, *_query_norms(kind, f, c)]


NORMED = 128  # most heads with a norm each (one part each); the largest StableLM has 40


def _query_norms(kind: str, f: Any, c: dict) -> list[Part]:
    if kind in ("qwen3", "qwen3_moe", "gemma3_text"):
        return [norm(f"self_attn.{n}_norm", f.head_dim) for n in "qk"]
    if kind in ("olmo2", "olmo3"):
        return [norm("self_attn.q_norm", f.q), norm("self_attn.k_norm", f.kv)]
    if kind == "phi" and c.get("qk_layernorm"):
        return [norm(f"self_attn.{n}_layernorm", f.head_dim, True) for n in "qk"]
    if kind == "stablelm" and c.get("qk_layernorm"):
        if max(f.heads, f.kv_heads) > NORMED:
            raise ValueError(f"{f.heads:,} heads with a norm each; the limit is {NORMED}")
        sizes = (("q", f.heads), ("k", f.kv_heads))
        return [norm(f"self_attn.{n}_layernorm.norms.{i}", f.head_dim) for n, heads in sizes for i in range(heads)]
    return [tensor("self_attn.sinks", "attention", f.heads)] if kind == "gpt_oss" else []


def _mlp(kind: str, f: Any, c: dict) -> list[Part]:
    H, I = f.hidden, f.mlp  # noqa: E741
    if kind in EXPERTS:
        return []
    if kind == "phi3":
        return [linear("mlp.gate_up_proj", "mlp", H, 2 * I), linear("mlp.down_proj", "mlp", I, H)]
    if kind == "phi":
        return [linear("mlp.fc1", "mlp", H, I, True), linear("mlp.fc2", "mlp", I, H, True)]
    bias = bool(c.get("mlp_bias")) and kind in ("llama", "smollm3", "granite")
    return [linear(f"mlp.{n}_proj", "mlp", i, o, bias) for n, i, o in (("gate", H, I), ("up", H, I), ("down", I, H))]


EXPERTS = ("mixtral", "qwen3_moe", "gpt_oss")


def _experts(kind: str, f: Any, c: dict) -> list[Part]:
    """Return the experts of the layers, which are bare tensors, and the plain MLP of layers without experts (Qwen3-MoE may mix both)."""
    if kind not in EXPERTS:
        return []
    n, H = c.get("num_experts") or c["num_local_experts"], f.hidden
    I = c["moe_intermediate_size"] if kind == "qwen3_moe" else f.mlp  # noqa: E741
    parts = [tensor("mlp.experts.gate_up_proj", "mlp", n, 2 * I, H), tensor("mlp.experts.down_proj", "mlp", n, H, I)]
    if kind == "gpt_oss":
        parts += [tensor("mlp.experts.gate_up_proj_bias", "mlp", n, 2 * I), tensor("mlp.experts.down_proj_bias", "mlp", n, H)]
        parts += [tensor("mlp.router.weight", "mlp", n, H), tensor("mlp.router.bias", "mlp", n)]
    else:
        parts += [tensor("mlp.gate.weight", "mlp", n, H)]
    step, plain = c.get("decoder_sparse_step") or 1, frozenset(c.get("mlp_only_layers") or ())
    sparse = tuple(i for i in range(f.layers) if kind != "qwen3_moe" or (i not in plain and (i + 1) % step == 0))
    dense = tuple(sorted(set(range(f.layers)) - set(sparse)))
    parts = [replace(p, layers=sparse) for p in parts] if sparse else []
    parts += [replace(p, layers=dense) for p in _mlp("llama", f, {})] if dense else []
    return layered("layers", "decoder", f.layers, parts)


def qwen3_5(kind: str, f: Any, c: dict) -> list[Part]:
    """Return the parts of Qwen3.5: of four layers, three are gated delta networks (Yang et al. 2024, arXiv:2412.06464), one is gated attention."""
    types = c.get("layer_types") or [
        "full_attention" if (i + 1) % (c.get("full_attention_interval") or 4) == 0 else "" for i in range(f.layers)
    ]
    full = tuple(i for i, t in enumerate(types[: f.layers]) if t == "full_attention")
    state = tuple(i for i in range(f.layers) if i not in frozenset(full))
    attention = [linear("self_attn.q_proj", "attention", f.hidden, 2 * f.q), *_attention("llama", f, {})[1:]]
    attention += [norm(f"self_attn.{n}_norm", f.head_dim) for n in "qk"]
    mixers = [replace(p, layers=full) for p in attention if full] + [replace(p, layers=state) for p in _delta(f, c) if state]
    layer = [*mixers, *_mlp("llama", f, {}), *(norm(n, f.hidden) for n in FOUR_NORMS[:2])]
    return [embedding("embed_tokens", f.vocabulary, f.hidden), *layered("layers", "decoder", f.layers, layer), norm("norm", f.hidden)]


def _delta(f: Any, c: dict) -> list[Part]:
    H, heads = f.hidden, c["linear_num_value_heads"]
    values, mixed = heads * c["linear_value_head_dim"], 2 * c["linear_num_key_heads"] * c["linear_key_head_dim"]
    maps = (("in_proj_qkv", mixed + values), ("in_proj_z", values), ("in_proj_b", heads), ("in_proj_a", heads))
    return [
        *(linear(f"linear_attn.{n}", "attention", H, size) for n, size in maps),
        linear("linear_attn.out_proj", "attention", values, H),
        tensor("linear_attn.conv1d.weight", "attention", mixed + values, c.get("linear_conv_kernel_dim") or 4),
        *(tensor(f"linear_attn.{n}", "attention", heads) for n in ("dt_bias", "A_log")),
        norm("linear_attn.norm", c["linear_value_head_dim"]),
    ]


def gpt2(kind: str, f: Any, c: dict) -> list[Part]:
    """Return the parts of GPT-2 (Radford et al. 2019). Its layers are Conv1D, whose matrix is transposed; sizes here are (inputs, outputs)."""
    H = f.hidden
    layer = [
        norm("ln_1", H, True),
        linear("attn.c_attn", "attention", H, 3 * H, True),
        linear("attn.c_proj", "attention", H, H, True),
        norm("ln_2", H, True),
        linear("mlp.c_fc", "mlp", H, f.mlp, True),
        linear("mlp.c_proj", "mlp", f.mlp, H, True),
    ]
    places = embedding("wpe", c.get("n_positions") or f.context, H)
    return [embedding("wte", f.vocabulary, H), places, *layered("h", "decoder", f.layers, layer), norm("ln_f", H, True)]


def gpt_neox(kind: str, f: Any, c: dict) -> list[Part]:
    H, bias = f.hidden, c.get("attention_bias", True)
    layer = [
        norm("input_layernorm", H, True),
        norm("post_attention_layernorm", H, True),
        linear("attention.query_key_value", "attention", H, 3 * H, bias),
        linear("attention.dense", "attention", H, H, bias),
        linear("mlp.dense_h_to_4h", "mlp", H, f.mlp, True),
        linear("mlp.dense_4h_to_h", "mlp", f.mlp, H, True),
    ]
    return [embedding("embed_in", f.vocabulary, H), *layered("layers", "decoder", f.layers, layer), norm("final_layer_norm", H, True)]


def opt(kind: str, f: Any, c: dict) -> list[Part]:
    """Return the parts of OPT (Zhang et al. 2022). It has two more positions than its context; small ones may embed in another width."""
    H, bias, affine, width = f.hidden, c.get("enable_bias", True), c.get("layer_norm_elementwise_affine", True), opt_width(f, c)
    layer = [linear(f"self_attn.{n}_proj", "attention", H, H, bias) for n in ("q", "k", "v", "out")]
    layer += [norm("self_attn_layer_norm", H, True), norm("final_layer_norm", H, True)] if affine else []
    layer += [linear("fc1", "mlp", H, f.mlp, bias), linear("fc2", "mlp", f.mlp, H, bias)]
    parts = [embedding("decoder.embed_tokens", f.vocabulary, width), embedding("decoder.embed_positions", f.context + 2, H)]
    if width != H:
        parts += [linear("decoder.project_out", "embedding", H, width), linear("decoder.project_in", "embedding", width, H)]
    if c.get("do_layer_norm_before", True) and not c.get("_remove_final_layer_norm") and affine:
        parts.append(norm("decoder.final_layer_norm", H, True))
    return parts + layered("decoder.layers", "decoder", f.layers, layer)


def opt_width(f: Any, c: dict) -> int:
    return c.get("word_embed_proj_dim") or f.hidden


# --- encoders --------------------------------------------------------------------------------------------------------------


def bert(kind: str, f: Any, c: dict) -> list[Part]:
    """Return the parts of BERT, RoBERTa and ELECTRA: three embeddings and a norm; ELECTRA may embed in a smaller width."""
    width = c.get("embedding_size") or f.hidden if kind == "electra" else f.hidden
    parts = [
        embedding("embeddings.word_embeddings", f.vocabulary, width),
        embedding("embeddings.position_embeddings", c.get("max_position_embeddings", 512), width),
        embedding("embeddings.token_type_embeddings", c.get("type_vocab_size", 2), width),
        norm("embeddings.LayerNorm", width, True, "embedding"),
    ]
    if width != f.hidden:
        parts.append(linear("embeddings_project", "embedding", width, f.hidden, True))
    return parts + layered("encoder.layer", "encoder", f.layers, _bert_layer(f, ("self.query", "self.key", "self.value")))


def _bert_layer(f: Any, three: tuple[str, ...]) -> list[Part]:
    H, I = f.hidden, f.mlp  # noqa: E741
    return [
        *(linear(f"attention.{n}", "attention", H, H, True) for n in three),
        linear("attention.output.dense", "attention", H, H, True),
        norm("attention.output.LayerNorm", H, True),
        linear("intermediate.dense", "mlp", H, I, True),
        linear("output.dense", "mlp", I, H, True),
        norm("output.LayerNorm", H, True),
    ]


def distilbert(kind: str, f: Any, c: dict) -> list[Part]:
    H, I = f.hidden, f.mlp  # noqa: E741
    layer = [linear(f"attention.{n}_lin", "attention", H, H, True) for n in ("q", "k", "v", "out")]
    layer += [norm("sa_layer_norm", H, True), linear("ffn.lin1", "mlp", H, I, True), linear("ffn.lin2", "mlp", I, H, True)]
    layer.append(norm("output_layer_norm", H, True))
    places = embedding("embeddings.position_embeddings", c.get("max_position_embeddings", 512), H)
    words = [embedding("embeddings.word_embeddings", f.vocabulary, H), places, norm("embeddings.LayerNorm", H, True, "embedding")]
    return words + layered("transformer.layer", "encoder", f.layers, layer)


def deberta(kind: str, f: Any, c: dict) -> list[Part]:
    """Return the parts of DeBERTa (He et al. 2021, arXiv:2111.09543).

    Positions are relative, and share the projections of the tokens where share_att_key is set.
    """
    H, width = f.hidden, c.get("embedding_size") or f.hidden
    parts = [embedding("embeddings.word_embeddings", f.vocabulary, width), norm("embeddings.LayerNorm", H, True, "embedding")]
    if c.get("position_biased_input", True):
        parts.append(embedding("embeddings.position_embeddings", c.get("max_position_embeddings", 512), width))
    if c.get("type_vocab_size", 0):
        parts.append(embedding("embeddings.token_type_embeddings", c["type_vocab_size"], width))
    if width != H:
        parts.append(linear("embeddings.embed_proj", "embedding", width, H))
    layer = _bert_layer(f, ("self.query_proj", "self.key_proj", "self.value_proj"))
    types = (c.get("pos_att_type") or []) if c.get("relative_attention") and not c.get("share_att_key") else []
    layer += [
        linear(f"attention.self.{n}", "attention", H, H, True)
        for t, n in (("c2p", "pos_key_proj"), ("p2c", "pos_query_proj"))
        if t in types
    ]
    return parts + layered("encoder.layer", "encoder", f.layers, layer) + _relative(f, c)


def _relative(f: Any, c: dict) -> list[Part]:
    parts, H, kernel = [], f.hidden, c.get("conv_kernel_size") or 0
    if c.get("relative_attention"):
        most = c.get("max_relative_positions", -1)
        most = c.get("max_position_embeddings", 512) if most < 1 else most
        buckets = c.get("position_buckets", -1)
        parts.append(embedding("encoder.rel_embeddings", 2 * (buckets if buckets > 0 else most), H))
    if "layer_norm" in (c.get("norm_rel_ebd") or "none"):
        parts.append(norm("encoder.LayerNorm", H, True, "embedding"))
    if kernel:  # DeBERTa v2 XL
        per = H // c.get("conv_groups", 1)
        parts += [tensor("encoder.conv.conv.weight", "mlp", H, per, kernel), tensor("encoder.conv.conv.bias", "mlp", H)]
        parts.append(norm("encoder.conv.LayerNorm", H, True))
    return parts


def modernbert(kind: str, f: Any, c: dict) -> list[Part]:
    """Return the parts of ModernBERT (Warner et al. 2024, arXiv:2412.13663).

    Query, key and value are one layer, gate and up another; layer 0 has no first norm.
    """
    H, I, centred = f.hidden, f.mlp, c.get("norm_bias", False)  # noqa: E741
    layer = [
        *([replace(norm("attn_norm", H, centred), layers=tuple(range(1, f.layers)))] if f.layers > 1 else []),
        linear("attn.Wqkv", "attention", H, 3 * H, c.get("attention_bias", False)),
        linear("attn.Wo", "attention", H, H, c.get("attention_bias", False)),
        norm("mlp_norm", H, centred),
        linear("mlp.Wi", "mlp", H, 2 * I, c.get("mlp_bias", False)),
        linear("mlp.Wo", "mlp", I, H, c.get("mlp_bias", False)),
    ]
    words = [embedding("embeddings.tok_embeddings", f.vocabulary, H), norm("embeddings.norm", H, centred, "embedding")]
    return words + layered("layers", "encoder", f.layers, layer) + [norm("final_norm", H, centred)]


# --- encoder-decoders ------------------------------------------------------------------------------------------------------


def t5(kind: str, f: Any, c: dict) -> list[Part]:
    """Return the parts of T5 (Raffel et al. 2020, arXiv:1910.10683). The first layer of each half has the relative position biases."""
    encoder = [*_t5_attention(f, c, 0, "SelfAttention"), *_t5_mlp(f, 1)]
    decoder = [*_t5_attention(f, c, 0, "SelfAttention"), *_t5_attention(f, c, 1, "EncDecAttention"), *_t5_mlp(f, 2)]
    return [
        embedding("shared", f.vocabulary, f.hidden),
        *layered("encoder.block", "encoder", f.layers, encoder),
        norm("encoder.final_layer_norm", f.hidden),
        *layered("decoder.block", "decoder", f.decoder_layers, decoder),
        norm("decoder.final_layer_norm", f.hidden),
    ]


def _t5_attention(f: Any, c: dict, at: int, name: str) -> list[Part]:
    place, role = f"layer.{at}.{name}", "cross" if name == "EncDecAttention" else "attention"
    parts = [linear(f"{place}.{n}", role, f.hidden, f.q) for n in "qkv"]
    parts += [linear(f"{place}.o", role, f.q, f.hidden), norm(f"layer.{at}.layer_norm", f.hidden)]
    if role == "attention":
        biases = embedding(f"{place}.relative_attention_bias", c.get("relative_attention_num_buckets", 32), f.heads)
        parts.append(replace(biases, role="attention", layers=(0,)))
    return parts


def _t5_mlp(f: Any, at: int) -> list[Part]:
    place = f"layer.{at}.DenseReluDense"
    ups = ("wi_0", "wi_1") if f.gated_mlp else ("wi",)
    parts = [linear(f"{place}.{n}", "mlp", f.hidden, f.mlp) for n in ups]
    return [*parts, linear(f"{place}.wo", "mlp", f.mlp, f.hidden), norm(f"layer.{at}.layer_norm", f.hidden)]


def bart(kind: str, f: Any, c: dict) -> list[Part]:
    """Return the parts of BART (Lewis et al. 2020, arXiv:1910.13461).

    It has two more positions than its context; mBART ends each half with one more norm.
    """
    parts = [embedding("shared", f.vocabulary, f.hidden)]
    for stack, layers in (("encoder", f.layers), ("decoder", f.decoder_layers)):
        wide = c.get(f"{stack}_ffn_dim") or f.mlp
        parts += [embedding(f"{stack}.embed_positions", f.context + 2, f.hidden)]
        parts += [norm(f"{stack}.layernorm_embedding", f.hidden, True, "embedding")]
        parts += layered(f"{stack}.layers", stack, layers, _bart_layer(f.hidden, wide, stack == "decoder"))
        parts += [norm(f"{stack}.layer_norm", f.hidden, True)] if kind == "mbart" else []
    return parts


def _bart_layer(H: int, wide: int, crosses: bool) -> list[Part]:
    four = ("q_proj", "k_proj", "v_proj", "out_proj")
    parts = [linear(f"self_attn.{n}", "attention", H, H, True) for n in four] + [norm("self_attn_layer_norm", H, True)]
    if crosses:
        parts += [linear(f"encoder_attn.{n}", "cross", H, H, True) for n in four] + [norm("encoder_attn_layer_norm", H, True)]
    parts += [linear("fc1", "mlp", H, wide, True), linear("fc2", "mlp", wide, H, True), norm("final_layer_norm", H, True)]
    return parts


LIKE_LLAMA = (
    "llama qwen2 qwen3 mistral gemma gemma2 gemma3_text phi phi3 smollm3 olmo2 olmo3 granite stablelm mixtral qwen3_moe gpt_oss".split()
)
BUILDERS = {
    **dict.fromkeys(LIKE_LLAMA, ("decoder", llama, "model")),
    "qwen3_5_text": ("decoder", qwen3_5, "model"),
    "gpt2": ("decoder", gpt2, "transformer"),
    "gpt_neox": ("decoder", gpt_neox, "gpt_neox"),
    "opt": ("decoder", opt, "model"),
    "bert": ("encoder", bert, "bert"),
    "roberta": ("encoder", bert, "roberta"),
    "xlm-roberta": ("encoder", bert, "roberta"),
    "electra": ("encoder", bert, "electra"),
    "distilbert": ("encoder", distilbert, "distilbert"),
    "deberta-v2": ("encoder", deberta, "deberta"),
    "modernbert": ("encoder", modernbert, "model"),
    "t5": ("encoder-decoder", t5, ""),
    "mt5": ("encoder-decoder", t5, ""),
    "bart": ("encoder-decoder", bart, "model"),
    "mbart": ("encoder-decoder", bart, "model"),
}  # model type -> (family, builder, attribute name of the inner model in classes with a head)
PLAIN = {"decoder": "llama", "encoder": "bert", "encoder-decoder": "bart"}  # unknown model types are counted like this one
