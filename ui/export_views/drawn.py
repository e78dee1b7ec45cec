"""What the cards of Export say: what would be made, what is being made, what was made and how to use it."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tuner import runs
from tuner.errors import TunerError
from tuner.export import converter, formats, model_card, onnx_files, quantizers, sizes, space, tool_configs
from tuner.export.script import assembly as script
from tuner.formatting import human_bytes
from tuner.paths import Workspace
from ui.components import html, units
from ui.text import text

CHECKS = {  # what a check compared: the end of its text's name
    "identical to the weights of the run": "copy",
    "the trained weights themselves": "weights",
    "scores of the merged model against the base model with its adapter": "scores",
    "answers of the GGUF against the merged model": "answers",  # of exports from before it was the tuned one
    "answers of the GGUF against the tuned model": "answers",
    "answers of the merged model against the tuned model": "answers",
    "weights of the adapter read back from the GGUF": "layers",
    tool_configs.KIND: "settings",
    script.KIND: "losses",
    space.KIND: "app",
    onnx_files.KIND: "outputs",
    "not tested": "untested",
}
COUNTED = ("layers", "settings", "steps", "answers", "texts")  # what checks count
POLL = 0.4  # seconds


def working(work) -> Iterator[str]:
    """Do the work in a thread and yield what it is doing, and for how long, until it is done; raises its error. `work(tell)` calls
    `tell(seconds, what)`."""
    doing = [""]

    def tell(_: float, what: str) -> None:
        doing[0] = what

    with ThreadPoolExecutor(1) as pool:
        begun, future = time.monotonic(), pool.submit(work, tell)
        while not future.done():
            said = text("export-making", seconds=int(time.monotonic() - begun))
            now = f'<p class="ts-quiet" lang="en">{html.escape(doing[0])}</p>' if doing[0] else ""
            yield f'<p role="status">{html.state("quiet", said)}</p>{now}'
            time.sleep(POLL)
        future.result()


def not_possible(kind: str) -> str:
    return f"<p>{html.state('quiet', text('export-not-available'))}</p><p class='ts-quiet'>{html.escape(text(f'export-{kind}-not'))}</p>"


def about(run: runs.Run) -> str:
    """The run in a line: its base model and method, and the way to it."""
    settings, name = run.plan["settings"], html.escape(run.name)
    base = f'<span translate="no">{html.escape(run.plan["model"]["name"])}</span>'
    facts = text("export-about", model=base, method=html.escape(text(f"method-{settings['method'].replace('_', '-')}.label")))
    links = (
        html.link("runs", text("export-open-run"), query=f"run={run.id}")
        + " "
        + html.link("chat", text("export-chat"), query=f"model={run.id}")
    )
    return f'<div class="ts-line"><span class="ts-quiet"><b class="ts-short" translate="no" title="{name}">{name}</b> {facts}</span> <span>{links}</span></div>'


def card_of(run: runs.Run) -> str:
    """The run's model card without its front matter."""
    file = run.path / "card.md"
    found = file.read_text(encoding="utf-8") if file.exists() else ""
    return found.split("---\n")[-1] if found.startswith("---") else found


def before(ws: Workspace, run: runs.Run, kind: str, quantize: str) -> str:
    """How big it will be, and what is in it."""
    try:
        size = text("export-size-about", size=human_bytes(sizes.estimate(run, kind, quantize)))
    except TunerError:
        size = text("export-size-unknown")  # a damaged model, which the export itself reports
    base = f'<span translate="no">{html.escape(run.plan["model"]["name"])}</span>'
    if formats.FORMATS[kind].tools:
        told = [text(f"export-{kind}-made", model=base), *([] if converter.there(converter.place(ws)) else [text("export-gguf-fetch")])]
        return f"<p><b>{html.escape(size)}</b></p><p class='ts-quiet'>{' '.join(told)}</p>{_rounding(kind, quantize)}"
    if kind in tool_configs.TOOLS or kind in ("script", "space"):
        told = text("export-configs-made" if kind in tool_configs.TOOLS else f"export-{kind}-made")
        return f"<p><b>{html.escape(size)}</b></p><p class='ts-quiet'>{html.escape(told)}</p>"
    if kind == "onnx":
        install = f"<p>{html.state('warning', text('export-not-installed'))} <code translate='no'>{onnx_files.INSTALL}</code></p>"
        told = f"<p><b>{html.escape(size)}</b></p><p class='ts-quiet'>{html.escape(text('export-onnx-made'))}</p>"
        return told + (install if onnx_files.missing() else "")
    shipped = ("export-with-base" if sizes.shipped_base(run) else "export-needs-base") if kind == "adapter" else "export-whole"
    return f"<p><b>{html.escape(size)}</b></p><p class='ts-quiet'>{text(shipped, model=base)}</p>"


