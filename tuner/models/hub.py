"""The Hub and its cache: search for models, and list those that are already on this computer. No weights are read."""

import re
import time
from dataclasses import dataclass
from functools import lru_cache

from tuner.errors import NetworkError, translate
from tuner.formatting import human_bytes

FOUND, LEAST = 20, 3  # models per search; letters of the shortest query
FRESH = 30  # seconds for which the list of cached models is kept: scanning a large cache takes a while


@dataclass(frozen=True)
class Hit:
    """A model: its id, parameters (0: unknown), whether it is gated, downloads of the last month, bytes in the cache (0: not cached)."""

    id: str
    parameters: int = 0
    gated: bool = False
    downloads: int = 0
    cached: int = 0


def cached() -> list[Hit]:
    """Return the models that are complete on this computer, the last used first; scanned again after half a minute."""
    return list(_cached(int(time.monotonic() // FRESH)))


@lru_cache(maxsize=1)
def _cached(_now: int) -> tuple[Hit, ...]:
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    from tuner.models.local import cached_snapshot

    try:
        repos = [r for r in scan_cache_dir().repos if r.repo_type == "model"]
    except CacheNotFound:
        return ()
    newest_first = sorted(repos, key=lambda r: r.last_accessed, reverse=True)
    return tuple(Hit(r.repo_id, cached=r.size_on_disk) for r in newest_first if cached_snapshot(r.repo_id))


def search(words: str) -> list[Hit]:
    """Return models of the Hub that match these words and have safetensors, the most downloaded first; [] for fewer than three letters.

    A local path is never sent. Raises NetworkError without a network, or with HF_HUB_OFFLINE set.
    """
    words = words.strip()
    return list(_search(words)) if len(words) >= LEAST and not _is_path(words) else []


def _is_path(words: str) -> bool:
    """Return whether the text looks like a path; a Hub id has one slash, and not at its start."""
    return bool(re.match(r"[/~.]|[A-Za-z]:", words)) or "\\" in words or words.count("/") > 1


@lru_cache(maxsize=64)
def _search(words: str) -> tuple[Hit, ...]:
    import httpx
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        raise _nothing(words, "this computer is set to stay offline (HF_HUB_OFFLINE)")
    try:
        httpx.head(constants.ENDPOINT, timeout=5)  # fails fast: without a network the client retries for half a minute
        found = HfApi().list_models(
            search=words, filter="safetensors", sort="downloads", limit=FOUND, expand=["safetensors", "gated", "downloads"], token=False
        )
        return tuple(_hit(m) for m in found)
    except Exception as error:
        raise translate(error) or _nothing(words, str(error)[:120]) from error


def _hit(m) -> Hit:
    size = getattr(m.safetensors, "total", 0) if m.safetensors else 0
    return Hit(m.id, size or 0, bool(m.gated), m.downloads or 0)


def _nothing(words: str, why: str) -> NetworkError:
    return NetworkError(
        f"The Hub can't be searched: {why}.",
        asked=words,
        available="models on this computer and those in the list",
        remedy="Choose one of these, or check the network.",
        field="model",
    )


def title(hit: Hit) -> str:
    """Return a model as one line of a list."""
    size = f" · {hit.parameters / 1e9:.2g}B" if hit.parameters else ""
    where = f" · on this computer ({human_bytes(hit.cached)})" if hit.cached else ""
    return f"{hit.id}{size}{' · gated' if hit.gated else ''}{where}"


def how_to_open(id: str) -> str:
    """Return how to get access to a gated model."""
    return (
        f"{id} is gated: open its page on huggingface.co, sign in, and accept its terms; then enter an access token with read access in "
        f"Settings, or run `hf auth login` in a terminal on this computer. Tunesmith stores neither."
    )
