"""Rows as hosted fine-tuning services take them, by a table of their published rules. No service is asked; what a row can't say there is told.

Shapes: {"messages", "tools"} of chat, {"input": {"messages", "tools"}, "preferred_output", "non_preferred_output"} of pairs, {"text"} of plain text.
The arguments of a call are a JSON text there, and an object here.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.data.importing.parquet import iterate
from tuner.data.store.dataset import Dataset
from tuner.errors import DataError, SettingError, translate
from tuner.formatting import human_bytes

BOM = b"\xef\xbb\xbf"
TOLD = 20  # rows left out that are named


@dataclass(frozen=True)
class Service:
    """The rules of a service. `least`: rows of a training file; `most`: bytes of a file; `bom`: files begin with a byte order mark; `weights`: turns may
    be left untrained; `alternating`: user and assistant take turns, after an optional system prompt. `source`: where they are published."""

    title: str
    kinds: tuple[str, ...]
    source: str
    least: int = 1
    most: int = 512 * 10**6
    bom: bool = False
    weights: bool = True
    alternating: bool = False


SERVICES = {
    "openai": Service("OpenAI", ("chat", "preference"), "https://platform.openai.com/docs/guides/supervised-fine-tuning", least=10),
    "azure": Service(
        "Azure OpenAI",
        ("chat", "preference"),
        "https://learn.microsoft.com/azure/ai-services/openai/how-to/fine-tuning",
        least=10,
        bom=True,
    ),
    "together": Service(
        "Together AI",
        ("chat", "preference", "text"),
        "https://docs.together.ai/docs/fine-tuning/data-preparation",
        most=100 * 10**9,
        weights=False,
        alternating=True,
    ),
    "mistral": Service("Mistral", ("chat",), "https://docs.mistral.ai/capabilities/finetuning/text_vision_finetuning", weights=False),
}


class CanNotSay(ValueError):
    """A row has something that the service has no form for."""


def service(name: str) -> Service:
    """Return the rules of a service; SettingError for another one."""
    if name in SERVICES:
        return SERVICES[name]
    raise SettingError(
        f"The rules of {name!r} are not known.",
        field="service",
        asked=name,
        available=list(SERVICES),
        remedy="Choose one of these, or leave it out.",
    )


def export(ds: Dataset, path: Path, name: str, tick: Callable[[int], None] = lambda rows: None) -> dict[str, Any]:
    """Write the training rows, and the validation rows beside them, as a service takes them.

    Returns {"files", "rows", "validation_rows", "left_out": [{"row", "reason"}], "left_out_count", "notes", "source"}. SettingError for a kind of data
    that the service does not train, DataError (and no file) for too few rows or too many bytes.
    """
    rules = service(name)
    if ds.kind not in rules.kinds:
        raise SettingError(
            f"{rules.title} does not take rows for {ds.kind}.",
            field="service",
            asked=ds.kind,
            available=list(rules.kinds),
            remedy="Choose another service.",
        )
    targets = {False: path, True: path.with_name(f"{path.stem}.validation{path.suffix or '.jsonl'}")}
    parts = {side: target.with_name(f".{target.name}.part") for side, target in targets.items()}
    counts, left, notes = {False: 0, True: 0}, [], Counter()
    try:
        files = {side: open(part, "wb") for side, part in parts.items()}
        try:
            for file in files.values():
                file.write(BOM if rules.bom else b"")
            for n, row in enumerate(iterate(ds), 1):
                try:
                    line = json.dumps(as_hosted(row["value"], ds.kind, rules, notes), ensure_ascii=False)
                except CanNotSay as why:
                    left.append({"row": row["row"], "reason": str(why)})
                    continue
                files[row["held_out"]].write(line.encode() + b"\n")
                counts[row["held_out"]] += 1
                if n % 200 == 0:
                    tick(n)
        finally:
            for file in files.values():
                file.close()
        _require(rules, ds, counts[False], parts[False].stat().st_size, left)
        for side, part in parts.items():
            if counts[side]:
                os.replace(part, targets[side])
    except OSError as error:
        raise translate(error) or error from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    told = {"files": [str(targets[side]) for side in targets if counts[side]], "rows": counts[False], "validation_rows": counts[True]}
    told |= {"left_out": left[:TOLD], "left_out_count": len(left), "notes": [f"{n:,} {what}" for what, n in notes.items()]}
    return told | {"service": rules.title, "source": rules.source}


def _require(rules: Service, ds: Dataset, rows: int, size: int, left: list[dict]) -> None:
    """Raise DataError where the service would not take the training file."""
    why = f" {len(left):,} rows can't be said there: {left[0]['reason']}" if left else ""
    if rows < rules.least:
        raise DataError(
            f"{rules.title} takes {rules.least} or more training rows; these are {rows}.{why}",
            asked=ds.ref,
            available=rules.source,
            remedy="Add rows, or make the validation share smaller.",
            field="service",
        )
    if size > rules.most:
        raise DataError(
            f"{rules.title} takes files of up to {human_bytes(rules.most)}; this one has {human_bytes(size)}.",
            asked=ds.ref,
            available=rules.source,
            remedy="Make a version with fewer rows.",
            field="service",
        )


def as_hosted(value: dict[str, Any], kind: str, rules: Service, notes: Counter) -> dict[str, Any]:
    """Return a canonical row in the shape of the service; CanNotSay where there is none. What is left away is counted in `notes`."""
    tools = {"tools": value["tools"]} if value.get("tools") else {}
    if kind == "text":
        return {"text": value["text"]}
    if kind == "chat":
        return {"messages": list(_turns(value["messages"], rules, notes))} | tools
    prompt, chosen, rejected = (list(_turns(value[side], rules, notes, whole=False)) for side in ("prompt", "chosen", "rejected"))
    if any(len(side) != 1 or side[0]["role"] != "assistant" for side in (chosen, rejected)):
        raise CanNotSay("an answer of several turns: the service compares two single answers")
    return {"input": {"messages": prompt} | tools, "preferred_output": chosen, "non_preferred_output": rejected}


def _turns(messages: list[dict[str, Any]], rules: Service, notes: Counter, whole: bool = True) -> Iterator[dict[str, Any]]:
    """Yield turns in the service's form. `whole`: a conversation that is trained on, not a prompt or an answer alone."""
    if whole and messages[-1]["role"] != "assistant":
        raise CanNotSay("the last turn is not the assistant's")
    if whole and rules.alternating and not _alternates([m["role"] for m in messages]):
        raise CanNotSay("user and assistant do not take turns")
    for message in messages:
        turn = {"role": message["role"]}
        if message["content"] or not message.get("tool_calls"):
            turn["content"] = message["content"]
        if calls := message.get("tool_calls"):
            turn["tool_calls"] = [_call(call, n) for n, call in enumerate(calls)]
        turn |= {key: message[key] for key in ("tool_call_id", "name") if message.get(key)}
        if message["role"] == "tool" and "tool_call_id" not in turn:
            raise CanNotSay("a tool's answer does not say to which call")
        if "weight" in message:
            if rules.weights:
                turn["weight"] = message["weight"]
            elif not message["weight"]:
                raise CanNotSay("a turn is not to be trained (weight 0), which can't be said there")
        if message.get("reasoning_content"):
            notes["turns had reasoning, which has no place there and is left away"] += 1
        yield turn


def _alternates(roles: list[str]) -> bool:
    """Return whether user and assistant take turns, after an optional system prompt; calls and tools between them don't count."""
    spoken = [role for role in roles[roles[:1] == ["system"] :] if role != "tool"]
    pairs = [role for n, role in enumerate(spoken) if not (n and role == spoken[n - 1] == "assistant" and "tool" in roles)]
    return all(role == ("user", "assistant")[n % 2] for n, role in enumerate(pairs))


def _call(call: dict[str, Any], n: int) -> dict[str, Any]:
    """Return a call with an id and its arguments as a JSON text."""
    function = call["function"]
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments if arguments is not None else {}, ensure_ascii=False)
    return {"id": call.get("id") or f"call_{n}", "type": "function", "function": {"name": function["name"], "arguments": text}}
