"""Try a person's chat template and show a row with it: `python -m tuner.workers.template_preview` (no torch).

A line of JSON on standard input is a question, a line on standard output its answer; see tuner/jobs/template_check.py. A template is a program:
while it runs, a watchdog ends this process after two seconds, and its memory is limited. Whoever asked then starts another one.
"""

import contextlib
import faulthandler
import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from tuner.data.schema import convert
from tuner.data.store import store
from tuner.errors import ModelError, RequestError, TunerError, translate
from tuner.models.chat_templates import PLAIN
from tuner.paths import Workspace
from tuner.settings import objectives
from tuner.workers.tokenization import row_view, template_sandbox, tokenizer_loader
from tuner.workers.tokenization.loss_mask import Masker, Rendered
from tuner.workers.tokenization.preference_rows import SIDES, conversation
from tuner.workers.tokenization.template_render import Renderer, TemplateRefusal, folded
from tuner.workers.tokenization.template_trial import Conversation, trial

IDLE = 120.0  # seconds without a question after which the process ends
LOOKED_AT, SHAPES, LETTERS = 300, 5, 20_000  # first rows; conversations of different shapes among them; characters of such a conversation
PLACEHOLDERS = {name: f"<{name.removesuffix('_token')}>" for name in ("bos_token", "eos_token", "unk_token", "pad_token")}
SAMPLE = {
    "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "What is 1 plus 1?"},
        {"role": "assistant", "content": "It is 2."},
    ]
}


# --- rows as conversations ----------------------------------------------------------------------------------------------------


def rows_of(ask: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the first rows of the dataset as {"row", "held_out", "value"}, each value a conversation; [] without any."""
    if not ask["data"]:
        return []
    ds, out = store.get(Workspace(Path(ask["home"]), ask["owner"]), ask["data"]), []
    with contextlib.suppress(RequestError):  # a kind of data without conversations
        for row in store.rows(ds, 0, LOOKED_AT):
            value = row["value"]
            tools = {"tools": value["tools"]} if value.get("tools") else {}
            paired = ask["objective"] in objectives.PAIRED and ds.kind in SIDES
            talk = conversation(value, SIDES[ds.kind][0]) if paired else {"messages": convert.as_messages(value, ds.kind)} | tools
            out.append(row | {"value": talk})
    return out


def shapes(rows: list[dict[str, Any]], fold_system: bool) -> list[Conversation]:
    """Return conversations of different shapes: roles in another order, with and without tools."""
    found: dict[Any, Conversation] = {}
    for row in rows:
        messages, tools = row["value"]["messages"], row["value"].get("tools") or None
        if sum(len(str(m.get("content") or "")) for m in messages) <= LETTERS:
            key = (tuple(m["role"] for m in messages[:6]), bool(tools), any(m.get("tool_calls") for m in messages))
            found.setdefault(key, (folded(messages) if fold_system else messages, tools))
    return list(found.values())[:SHAPES]


# --- an answer --------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def tokenizer_of(folder: str, _files: str):
    return tokenizer_loader.without_template(Path(folder))


def answer(ask: dict[str, Any]) -> dict[str, Any]:
    """Return {"problem", "notes", "row", "sample", "placeholders"}."""
    template, fold = ask["template"], ask["fold_system"]
    tokenizer = tokenizer_of(ask["folder"], json.dumps(ask["files"])) if ask["folder"] else None
    special = dict(tokenizer.special_tokens_map) if tokenizer else PLACEHOLDERS
    rows = rows_of(ask)
    about = {"sample": not rows, "placeholders": tokenizer is None, "row": None}
    with limited():
        problem, notes = trial(template, special, shapes(rows, fold))
    if problem:
        return about | {"problem": vars(problem), "notes": []}
    template_sandbox.remember(template)
    first = rows[0] if rows else {"row": 1, "held_out": False, "value": SAMPLE}
    with limited():
        row, more = drawn(template, tokenizer, first["value"], fold)
    numbers = {"row": first["row"], "held_out": first["held_out"]}
    return about | {"problem": None, "notes": [*notes, *more], "row": numbers | row}


def drawn(template: str, tokenizer, value: dict, fold_system: bool) -> tuple[dict[str, Any], list[str]]:
    """Return a row as tokens (as parts of its text without a tokenizer), and notes about its loss mask."""
    if tokenizer is None or not tokenizer.is_fast:
        return row_view.pieces(_rendered(template, value, fold_system)), []
    tokenizer.chat_template = template
    masker = Masker(tokenizer, kind="chat", objective="chat", fold_system=fold_system)
    (encoded,) = masker.batch([value])
    return row_view.view(encoded, tokenizer, masker.special), masker.notes()


def _rendered(template: str, value: dict, fold_system: bool) -> Rendered:
    messages = folded(value["messages"]) if fold_system else value["messages"]
    try:
        return Rendered(*Renderer(template, PLACEHOLDERS).write(messages, value.get("tools") or None))
    except TemplateRefusal as refusal:
        return Rendered(refused=str(refusal)[:200])


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """End this process when the block takes too long (by a thread outside the GIL), and limit its memory where the system supports it."""
    faulthandler.dump_traceback_later(template_sandbox.SECONDS, exit=True)
    try:
        with _little_memory():
            yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@contextlib.contextmanager
def _little_memory() -> Iterator[None]:
    try:  # Windows has no such limits, macOS none on memory
        import resource

        import psutil

        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + template_sandbox.MEMORY, before[1]))
    except (ImportError, ValueError, OSError):
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


# --- the process --------------------------------------------------------------------------------------------------------------


def serve(answers: Any) -> None:
    """Answer one question after the other until none comes for a while, or whoever asks is gone."""
    lines: queue.Queue = queue.Queue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    Renderer(PLAIN, PLACEHOLDERS)  # what is imported with the first template takes longer than a template may
    with contextlib.suppress(queue.Empty):
        while True:
            ask = lines.get(timeout=IDLE)
            print(json.dumps(_answered(ask)), file=answers, flush=True)


def _answered(ask: dict[str, Any]) -> dict[str, Any]:
    try:
        return answer(ask)
    except Exception as error:  # one question must not end the others
        traceback.print_exc()
        known = error if isinstance(error, TunerError) else translate(error)
        message = f"The chat template can't be tried: {type(error).__name__}: {error}"[:300]
        return {"errors": (known or ModelError(message, asked=ask["folder"], available="see the log", remedy="Try again.")).as_list()}


def _read(lines: queue.Queue) -> None:
    for line in sys.stdin:
        lines.put(json.loads(line))
    os._exit(0)  # the parent process is gone


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output of libraries must not mix with the answers
    serve(answers)


if __name__ == "__main__":
    sys.modules.setdefault("torch", None)  # transformers works without torch, and starts three times as fast
    main()
    os._exit(0)  # a hanging tokenizer thread must not keep this process alive
