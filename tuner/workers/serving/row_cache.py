"""The keys and values of several answers that are generated together, padded on the left to one length."""

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer


def batchable(model) -> bool:
    """Return whether rows can join and leave: not where a layer keeps a state that can't be padded (linear attention, convolutions)."""
    return all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in DynamicCache(config=model.config).layers)


def empty() -> DynamicCache:
    """Return a cache for new rows. Without the config each layer keeps all tokens, also where the model looks only at the last ones: it masks the
    others itself, and rows of different lengths stay aligned."""
    return DynamicCache()


def joined(one: DynamicCache | None, other: DynamicCache) -> DynamicCache:
    """Return a cache with the rows of both, the shorter one padded on the left."""
    if one is None:
        return other
    size = max(one.get_seq_length(), other.get_seq_length())
    for mine, its in zip(one.layers, other.layers, strict=True):
        if mine.is_initialized and its.is_initialized:  # layers that read another layer's keys have none of their own
            mine.keys = torch.cat([_padded(mine.keys, size), _padded(its.keys, size)])
            mine.values = torch.cat([_padded(mine.values, size), _padded(its.values, size)])
    return one


def kept(cache: DynamicCache, rows: list[int], padding: int) -> None:
    """Keep `rows` only, and drop `padding` columns from the left, which none of them uses."""
    for layer in cache.layers:
        if layer.is_initialized:
            which = torch.tensor(rows, device=layer.keys.device)
            layer.keys = layer.keys[which, :, padding:].contiguous()
            layer.values = layer.values[which, :, padding:].contiguous()


def token_bytes(cache: DynamicCache) -> int:
    """Return the bytes of one token of one row."""
    used = [layer for layer in getattr(cache, "layers", ()) if isinstance(layer, DynamicLayer) and layer.is_initialized]
    return sum(t[:1, :, :1].numel() * t.element_size() for layer in used for t in (layer.keys, layer.values))


def _padded(tensor: torch.Tensor, size: int) -> torch.Tensor:
    missing = size - tensor.shape[2]
    return torch.nn.functional.pad(tensor, (0, 0, missing, 0)) if missing else tensor
