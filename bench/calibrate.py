"""What one layer takes, for each kind of model and technique, from traces: `python -m bench.calibrate [--cpu] [--only WAY] [KIND ...]`.

Writes presets/calibration/layers.json, which `tuner/memory` reads. One trace a way is enough: its sizes are chosen so that each number of
bytes is one product of them only (a tensor of 3 x 1367 x 3848 elements is rows x length x mlp), so what is alive after each operation is
known for all sizes at once, term by term. A phase peaks at one operation or another, as the sizes are; those that come first somewhere
among some hundred shapes are kept. It takes half a minute a kind.
"""

import argparse
import itertools
import json
import multiprocessing
import random
import sys
import time
from collections import Counter
from typing import Any

import numpy as np

from bench.trace.cases import config
from bench.trace.step import Case, trace
from tuner import models
from tuner.models import tensor_shapes
from tuner.models.architectures import PLAIN
from tuner.planning.memory import activations

SAMPLES = 400  # shapes among which the operations are chosen
CLOSE = 0.002  # what may be lost by keeping fewer operations
SMALL = 100_000  # bytes: biases, counters
WEIGHTS = ("HI", "HQ", "HK", "HH", "II", "QQ", "rank H", "rank I", "rank Q", "rank K")
VIRTUAL = 16  # tokens of prompts and prefixes
WAYS: dict[str, dict[str, Any]] = {  # how the layers are trained
    "full": {"method": "full"},
    "full-fp32": {"method": "full", "precision": "fp32"},
    "frozen": {"method": "prompt"},
    "lora": {"method": "lora"},
    "qlora": {"method": "qlora"},
    "lora-attention": {"method": "lora", "lora_targets": ["q", "k", "v", "o"]},
    "dora": {"method": "lora", "use_dora": True},
    "ia3": {"method": "ia3"},
    "ln": {"method": "ln"},
    "adapter": {"method": "adapter"},
    "houlsby": {"method": "adapter", "adapter_placement": "houlsby"},
    "prefix": {"method": "prefix"},
}
ON_CPU = ("full", "frozen", "lora", "adapter")  # there nothing is cast, and the head is the model's own; the rest is like these
OBJECTIVE = {"decoder": "chat", "encoder": "classification", "encoder-decoder": "seq2seq"}
OWN_DIM = ("llama", "mistral", "qwen3", "gemma", "gemma2", "gemma3_text", "mixtral", "qwen3_moe", "gpt_oss", "t5", "mt5")
EXPERTS = 5
BYTES = (
    *(1, 2, 4, 8, 0.5, 12, 16, 1.5, 6, 3, 10, 24),
    *(1 / 16, 1 / 32, 32, 64, 512, 1024, 2048, 256, 128, 40, 20, 14, 18),
)  # of an element
PAIRS = (("Q", "K"), ("HQ", "HK"), ("K", "before K"), ("Q", "before Q"), ("H", "K"), ("H", "Q"))  # side by side in one tensor


def ways(device: str) -> dict[str, dict[str, Any]]:
    """{name in the table: settings}"""
    if device == "cuda":
        return WAYS
    return {f"cpu {p} {way}": WAYS[way] | {"precision": p} for way in ON_CPU for p in ("fp32", "bf16")}


def case_of(kind: str, settings: dict[str, Any], device: str, again: bool) -> Case:
    """Three layers (the first two differ from those that follow them), sizes without common factors, a little more than one tile."""
    family = tensor_shapes.family_of({"model_type": kind})
    H = 33 * (48 if kind in OWN_DIM else 56)
    experts = {"num_experts_per_tok": 3, "num_local_experts": EXPERTS, "num_experts": EXPERTS} if kind in activations.MIXTURES else {}
    made = config(kind, H, 3848, 3, 33, 3, 56, activations.TILE[1] + 424, True, **experts)
    more = {"lora_rank": 20, "adapter_size": 20, "virtual_tokens": VIRTUAL, "gradient_checkpointing": again}
    return Case(made, settings | more | {"objective": OBJECTIVE[family]}, 3, 1367, family != "decoder", device)


def sizes_of(case: Case, facts: models.ModelFacts, rows: int, length: int, rank: int) -> dict[str, int]:
    method = case.settings["method"]
    before, shift = (VIRTUAL if method == "prefix" else 0), (VIRTUAL if method == "prompt" else 0)
    return activations.sizes(facts, rows, length + shift, rank=rank, before=before)


