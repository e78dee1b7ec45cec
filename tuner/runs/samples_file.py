"""samples.jsonl of a run: what the model answered to a few fixed prompts before the first step and at each evaluation.

One line per step, {"step", "answers": [{"prompt", "answer", "cut"}]}; of a step that a resumed run repeats the last line counts.
prompts.json beside it, a list of texts, holds a person's own prompts; without it the first validation rows are asked.
"""

import json
import os
from pathlib import Path
from typing import Any

from tuner import paths
from tuner.errors import RequestError

FILE, PROMPTS = "samples.jsonl", "prompts.json"
MOST, LONGEST = 5, 4000  # prompts, characters of one
TOKENS, SECONDS = 64, 30.0  # of an answer; for all answers of one evaluation


def write(folder: Path, step: int, answers: list[dict[str, Any]]) -> None:
    """Add the answers of a step, in one write of a whole line; what a kill has cut before it is left behind in its own line."""
    with open(folder / FILE, "ab+") as f:
        if f.tell() and (f.seek(-1, os.SEEK_END), f.read(1))[1] != b"\n":
            f.write(b"\n")
        f.write(json.dumps({"step": step, "answers": answers}, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")


def read(folder: Path) -> list[dict[str, Any]]:
    """Return the steps with their answers, in order; a line that was cut by a kill is left out."""
    found: dict[int, dict[str, Any]] = {}
    try:
        lines = (folder / FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            entry = json.loads(line)
            found[int(entry["step"])] = entry
        except (ValueError, KeyError, TypeError):
            continue
    return [found[step] for step in sorted(found)]


def own_prompts(folder: Path) -> list[str]:
    """Return the prompts that a person wrote; [] for those of the validation rows."""
    found = paths.read_json(folder / PROMPTS, [])
    return [p for p in found if isinstance(p, str) and p.strip()][:MOST] if isinstance(found, list) else []


def set_prompts(folder: Path, prompts: list[str]) -> list[str]:
    """Keep a person's own prompts, which are asked from the next evaluation on; [] goes back to the validation rows."""
    kept = [p.strip() for p in prompts if p.strip()]
    if len(kept) > MOST or any(len(p) > LONGEST for p in kept):
        raise RequestError(
            "These are too many prompts, or one is too long.",
            asked=f"{len(kept)} prompts, the longest of {max(map(len, kept)):,} characters",
            available=f"{MOST} prompts of {LONGEST:,} characters",
            remedy="Leave some out, or shorten them.",
            field="prompts",
        )
    paths.write_json(folder / PROMPTS, kept)
    return kept
