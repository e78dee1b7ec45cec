"""The table of all runs: found by words, sorted, a page at a time; ticked runs are compared."""

import gradio as gr

from tuner.paths import Workspace
from tuner.settings import methods
from ui.components import charts, html, run_state, units
from ui.components.actions import Actions, value
from ui.run_views import listing
from ui.run_views.listing import COLUMNS, PER_PAGE, Row, View, all_runs
from ui.session import AppContext
from ui.text import text

SORT, PAGE, PICK = "runs-sort", "runs-page", "runs-pick"
QUICK = {"queue": False, "show_progress": "hidden"}


class TableView:
    def __init__(self, context: AppContext):
        self.context = context
        self.view = gr.State(View().as_dict())
        with gr.Row(elem_id="runs-bar", elem_classes="ts-toolbar"):
            self.query = gr.Textbox(
                label=text("runs-query.label"), placeholder=text("runs-query.placeholder"), max_lines=1, elem_id="runs-query", scale=2
            )
            self.compare = gr.Button(text("runs-compare"), interactive=False, elem_id="compare", elem_classes="ts-beside-input")
            self.blind = gr.Button(text("runs-blind"), interactive=False, elem_id="blind", elem_classes="ts-beside-input")
        self.ticked = gr.HTML(elem_id="runs-ticked", padding=False)
        self.table = gr.HTML(elem_id="runs-table", padding=False)
        self.sort, self.turn, self.pick = Actions(SORT), Actions(PAGE), Actions(PICK)
        self.tools = [self.ticked, self.compare, self.blind]
        self.query.change(self.on_query, [self.query, self.view], [self.view, self.table], trigger_mode="always_last", **QUICK)
        for action, handler in ((self.sort, self.on_sort), (self.turn, self.on_turn)):
            action.wire(handler, [self.view], [self.view, self.table], queue=False)
        self.pick.wire(self.on_pick, [self.view], [self.view, *self.tools], queue=False)

    # `view` is one object for all events of a visit, and each writes its own part into it: a tick and a search that are under way at the same
    # time would otherwise take each other back
    def _seen(self, view: dict, request: gr.Request, **change) -> tuple:
        view.update(change)
        return view, drawn(self.context.workspace(request), View.read(view))

    def on_query(self, query, view, request: gr.Request):
        return self._seen(view, request, query=query or "", page=0)

    def on_sort(self, pressed, view, request: gr.Request):
        found = View.read(view).sorted_by(value(pressed))
        return self._seen(view, request, sort=found.sort, down=found.down, page=found.page)

    def on_sweep(self, id, view):
        """Show the runs of a sweep alone, the best first."""
        if not id:
            return gr.skip(), gr.skip()
        view.update(query=id, sort="loss", down=False, page=0)
        return view, id

    def on_turn(self, pressed, view, request: gr.Request):
        page = value(pressed)
        return self._seen(view, request, page=int(page) if page.isdecimal() else 0)

    def on_pick(self, pressed, view, request: gr.Request):
        view["picked"] = View.read(view).ticked(value(pressed)).picked
        return [view, *self.tool_values(self.context.workspace(request), View.read(view))]

    def tool_values(self, ws: Workspace, view: View) -> list:
        """Return values for `tools`: what is ticked, and what can be done with it."""
        n = len(there(ws, view))
        said = text("runs-ticked", n=n) if n else text("runs-tick-hint")
        if n > charts.TOGETHER:
            said = text("runs-too-many", n=n, most=charts.TOGETHER)
        return [
            f'<p class="ts-quiet">{html.escape(said)}</p>',
            gr.update(interactive=1 < n <= charts.TOGETHER),
            gr.update(interactive=n == 2),
        ]


def there(ws: Workspace, view: View) -> list[str]:
    """Return the ticked runs that there still are."""
    ids = all_runs(ws).ids
    return [id for id in view.picked if id in ids]


def drawn(ws: Workspace, view: View) -> str:
    """Return the table as one visitor sees it (HTML)."""
    rows = listing.seen(all_runs(ws), view)
    if not rows:
        return f'<p class="ts-quiet">{html.escape(text("runs-none-found", query=view.query))}</p>'
    last = (len(rows) - 1) // PER_PAGE
    page = min(view.page, last)
    part = rows[page * PER_PAGE : (page + 1) * PER_PAGE]
    body = "".join(_row(row, row.id in view.picked) for row in part)
    return f'<table class="ts-runs"><caption class="ts-sr">{html.escape(text("runs-table"))}</caption>{_head(view)}<tbody>{body}</tbody></table>{_pager(page, last, len(rows))}'


def _head(view: View) -> str:
    cells = []
    for column in COLUMNS:
        sorted_now = f' aria-sort="{"descending" if view.down else "ascending"}"' if column == view.sort else ""
        arrow = (" ↓" if view.down else " ↑") if sorted_now else ""
        word = html.escape(text(f"runs-head-{column}") + arrow)
        cells.append(
            f'<th scope="col" class="col-{column}"{sorted_now}><button type="button" data-act="{SORT}" data-value="{column}">{word}</button></th>'
        )
    return f'<thead><tr><th class="col-pick"><span class="ts-sr">{html.escape(text("runs-pick"))}</span></th>{"".join(cells)}</tr></thead>'


def _row(row: Row, ticked: bool) -> str:
    """Draw a run: its name is the link to its page; what does not fit is cut and stands whole in the tooltip."""
    name, id = html.escape(row.name), html.escape(row.id)
    box = (  # not an input: Gradio draws new rows into the old ones, where an input would stay ticked
        f'<button type="button" role="checkbox" aria-checked="{"true" if ticked else "false"}" data-act="{PICK}" data-value="{id}" '
        f'aria-label="{html.escape(text("runs-pick-one", name=row.name))}"></button>'
    )
    link = f'<a class="ts-name" href="runs?run={id}" data-page="runs" title="{name}{html.escape(chr(10) + row.notes) if row.notes else ""}">{name}</a>'
    loss = "" if row.loss is None else units.decimal(row.loss)
    figures = {"loss": loss, "time": units.duration(row.time) if row.time else "", "started": row.started}
    plain = {
        "data": row.data,
        "model": row.model,
        "method": methods.METHODS[row.method].title if row.method in methods.METHODS else row.method,
    } | figures
    cells = "".join(
        f'<td class="col-{key}" translate="no" title="{html.escape(said)}">{html.escape(said)}</td>' for key, said in plain.items()
    )
    state = "col-state troubled" if row.troubled else "col-state"
    return f'<tr><td class="col-pick">{box}</td><td class="col-name" translate="no">{link}</td><td class="{state}">{run_state.badge(row.state, row.troubled)}</td>{cells}</tr>'


def _pager(page: int, last: int, total: int) -> str:
    """Return which part of the rows is shown, and the ways to the others (HTML)."""
    first = page * PER_PAGE + 1
    until = min(total, first + PER_PAGE - 1)
    said = text("runs-shown", first=units.count(first), last=units.count(until), total=units.count(total))
    if not last:
        return ""
    ways = (("runs-previous", page - 1, page > 0), ("runs-next", page + 1, page < last))
    buttons = "".join(html.button(PAGE, str(to), text(word)) for word, to, there in ways if there)
    return f'<div class="ts-pager"><span class="ts-quiet">{html.escape(said)}</span>{buttons}</div>'