def samples(case: Case) -> list[dict[str, int]]:
    """Sizes of models and batches by chance, always the same ones."""
    kind = case.facts.model_type
    chance, out = random.Random(kind), []
    for _ in range(SAMPLES):
        heads = chance.choice((8, 12, 16, 24, 32))
        H = heads * 16 * chance.randint(3, 10)
        head_dim = chance.choice((64, 80, 128)) if kind in OWN_DIM else H // heads
        kv, I = chance.choice([k for k in (1, 2, 4, 8) if heads % k == 0]), round(H * chance.uniform(1.5, 5))  # noqa: E741
        made = config(kind, H, I, 3, heads, kv, head_dim, 64 * chance.randint(400, 2500), True)
        made |= {k: v for k, v in case.config.items() if "experts" in k}
        facts = models.facts_from_config(made, name=kind)
        rows, length = chance.choice((1, 1, 2, 4, 8)), chance.choice((256, 512, 1024, 2048))
        out.append(sizes_of(case, facts, rows, length, chance.choice((8, 16, 32, 64))))
    return out


class Reader:
    """Says which product of sizes a number of bytes is; `others` are the sizes of rows a little shorter or longer, which count alike."""

    def __init__(self, at: dict[str, int], others: list[dict[str, int]]):
        self.at, self.known, self.unknown = {n: size for n, size in at.items() if size}, {}, Counter()
        for c in BYTES:
            for name, size in self.at.items():
                self.known.setdefault(round(c * size), {name: c})
        for a, b in (p for p in PAIRS if p[0] in self.at and p[1] in self.at):
            for c in (1, 2, 4, 8):
                for d in (1, 2, 3, 4, 8, 16):
                    self.known.setdefault(c * self.at[a] + d * self.at[b], {a: c, b: d})
        for c, n in itertools.product((1, 2, 4), (0, 2)):  # learnt positions: some kinds have two more than they say
            self.known[c * (at["positions"] + n * at["H"] // at["tokens"])] = {"positions": c}
        for other in others:
            for c in BYTES:
                for name in ("H", "tokens", "V", "I", "Q", "K", "dim", "heads", "mask", "scores", "bias", "one", "row H"):
                    self.known.setdefault(round(c * other[name]), {name: c})

    def read(self, storages: dict[int, int]) -> dict[str, float]:
        """{size: bytes of each} of that many storages of each number of bytes; what is no product is counted by the token, if it is large."""
        out = Counter()
        for number, many in storages.items():
            if number not in self.known:
                self.unknown[number] += 1
            for name, c in self.known.get(number, {"tokens": number / self.at["tokens"]} if number > SMALL else {}).items():
                out[name] += c * many
        return out


def phases(case: Case, closely: dict[str, Any], reader: Reader) -> dict[str, list[dict[str, float]]]:
    """{phase: what is alive above its base at one operation after the other}: see `layers.PHASES`."""
    n, halves = case.facts.depth, case.facts.decoder_layers > 0
    end = {name: reader.read(storages) for name, (storages, _) in closely.items()}
    still, left = end["still"], less(end["test forward 2"], end["test forward 1"])
    cast = {name: c for name, c in left.items() if name in WEIGHTS}
    kept, encoder = less(end[f"forward {n - 1}"], end[f"forward {n - 2}"]), less(end["forward 2"], end["forward 1"])
    lost = times(n, cast) if case.settings["gradient_checkpointing"] else {}  # else the backward still holds it
    last, grads = less(end[f"forward {n - 1}"], lost), less(end["embeddings"], still)
    if lost:
        kept, encoder = less(kept, cast), less(encoder, cast)

    def above(base: dict[str, float], *stretches: str) -> list[dict[str, float]]:
        return [less(reader.read(storages), base) for name in stretches for storages in closely[name][1]]

    tested, learnt = plus(still, times(n, left)), plus(still, grads)
    out = {
        "kept": [kept],
        "cast": [cast],
        "left": [left],
        "first": [less(less(last, still), plus(times(3, kept), times(3, encoder)) if halves else times(3, kept))],
        "forth": above(plus(last, lost), f"forward {n - 1}"),
        "head": above(last, "forward", "head"),
        "back": above(last, f"backward {n - 1}"),
        "end": above(learnt, "backward 0" if "backward 0" in closely else "embeddings"),
        "reading": above(tested, *(name for name in closely if name.startswith("test forward "))),
        "answer": above(tested, "test forward", "test answer"),
    }
    if "backward 0" in closely:
        out["input"] = above(learnt, "embeddings")
    return out | ({"encoder": [encoder]} if halves else {})


def plus(a: dict[str, float], b: dict[str, float]) -> dict[str, float]:
    return {k: a.get(k, 0) + b.get(k, 0) for k in a.keys() | b.keys()}


def less(a: dict[str, float], b: dict[str, float]) -> dict[str, float]:
    return plus(a, {k: -v for k, v in b.items()})


def times(n: int, a: dict[str, float]) -> dict[str, float]:
    return {k: n * v for k, v in a.items()}


def fewest(found: list[dict[str, float]], shapes: list[dict[str, int]]) -> list[dict[str, float]]:
    """Those of the operations that are needed to come close to the largest of all in each of the shapes."""
    every = [dict(one) for one in sorted({tuple(sorted((k, round(v, 3)) for k, v in f.items() if abs(v) > 0.001)) for f in found})]
    if len(every) < 2:
        return every
    names = sorted({k for one in every for k in one})
    bytes_of = np.array([[one.get(k, 0.0) for k in names] for one in every]) @ np.array([[at[k] for at in shapes] for k in names], float)
    most, chosen = bytes_of.max(0), []
    scale = np.abs(most).clip(1e6)
    reached = np.full(len(shapes), -np.inf)
    while ((most - reached) / scale).max() > CLOSE:
        best = (np.maximum(bytes_of, reached) / scale).sum(1) if chosen else (bytes_of / scale).sum(1)
        chosen.append(int(best.argmax()))
        reached = np.maximum(reached, bytes_of[chosen[-1]])
    return [every[i] for i in chosen]


def fitted(kind: str, way: str, settings: dict[str, Any], device: str, again: bool) -> dict[str, Any]:
    """{phase: [{size: bytes of each}, ...], of which the largest counts}; empty for what the libraries refuse."""
    if again and settings["method"] == "prefix":
        return {}
    case = case_of(kind, settings, device, again)
    closely = apart(traced, case)
    if isinstance(closely, str):
        print(f"{kind} {way}: {closely}", file=sys.stderr)
        return {}
    at = sizes_of(case, case.facts, case.rows, case.length, case.settings["lora_rank"])
    others = [
        activations.sizes(case.facts, 3, 1367 + n, before=b)
        for n, b in itertools.product((0, -1, VIRTUAL, VIRTUAL - 1), (0, 1, VIRTUAL, VIRTUAL + 1))
    ]
    reader, some = Reader(at, others), samples(case)
    out = {phase: fewest(found, some) for phase, found in phases(case, closely, reader).items()}
    for number, many in reader.unknown.most_common():
        if many > 1 and number > 2e6:
            print(f"{kind} {way}: what are {number} bytes? ({many} times)", file=sys.stderr)
    return out


def traced(case: Case) -> Any:
    try:
        return trace(case, closer=True).closely
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:150]}"


