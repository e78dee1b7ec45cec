"""What becomes of the rows, before the start: what is cut, left out or not seen by the model, and what one click mends."""

import time

import gradio as gr

from tuner import models
from tuner.data.store import store
from tuner.errors import TunerError
from tuner.jobs import token_counting
from tuner.paths import Workspace
from tuner.planning import token_counts
from tuner.runs import run_warnings
from ui.components import html
from ui.session import AppContext
from ui.train_views import form

BUTTONS = 3  # fixes that one click takes
POLL, LONGEST = 0.3, 1800  # seconds; a count that takes longer is looked at again with the next change of the form


class RowsView:
    """A card of warnings, a button for each fix, and a line of progress while all rows of a large dataset are counted."""

    def __init__(self, context: AppContext):
        self.context = context
        self.card = gr.HTML(elem_id="plan-rows")
        self.fixes = gr.State([])
        self.buttons = [gr.Button("", visible=False, size="sm", elem_id=f"fix-{i}", elem_classes="ts-remedy") for i in range(BUTTONS)]
        self.counting = gr.HTML(elem_id="counting-rows")
        self.pending, self.counted = gr.State(None), gr.State(0)
        self.outputs = [self.card, self.fixes, self.pending, *self.buttons]

    def wire(self, widgets: dict, replan) -> None:
        """`replan` = (handler, inputs, outputs) has the plan drawn anew when a fix was taken; a change of `counted` does so by itself."""
        self.names = list(widgets)
        for i, button in enumerate(self.buttons):
            taken = button.click(
                lambda found, i=i: self.on_fix(found, i), self.fixes, list(widgets.values()), queue=False, show_progress="hidden"
            )
            taken.then(*replan, show_progress="hidden")
        self.pending.change(  # a plan was drawn while the rows are counted: wait for the count
            self.on_count, [self.pending, self.counted], [self.counting, self.counted], trigger_mode="always_last", show_progress="hidden"
        )

    def show(self, plan, asked: dict) -> list:
        """Values for `outputs`; `asked` is what was planned."""
        pending = None if plan.rows or not asked.get("data") else asked
        fixes = list({f["title"]: f for w in plan.warnings for f in w["fixes"]}.values())[:BUTTONS]
        lines = "".join(html.bad(run_warnings.sentence(w)) for w in plan.warnings if w["severity"] != "info")
        lines += "".join(
            f'<p class="ts-quiet">{html.escape(run_warnings.sentence(w))}</p>' for w in plan.warnings if w["severity"] == "info"
        )
        if plan.question:
            accepted = any(q["field"] == "accept_lost_rows" for q in plan.question)
            way = "take a fix, or choose “Train without the lost rows” in all settings" if accepted else "take a fix, or change the data"
            lines += f"<p>Training will not start like this: {way}.</p>"
        titles = [gr.update(value=f["title"], visible=True) for f in fixes]
        card = f'<div class="ts-card"><b>What becomes of the rows</b>{lines}</div>' if lines else ""
        return [card, fixes, pending, *titles, *[gr.update(visible=False)] * (BUTTONS - len(fixes))]

    def nothing(self) -> list:
        return ["", [], None, *[gr.update(visible=False)] * BUTTONS]

    def on_fix(self, found: list, i: int) -> list:
        """The form with the i-th fix in it."""
        change = found[i]["settings"] if i < len(found) else {}
        return [gr.update(value=form.show(n, change[n])) if n in change else gr.skip() for n in self.names]

    def on_count(self, pending: dict | None, counted: int, request: gr.Request):
        """How far the count of all rows is, and at its end something new in `counted`, which draws the plan anew."""
        end = time.monotonic() + LONGEST
        q = question(self.context.workspace(request), pending) if pending else None
        waited = False
        while q and (now := token_counting.progress(q)) and time.monotonic() < end:
            share, waited = 100 * now["done"] / max(1, now["total"]), True
            yield f'<p class="ts-quiet" role="status">Counting the tokens of all rows: {share:.0f}%.</p>', gr.skip()
            time.sleep(POLL)
        there = q is not None and q.folder is not None and q.file.is_file()
        yield "", counted + 1 if waited or there else gr.skip()


def question(ws: Workspace, asked: dict) -> token_counts.Question | None:
    """What is counted for a form's model, data and settings; None when one of them is gone meanwhile."""
    try:
        return token_counts.question(store.get(ws, str(asked["data"])), models.resolve(str(asked["model"]), ws), asked)
    except TunerError:
        return None
