"""Format and columns: which column plays which role, the split, the encoding. A change reads the file again, as a new version."""

from collections.abc import Callable

import gradio as gr

from tuner.data.readers.file_format import ENCODINGS
from tuner.data.schema import column_aliases
from tuner.data.store import store
from tuner.data.store.dataset import Dataset
from tuner.jobs import data_jobs
from tuner.paths import Workspace
from ui.components import html
from ui.data_views import summaries
from ui.data_views.activity import Activity
from ui.data_views.summaries import english, quiet, say
from ui.session import AppContext
from ui.text import text

ROLES = tuple(role for role in column_aliases.ROLES if role != "weight")  # a weight is recognized, and not chosen
ORDER = ("messages", "system", "prompt", "answer", "history", "text", "label", "chosen", "rejected", "rating", "source", "target")
EXAMPLE = "{title}: {body}"


class ColumnsView:
    def __init__(self, context: AppContext):
        self.context = context
        self.read = gr.HTML(elem_id="how-read")
        with gr.Column(elem_id="columns-form") as self.form:
            gr.HTML(f'<p class="ts-quiet">{text("data-columns-intro", example=EXAMPLE)}</p>')
            self.kind = gr.Dropdown(
                [(text(f"data-kind-{kind}"), kind) for kind in column_aliases.KINDS],
                label=text("data-kind.label"),
                info=text("data-kind.info"),
                elem_id="kind",
            )
            with gr.Row(equal_height=False):
                self.roles = {role: _role(role) for role in sorted(ROLES, key=lambda r: (*ORDER, *ROLES).index(r))}
            self._split()
            self.lost = gr.HTML(elem_id="columns-lost", padding=False)
            self.activity = Activity(context, elem_id="columns-told", failure="data-failed-version")
            self.apply = gr.Button(text("data-apply"), elem_id="apply-mapping")
        self.chosen = [self.kind, self.share, self.system, self.seed, self.encoding]
        self.shown = [self.read, self.form, self.lost, *self.chosen, *self.roles.values(), self.activity.told, self.activity.cancel]

    def _split(self) -> None:
        self.system = gr.Textbox(label=text("data-system.label"), info=text("data-system.info"), lines=2, elem_id="system-for-all")
        with gr.Row(equal_height=False):
            self.share = gr.Slider(0, 50, 5, step=1, label=text("data-share.label"), info=text("data-share.info"), elem_id="share")
            self.seed = gr.Number(
                0, label=text("data-seed.label"), info=text("data-seed.info"), precision=0, minimum=0, min_width=120, elem_id="seed"
            )
            self.encoding = gr.Dropdown(
                [(text("data-encoding-same"), ""), ("UTF-8", "utf-8"), ("Windows Western European (cp1252)", "cp1252")]
                + [(title, name) for name, title in ENCODINGS.items()],
                value="",
                label=text("data-encoding.label"),
                info=text("data-encoding.info"),
                elem_id="encoding",
            )

    def wire(self, pick: gr.Textbox, done: Callable, outs: list) -> None:
        self.kind.input(self.on_kind, [pick, self.kind], list(self.roles.values()), queue=False, show_progress="hidden")
        self.activity.wire(self.apply.click, self.remapped, [pick, *self.chosen, *self.roles.values()], done, outs)

    def remapped(self, ws: Workspace, ref, kind, share, system, seed, encoding, *columns) -> str:
        """Start reading the file again and return the id of the job."""
        mapping = {role: c[0] if len(c) == 1 else c for role, c in zip(self.roles, columns, strict=True) if c}
        asked = {"ref": str(ref), "mapping": mapping, "kind": kind, "held_out": share / 100, "system": system or "", "seed": int(seed or 0)}
        return data_jobs.begin(ws, "remap", **asked, **({"encoding": encoding} if encoding else {}))

    def values(self, ds: Dataset) -> dict:
        """Values for `shown`."""
        roles = dict(zip(self.roles.values(), self._roles(ds, ds.kind), strict=True))
        given = dict(zip(self.chosen, (ds.kind, 100 * ds.share, ds.system, ds.seed, ""), strict=True))
        form = {self.form: gr.update(visible=bool(ds.sources)), self.lost: undone(ds)}
        return {self.read: how_read(ds), **form, **given, **roles, **self.activity.cleared()}

    def on_kind(self, ref, kind, request: gr.Request):
        if not ref:
            return [gr.skip()] * len(self.roles)
        return self._roles(store.get(self.context.workspace(request), ref), kind)

    def _roles(self, ds: Dataset, kind: str) -> list:
        """Updates of the fields of all roles: shown are those of the kind, and those that have a column."""
        _, required, optional, *_ = column_aliases.KINDS[kind]
        wanted = [r for group in required for r in ([group] if isinstance(group, str) else group)] + list(optional)
        out = []
        for role in self.roles:
            value = ds.mapping.get(role) or []
            value = [value] if isinstance(value, str) else value
            out.append(gr.update(choices=ds.columns, value=value, visible=role in wanted or bool(value)))
        return out


def _role(role: str) -> gr.Dropdown:
    return gr.Dropdown(
        [],
        label=text(f"data-role-{role}.label"),
        info=text(f"data-role-{role}.info"),
        multiselect=True,
        allow_custom_value=True,
        visible=False,
        min_width=220,
        elem_id=f"role-{role}",
    )


def undone(ds: Dataset) -> str:
    """Say which fixes and edits a new version will not have, before it is made: it reads the file again."""
    made = " ".join(summaries.made_by(step) for step in ds.made_by)
    return f'<p class="ts-note warning">{html.state("warning", text("data-columns-undone", made=made))}</p>' if made else ""


def how_read(ds: Dataset) -> str:
    """Draw what was recognized and what was noted while the file was read; why it can't be read again, if so."""
    notes = "".join(f"<li>{html.code(n)}</li>" for n in ds.notes)
    said = english(f"<p>{html.code(ds.reason)}</p>" + (f"<ul>{notes}</ul>" if notes else ""))
    return f"<h3>{say('data-columns-read')}</h3>{said}" + ("" if ds.sources else quiet(text("data-columns-none")))
