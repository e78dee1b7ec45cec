"""Fits what one layer takes, for each kind of model and technique, from traces: `python -m bench.calibrate [--cpu] [KIND ...]`.

Writes presets/calibration/layers.json, which `tuner/memory` reads. Memory is linear in a few sizes, so a dozen shapes and least squares
give numbers that are exact for all shapes; the residuals are printed. It takes scipy (`pip install --group bench`) and two minutes a kind.
"""

import json
import multiprocessing
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linprog

from bench.trace.cases import config
from bench.trace.step import Case, Traced, trace
from tuner import counting, models, shapes
from tuner.architectures import PLAIN
from tuner.memory import layers

SHAPES = 14
EXACT = ("kept", "encoder", "first")
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


def sizes(kind: str, n: int) -> list[dict[str, int]]:
    """Shapes of models and batches by chance, always the same ones."""
    chance, out = random.Random(kind), []
    for _ in range(n):
        heads = chance.choice((8, 12, 16, 24, 32))
        H = heads * 16 * chance.randint(2, 10)
        head_dim = chance.choice((64, 80, 128)) if kind in OWN_DIM else H // heads
        out.append(
            {
                "H": H,
                "I": 64 * chance.randint(16, 200),
                "heads": heads,
                "kv": chance.choice([k for k in (1, 2, 4, 8) if heads % k == 0]),
                "head_dim": head_dim,
                "V": 64 * chance.randint(16, 2000),
                "rows": chance.randint(1, 5),
                "length": 64 * chance.randint(4, 20),
                "rank": chance.choice((8, 16, 32, 64)),
                "chosen": chance.choice((2, 3, 4)),
            }
        )
    return out


OWN_DIM = ("llama", "mistral", "qwen3", "gemma", "gemma2", "gemma3_text", "mixtral", "qwen3_moe", "gpt_oss", "t5", "mt5")


MAIN = ("llama", "qwen3", "gemma3_text", "bert", "t5", "bart")  # of these all ways; the others take what is rare from `PLAIN`
USUAL = ("full", "full-fp32", "frozen", "lora", "qlora", "lora-attention", "adapter")


def ways(kind: str, device: str) -> dict[str, dict[str, Any]]:
    """{name in the table: settings}"""
    if device == "cuda":
        return {way: s for way, s in WAYS.items() if kind in MAIN or way in USUAL}
    return {f"cpu {p} {way}": WAYS[way] | {"precision": p} for way in ON_CPU for p in ("fp32", "bf16")}


def observe(kind: str, way: str, settings: dict[str, Any], device: str, again: bool) -> list[tuple[dict, dict]]:
    """[(the case, what was traced)] of all shapes, as JSON; empty for what the libraries refuse."""
    family, out = shapes.family_of({"model_type": kind}), []
    if again and settings["method"] == "prefix":
        return out
    for s in sizes(kind, SHAPES):
        experts = {"num_experts_per_tok": s["chosen"]} if kind in layers.MIXTURES else {}
        made = config(kind, s["H"], s["I"], 3, s["heads"], s["kv"], s["head_dim"], s["V"], True, **experts)
        more = {"lora_rank": s["rank"], "adapter_size": s["rank"], "virtual_tokens": VIRTUAL, "gradient_checkpointing": again}
        case = Case(made, settings | more | {"objective": OBJECTIVE[family]}, s["rows"], s["length"], family != "decoder", device)
        found = apart(traced, case)
        if "error" in found:
            print(f"{kind} {way} checkpointing={again}: {found['error']}", file=sys.stderr)
            return []
        out.append(({"config": made, "settings": case.settings, "rows": case.rows, "length": case.length}, found))
    return out


def traced(case: Case) -> dict[str, Any]:
    try:
        return asdict(trace(case))
    except Exception as error:
        return {"error": f"{type(error).__name__}: {str(error)[:150]}"}


def phases(about: dict[str, Any], found: dict[str, Any]) -> dict[str, float]:
    """{phase: bytes}: see `layers.PHASES`. The first two layers differ from those that follow them; what they do is counted once."""
    facts, s, traced = facts_of(about), about["settings"], Traced(**found)
    marks = traced.marks
    live = {i: marks[f"forward {i}"][0] for i in range(facts.depth)}
    n, halves = facts.depth, facts.decoder_layers > 0
    kept, encoder = live[n - 1] - live[n - 2], live[2] - live[1]
    grads, last = marks["embeddings"][0] - traced.still, live[n - 1]
    words = facts.vocabulary * facts.hidden * (4 if s.get("precision") == "fp32" else 2) if s["method"] == "full" else 0
    found = {
        "kept": kept,
        "first": last - traced.still - (3 * (kept + encoder) if halves else 3 * kept),
        "forth": marks[f"forward {n - 1}"][1] - last,
        "head": max(marks["forward"][1], marks["head"][1]) - last,
        "back": marks[f"backward {n - 1}"][1] - last,
        "end": marks.get("backward 0", marks["embeddings"])[1] - traced.still - (grads - words),
        "reading": traced.reading - traced.still,
        "answer": traced.evaluation - traced.still,
    } | ({"encoder": encoder} if halves else {})
    return found | ({"input": marks["embeddings"][1] - traced.still - grads} if "backward 0" in marks else {})


