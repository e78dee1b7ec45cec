"""The count of all rows in tokens and their languages: a plan is drawn from a sample until they are known, and anew when they are."""

import time
from collections.abc import Iterator

import gradio as gr

from tuner import models
from tuner.data.quality import language
from tuner.data.store import store
from tuner.errors import TunerError
from tuner.jobs import token_counting
from tuner.paths import Workspace
from tuner.planning import token_counts
from ui.components import units
from ui.components.html import escape
from ui.session import AppContext
from ui.text import text

LANGUAGES = "languages_missing"  # in what is pending: the plan was drawn without what is said of languages
POLL, LONGEST = 0.3, 1800  # seconds; a count that takes longer is looked at again with the next change of the form


class RowsView:
    """A line of progress while all rows of a large dataset are counted; `counted` changes when that has ended."""

    def __init__(self, context: AppContext):
        self.context = context
        self.counting = gr.HTML(elem_id="counting-rows")
        self.pending, self.counted = gr.State(None), gr.State(0)

    def wire(self) -> None:
        self._waiting(self.pending.change)  # a plan was drawn while the rows are counted: wait for the count

    def follow(self, opening: gr.events.Dependency) -> None:
        """Wait after an event without a queue too: Gradio doesn't tell of the states that such an event changed."""
        self._waiting(opening.then)

    def _waiting(self, event) -> None:
        event(
            self.on_count, [self.pending, self.counted], [self.counting, self.counted], trigger_mode="always_last", show_progress="hidden"
        )

    def on_count(self, pending: dict | None, counted: int, request: gr.Request):
        """Tell how far the count is; at its end put something new in `counted`, which draws the plan anew."""
        waited = False
        q = question(self.context.workspace(request), pending) if pending else None
        for said in progress(q):
            waited = True
            yield said, gr.skip()
        if q and pending.get(LANGUAGES):
            language.wait()
            waited = True
        there = q is not None and q.folder is not None and q.file.is_file()
        yield "", counted + 1 if waited or there else gr.skip()


def progress(q: token_counts.Question | None) -> Iterator[str]:
    """Yield how far a count is (HTML) until it has ended."""
    begun = time.monotonic()
    while q and (now := token_counting.progress(q)) and time.monotonic() < begun + LONGEST:
        done = now["done"] / max(1, now["total"])
        left = (time.monotonic() - begun) * (1 - done) / done if done > 0.05 else None
        said = text("train-counting", share=units.percent(done), rows=units.count(now["total"]))
        said += text("train-counting-left", time=units.duration(left)) if left else ""
        yield f'<p class="ts-quiet" role="status">{escape(said)}</p>'
        time.sleep(POLL)


def question(ws: Workspace, asked: dict) -> token_counts.Question | None:
    """Return what is counted for a form's model, data and settings; None when one of them is gone meanwhile."""
    try:
        return token_counts.question(store.get(ws, str(asked["data"])), models.resolve(str(asked["model"]), ws), asked)
    except TunerError:
        return None