def _send(there, work, *args: Any) -> None:
    there.send(work(*args))


def apart(work, *args: Any) -> Any:
    """`work(*args)` in a forked process: fake tensors of some kinds corrupt the heap sooner or later; then it is tried again."""
    for _ in range(4):
        here, there = multiprocessing.Pipe(duplex=False)
        child = multiprocessing.get_context("fork").Process(target=_send, args=(there, work, *args))
        child.start()
        there.close()
        try:
            found = here.recv()
            child.join()
            return found
        except EOFError:
            child.join()
    sys.exit(f"{args} could not be traced")


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("kinds", nargs="*", metavar="KIND")
    ask.add_argument("--cpu", action="store_true", help="training on a processor")
    ask.add_argument("--only", default="", help="ways of this name")
    args = ask.parse_args()
    device = "cpu" if args.cpu else "cuda"
    every = list(PLAIN.values()) if args.cpu else [k for k in models.TARGETS if k not in activations.LIKE]
    for kind in args.kinds or every:
        begun, found = time.monotonic(), {}
        for way, settings in ways(device).items():
            for again in (False, True):
                if args.only in ("", way) and (fit := fitted(kind, way, settings, device, again)):
                    found[way + (" again" if again else "")] = fit
        table = json.loads(activations.TABLE.read_text(encoding="utf-8")) if activations.TABLE.exists() else {}
        table[kind] = table.get(kind, {}) | found
        activations.TABLE.parent.mkdir(exist_ok=True)
        activations.TABLE.write_text(compact(table), encoding="utf-8")
        print(f"{kind}: {len(found)} ways in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)


def compact(table: dict[str, dict]) -> str:
    """JSON with a line for each kind and way."""
    kinds = (
        f'"{kind}": {{\n' + ",\n".join(f'  "{way}": {json.dumps(phases)}' for way, phases in sorted(table[kind].items())) + "\n }"
        for kind in sorted(table)
    )
    return "{\n " + ",\n ".join(kinds) + "\n}\n"


if __name__ == "__main__":
    main()
