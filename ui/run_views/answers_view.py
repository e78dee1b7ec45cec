"""Two to four models answer the same questions, side by side: the compared runs, and the model that they began from."""

import contextvars
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import gradio as gr

from tuner import runs
from tuner.data.store import questions, store
from tuner.errors import RequestError
from tuner.paths import Workspace
from tuner.serving import side_by_side
from tuner.serving.served_models import Served
from tuner.settings import objectives
from ui.components import html, run_state, units
from ui.run_views.listing import find
from ui.run_views.scorecard import marked
from ui.session import AppContext
from ui.text import text

REDRAW = 0.3  # seconds
OWN, MOST = 5, 100  # questions: of the validation rows, where none is written; at most


@dataclass
class Asking:
    """What is being asked in one browser. `left`: the page shows other runs now."""

    stop: threading.Event = field(default_factory=threading.Event)
    left: bool = False


class AnswersView:
    """`values(chosen)` fills `shown`. `ids`: the compared runs, as in the address."""

    def __init__(self, context: AppContext, ids: gr.Textbox):
        self.context = context
        self.asking: dict[str, Asking] = {}  # by session
        with gr.Column(visible=False, elem_id="answers") as self.box:
            gr.HTML(f"<h3>{text('answers-title')}</h3>", padding=False)
            self.questions = gr.Textbox(
                label=text("answers-questions.label"),
                info=text("answers-questions.info", n=OWN),
                lines=3,
                max_lines=12,
                elem_id="answers-questions",
            )
            self.base = gr.Checkbox(
                False, label=text("answers-base.label"), info=text("answers-base.info", most=side_by_side.MOST), elem_id="answers-base"
            )
            with gr.Row():
                self.ask = gr.Button(text("answers-ask"), elem_id="answers-ask")
                self.cancel = gr.Button(text("evaluation-cancel"), visible=False, elem_id="answers-cancel")
            self.told = gr.HTML(elem_id="answers-told", padding=False)
            self.table = gr.HTML(elem_id="answers-table", padding=False)
        self.shown = [self.box]
        outs = [self.told, self.table, self.ask, self.cancel]
        self.ask.click(self.on_ask, [ids, self.questions, self.base], outs, show_progress="hidden")
        self.cancel.click(self.on_cancel, None, None, queue=False)
        ids.change(self.on_others, None, outs, queue=False)

    def values(self, chosen: list[runs.Run]) -> dict:
        """Return values for `shown`: there where all of two to four runs write text."""
        can = [run.can_answer and run.plan["settings"]["objective"] in objectives.GENERATIVE for run in chosen]
        return {self.box: gr.update(visible=1 < len(chosen) <= side_by_side.MOST and all(can))}

    def on_ask(self, ids, typed, base, request: gr.Request) -> Iterator[list]:
        """Ask all; the answers appear as they come, and what has come stays when it is cancelled."""
        ws, on, off = self.context.workspace(request), gr.update(visible=True), gr.update(visible=False)
        self._stop(request)
        mine = self.asking[request.session_hash] = Asking()
        try:
            chosen = [run for id in (ids or "").split(",") if (run := find(ws, id))]
            models, names = asked_models(ws, chosen, base)
            asked = written(typed or "") or _validation(ws, chosen)
            yield [working(0, 0), "", off, on]
            for now in heard(ws, models, asked, mine.stop):
                if isinstance(now, tuple):
                    done, total, texts = now
                    yield [working(done, total), drawn(names, asked, texts), off, on]
                else:
                    yield ["", drawn(names, asked, [row["answers"] for row in now["answers"]], now), on, off]
            if mine.stop.is_set() and not mine.left:
                yield [f'<p role="status">{html.state("quiet", text("answers-cancelled"))}</p>', gr.skip(), on, off]
        except Exception as error:
            yield [html.trouble(error), gr.skip(), on, off]
        finally:
            mine.stop.set()  # the page was closed: nobody waits for the rest
            if self.asking.get(request.session_hash) is mine:
                del self.asking[request.session_hash]

    def _stop(self, request: gr.Request, *, left: bool = False) -> None:
        if now := self.asking.get(request.session_hash):
            now.left = left
            now.stop.set()

    def on_cancel(self, request: gr.Request) -> None:
        self._stop(request)

    def on_others(self, request: gr.Request) -> list:
        """Other runs are compared now: what was asked of those before is not shown below them."""
        self._stop(request, left=True)
        return ["", "", gr.update(visible=True), gr.update(visible=False)]