def _rounding(kind: str, quantize: str) -> str:
    """How a type with fewer than 8 bits is made, and whether it can be made here; empty for the others."""
    if quantize not in quantizers.TYPES or not formats.FORMATS[kind].types:
        return ""
    if quantizers.found():
        return f"<p class='ts-quiet'>{html.escape(text('export-quantizer'))}</p>"
    said = {n: f'<code translate="no">{c}</code>' for n, c in quantizers.COMMANDS.items()}
    return f"<p>{html.state('warning', text('export-not-installed'))} {text('export-quantizer-missing', **said)}</p>"


def after(made: dict[str, Any], path: str | None) -> str:
    """The verdict of the check, the size, and where it lies."""
    check = made["check"]
    known = CHECKS.get(check["kind"])
    verdict = (
        text(f"export-checked-{known}", kl=f"{check.get('max_kl', check.get('kl', 0)):.6f}", **answers(check))
        if known
        else text("export-checked")
    )
    left = text("export-not-written", what="; ".join(check["not_written"])) if check.get("not_written") else ""
    note = "".join(f'<p class="ts-quiet" lang="en">{html.escape(said)}</p>' for said in (check.get("note"), left) if said)
    where = f'<p class="ts-quiet">{html.escape(text("export-in"))} <code translate="no">{html.escape(path)}</code></p>' if path else ""
    rounded = check.get("before_rounding") if check.get("passed") is False else None
    if rounded:
        verdict += " " + text("export-rounded-more", share=units.percent(rounded["top1_agreement"] or 0, 1))
    looks = "export-untested" if known == "untested" else "export-rounded" if rounded else "export-checked"
    head = html.state("good" if looks == "export-checked" else "warning", text(looks))
    return f"<p>{head}</p><p>{html.escape(verdict)}</p>{note}<p><b>{human_bytes(made['bytes'])}</b></p>{where}"


def answers(check: dict[str, Any]) -> dict[str, Any]:
    """What a self-test found, as its sentence names it."""
    if not check.get("runtime"):
        n = next((check[name] for name in COUNTED if name in check), 0)
        return {"reason": check.get("reason", ""), "n": n, "rows": units.count(check.get("rows", 0))}
    return {"runtime": check["runtime"], "n": check["prompts"], "share": units.percent(check["top1_agreement"], 1)}


def code(run: runs.Run, kind: str, made: dict[str, Any]) -> str:
    """The lines that load an export, inside its folder."""
    if kind in ("script", "space"):
        return (script if kind == "script" else space).COMMANDS
    if kind in tool_configs.TOOLS:
        return tool_configs.COMMANDS[kind]
    if kind == "onnx":
        return model_card.lines(kind, run.plan)
    if formats.FORMATS[kind].tools:
        kind = "ollama" if made["check"].get("modelfile") else kind
        return model_card.lines(kind, run.plan, here=made["check"]["file"])
    base = "./base" if (Path(made["path"]) / "base").is_dir() else run.plan["model"]["base"]
    return model_card.lines(
        "adapter" if kind == "adapter" else "model", run.plan, base=base, labels=model_card.labels_in(run.path / "model")
    )
