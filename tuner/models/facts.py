"""What is known about a model: its sizes (`ModelFacts`), and what training can start from (`Model`)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ModelFacts:
    """The facts of a model. Sizes in elements: `hidden` H, `mlp` I, `q` heads x head_dim, `kv` kv_heads x head_dim, `vocabulary` V."""

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
    path: str | None = None  # a local folder with weights; None: the facts are from the catalog, the Hub or a config.json
    family: str = "decoder"  # see objectives.FAMILIES
    decoder_layers: int = 0  # of an encoder-decoder, in addition to the `layers` of its encoder
    notes: tuple[str, ...] = field(default=())
    multimodal_type: str = ""  # the model_type of the multimodal model whose text part this is; "" for a plain language model
    frozen_parameters: int = 0  # vision and audio parameters, which are loaded but never trained
    languages: tuple[str, ...] = field(default=(), compare=False)  # that it knows: see `card_languages`; () when nothing is said of them
    quantized: str | None = None  # nf4 or int8: how bitsandbytes quantized the stored weights
    config: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)  # config.json, for `tensor_shapes`

    @property
    def depth(self) -> int:
        """All layers, of encoder and decoder."""
        return self.layers + self.decoder_layers

    @property
    def q(self) -> int:
        return self.heads * self.head_dim

    @property
    def kv(self) -> int:
        return self.kv_heads * self.head_dim

    @property
    def layer_parameters(self) -> int:
        """P_L: the parameters in the linear layers of one transformer layer."""
        return 2 * self.hidden * self.q + 2 * self.hidden * self.kv + (3 if self.gated_mlp else 2) * self.hidden * self.mlp

    def linears(self) -> dict[str, tuple[int, int]]:
        """Return {short name: (inputs, outputs)} of the linear layers of one transformer layer; fused ones under each of their names."""
        H, I, Q, K = self.hidden, self.mlp, self.q, self.kv  # noqa: E741
        shapes = {"q": (H, Q), "k": (H, K), "v": (H, K), "o": (Q, H), "gate": (H, I), "up": (H, I), "down": (I, H)}
        return {k: v for k, v in shapes.items() if self.gated_mlp or k != "gate"}


@dataclass(frozen=True)
class Model:
    """A model that training can start from. `kind`: starter, folder, hub or run; `base`: the folder or Hub id of its base model."""

    ref: str
    kind: str
    facts: ModelFacts
    base: str
    adapter: Path | None = None  # the adapter of a run or folder to continue from
    revision: str | None = None
