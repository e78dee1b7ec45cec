"""What is known of a model: its sizes (`ModelFacts`), and what one can start from (`Model`)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


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