def asked_models(ws: Workspace, chosen: list[runs.Run], base: bool) -> tuple[list[Served], list[str]]:
    """Return the models that are asked and their names; with `base` the one that the first run began from. RequestError for more than four."""
    refs, names = [run.id for run in chosen], run_state.distinct(chosen)
    if base and chosen:
        refs, names = [*refs, f"{refs[0]}/base"], [*names, text("answers-base-name", name=names[0])]
    return side_by_side.require(ws, refs), names


def written(typed: str) -> list[str]:
    """Return the questions of a field, one a line. RequestError for too many."""
    found = [line.strip() for line in typed.splitlines() if line.strip()]
    if len(found) > MOST:
        raise RequestError(
            f"{len(found):,} questions are too many for this page.",
            asked=len(found),
            available=f"up to {MOST}",
            remedy="`tunesmith compare RUN RUN --prompts FILE` takes any number.",
            field="questions",
        )
    return found


def _validation(ws: Workspace, chosen: list[runs.Run]) -> list[str]:
    """Return questions of the validation rows of the first run's dataset. RequestError where there are none."""
    ref = str(chosen[0].config.get("data"))
    if found := questions.distinct(store.get(ws, ref), OWN):
        return found
    raise RequestError(
        f"{ref} has no validation rows with a question.",
        asked=ref,
        available="questions of your own",
        remedy="Write one.",
        field="questions",
    )


def heard(ws: Workspace, models: list[Served], asked: list[str], stop: threading.Event) -> Iterator[tuple | dict[str, Any]]:
    """Yield (done, total, texts) while answers come, and at last what `side_by_side.answers` returns; ends early at `stop`. The work is done in a thread
    of its own, so that a stop is heard at once while a model is still being loaded."""
    news: queue.SimpleQueue = queue.SimpleQueue()

    def work() -> None:
        try:
            told = side_by_side.answers(
                ws,
                models,
                asked,
                heard=lambda *now: news.put(now),
                cancelled=stop.is_set,
                temperature=0.0,
                max_tokens=256,
            )
            news.put(told)
        except Exception as error:
            news.put(error)

    threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True).start()
    now: Any = (0, len(models) * len(asked), [])
    while not stop.wait(REDRAW):
        before = now
        while isinstance(now, tuple) and not news.empty():  # the newest alone
            now = news.get()
        if isinstance(now, Exception):
            raise now
        if now is not before:
            yield now
        if not isinstance(now, tuple):
            return


def working(done: int, total: int) -> str:
    """Say how far it is."""
    said = text("evaluation-working", done=f"{done:,}", total=f"{total:,}") if done else text("evaluation-loading")
    return f'<p role="status">{html.state("quiet", said)}</p>' + (html.bar(done / total) if done else "")


def drawn(names: list[str], asked: list[str], texts: list[list[str | None]], found: dict[str, Any] | None = None) -> str:
    """Draw the answers below their questions: a column for each model, with what the first one did not say marked. `found`: all of it, with the
    speed of each model and its CSV."""
    rows = "".join(_row(names, question, said) for question, said in zip(asked, texts, strict=False))
    if not found:
        return rows
    speed = [
        (
            name,
            units.decimal(m["tokens_per_second"], 3) if m["tokens_per_second"] else "",
            units.decimal(m["first_token_seconds"], 2) if m["first_token_seconds"] else "",
            m["cut"] or "",
        )
        for name, m in zip(names, found["models"], strict=False)
    ]
    head = [text("answers-model"), text("answers-speed"), text("answers-first"), text("answers-cut")]
    named = found | {"models": [m | {"model": name} for name, m in zip(names, found["models"], strict=False)]}
    file = quote(side_by_side.as_csv(named))
    return f'{rows}{html.table(head, speed)}<p><a class="ts-button" download="answers.csv" href="data:text/csv;charset=utf-8,{file}">{html.escape(text("answers-csv"))}</a></p>'


def _row(names: list[str], question: str, said: list[str | None]) -> str:
    first = said[0] if said else None
    cells = []
    for n, (name, answer) in enumerate(zip(names, said, strict=False)):
        if answer is None:
            shown = f'<span class="ts-quiet">{html.escape(text("answers-coming"))}</span>'
        else:
            shown = marked(answer, first if n and first is not None else answer)
        cells.append(f'<div><b translate="no">{html.escape(name)}</b><p class="ts-plain" dir="auto">{shown}</p></div>')
    return f'<section class="ts-compared-answers"><p class="ts-plain" dir="auto"><b>{html.escape(question)}</b></p><div class="ts-sides">{"".join(cells)}</div></section>'