def facts_of(about: dict[str, Any]) -> models.ModelFacts:
    return models.facts_from_config(about["config"], name=about["config"]["model_type"])


def sizes_of(about: dict[str, Any]) -> dict[str, int]:
    s, facts = about["settings"], facts_of(about)
    trained = 0 if s["method"] == "full" else counting.trainable(facts, s, s["objective"]) // facts.depth
    before, shift = (VIRTUAL if s["method"] == "prefix" else 0), (VIRTUAL if s["method"] == "prompt" else 0)
    return layers.sizes(facts, about["rows"], about["length"] + shift, rank=s["lora_rank"], added=trained, before=before)


def fitted(name: str, seen: list[tuple[dict, dict]]) -> dict[str, dict[str, float]]:
    """{phase: {size: coefficient}}"""
    rows = [(sizes_of(about), phases(about, found)) for about, found in seen]
    known = {phase: [(a, v[phase]) for a, v in rows] for phase in rows[0][1]}
    known["answer"] = [(a, v["answer"]) for a, v in rows if v["answer"] > v["reading"]]  # else it is only known to be no more
    return {phase: fit(name, phase, values) if values else {} for phase, values in known.items()}


def fit(name: str, phase: str, seen: list[tuple[dict[str, float], float]]) -> dict[str, float]:
    """Coefficients of the sizes that matter for this phase. What is kept is exact (least squares); the peaks within a phase are the
    larger of several things, so the closest bound from above is taken (a linear programme, no coefficient below zero)."""
    names = [n for n in layers.PHASES[phase] if any(at[n] for at, _ in seen)]
    a, b = np.array([[at[n] for n in names] for at, _ in seen], float), np.array([v for _, v in seen], float)
    scale = np.abs(a).max(0)
    if phase in EXACT:
        weight = 1 / np.abs(b).clip(1e6)
        found = np.linalg.lstsq(a / scale * weight[:, None], b * weight, rcond=1e-9)[0] / scale
    else:
        found = linprog((a / scale).sum(0), A_ub=-a / scale, b_ub=-b).x / scale
    off = np.abs(a @ found - b) / np.abs(b).clip(50e6)
    if off.max() > (0.005 if phase in EXACT else 0.1):
        print(f"{name:30} {phase:6} off by {off.mean():.1%} in the mean, {off.max():.1%} at most", file=sys.stderr)
    return {n: round(float(c), 3) for n, c in zip(names, found, strict=True) if abs(c) > 0.004}


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
    device = "cpu" if "--cpu" in sys.argv else "cuda"
    every = list(PLAIN.values()) if device == "cpu" else [k for k in models.TARGETS if k not in layers.LIKE]
    for kind in [a for a in sys.argv[1:] if not a.startswith("--")] or every:
        begun, found = time.monotonic(), {}
        for way, settings in ways(kind, device).items():
            for again in (False, True):
                name = way + (" again" if again else "")
                if seen := observed(kind, name, way, settings, device, again):
                    found[name] = fitted(f"{kind} {name}", seen)
        table = json.loads(layers.TABLE.read_text(encoding="utf-8")) if layers.TABLE.exists() else {}
        table[kind] = table.get(kind, {}) | found
        layers.TABLE.parent.mkdir(exist_ok=True)
        layers.TABLE.write_text(compact(table), encoding="utf-8")
        print(f"{kind}: {len(found)} ways in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)


def compact(table: dict[str, dict]) -> str:
    """JSON with a line for each kind and way."""
    kinds = (
        f'"{kind}": {{\n' + ",\n".join(f'  "{way}": {json.dumps(phases)}' for way, phases in sorted(table[kind].items())) + "\n }"
        for kind in sorted(table)
    )
    return "{\n " + ",\n ".join(kinds) + "\n}\n"


def observed(kind: str, name: str, *args: Any) -> list:
    """Traced once and kept in build/observed, so that another fit needs no traces."""
    file = Path("build/observed") / f"{kind} {name}.json"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(observe(kind, *args)), encoding="utf-8")
    return json.loads(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
