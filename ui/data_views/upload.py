"""The ways to import data: files dropped, a path, pasted rows, the Hub, a sample, a mixture of datasets."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import gradio as gr

from tuner import paths
from tuner.data.store import sample_data, store
from tuner.errors import NotAllowedError, SettingError
from tuner.jobs import data_jobs
from tuner.paths import Workspace
from ui.data_views.activity import Activity
from ui.session import AppContext
from ui.text import text

SHAPES = {"chat": ["prompt", "answer"], "preference": ["prompt", "chosen", "rejected"], "text": ["text"]}  # the columns of a row by hand


class Way(NamedTuple):
    """An event, its inputs, and what it does with a workspace and their values: the id of a job, or a dataset at once."""

    event: Callable
    inputs: list
    work: Callable
    own: bool = True  # a person's own data, which a public page does not take


class UploadView:
    """`activity` tells how far an import is and why it failed; a file that was taken or refused leaves the list."""

    def __init__(self, context: AppContext):
        self.context = context
        own = not context.guest or bool(context.password)
        self.head = gr.HTML(elem_id="import-head", padding=False)
        self.activity = Activity(context, elem_id="import-progress")
        self.file = gr.File(label=text("data-upload.label"), file_count="multiple", height=170, elem_id="upload", visible=own)
        gr.HTML(f'<p class="ts-quiet">{text("data-upload.info")}</p>', padding=False, visible=own)
        gr.HTML(f"<h3>{text('data-samples' if own else 'data-samples-only')}</h3>", padding=False)
        with gr.Row(elem_classes="ts-samples"):
            self.samples = [
                (s.path.stem, gr.Button(text(f"data-sample-{s.path.stem}"), size="sm", min_width=120, elem_id=f"sample-{s.path.stem}"))
                for s in sample_data.listing()
            ]
        with gr.Accordion(text("data-other-ways"), open=False, visible=own, elem_id="other-ways"):
            with gr.Tabs(elem_id="ways", overflow_behavior="wrap"):
                self._typed()
                self._from_elsewhere(context)
                self._mix_form()
        self.cleared = [self.file, self.learn, self.test]
        self.shape.input(self.on_shape, self.shape, self.sheet, queue=False)

    def _typed(self) -> None:
        with gr.Tab(text("data-paste")):
            self.text = gr.Textbox(
                label=text("data-paste-text.label"), info=text("data-paste-text.info"), lines=6, max_lines=14, elem_id="paste"
            )
            self.paste = gr.Button(text("data-paste-import"), elem_id="read-paste")
        with gr.Tab(text("data-write")):
            self.shape = gr.Radio(
                [(text(f"data-write-{kind}"), kind) for kind in SHAPES],
                value="chat",
                label=text("data-write-kind.label"),
                info=text("data-write-kind.info"),
                elem_id="write-kind",
            )
            self.sheet = gr.Dataframe(
                [["", ""]] * 5,
                headers=SHAPES["chat"],
                row_count=5,
                column_count=(2, "fixed"),
                type="array",
                datatype="str",
                interactive=True,
                wrap=True,
                label=text("data-write-rows"),
                elem_id="write-rows",
            )
            self.write = gr.Button(text("data-write-import"), elem_id="write")

    def _from_elsewhere(self, context: AppContext) -> None:
        with gr.Tab(text("data-validation-file")):
            with gr.Row():
                self.learn = gr.File(label=text("data-training-files.label"), file_count="multiple", height=140, elem_id="learn-files")
                self.test = gr.File(label=text("data-test-file.label"), height=140, elem_id="test-file")
            self.both = gr.Button(text("data-both-import"), elem_id="read-both")
        with gr.Tab(text("data-path-tab"), visible=not context.guest):
            self.path = gr.Textbox(label=text("data-path.label"), info=text("data-path.info"), elem_id="path")
            self.by_path = gr.Button(text("data-path-import"), elem_id="read-path")
        with gr.Tab(text("data-hub-tab"), visible=not context.guest):
            with gr.Row():
                self.hub = gr.Textbox(label=text("data-hub.label"), info=text("data-hub.info"), scale=2, elem_id="hub-id")
                self.split = gr.Textbox(
                    label=text("data-hub-split.label"), info=text("data-hub-split.info"), elem_id="hub-split", min_width=120
                )
                self.config = gr.Textbox(
                    label=text("data-hub-config.label"), info=text("data-hub-config.info"), elem_id="hub-config", min_width=120
                )
            self.from_hub = gr.Button(text("data-hub-import"), elem_id="read-hub")

    def _mix_form(self) -> None:
        with gr.Tab(text("data-mix-tab"), visible=False) as self.mixing:
            self.parts = gr.Dropdown(
                [], multiselect=True, label=text("data-mix-parts.label"), info=text("data-mix-parts.info"), elem_id="mix-parts"
            )
            self.weights = gr.Textbox(
                label=text("data-mix-weights.label"),
                info=text("data-mix-weights.info"),
                placeholder=text("data-mix-weights.placeholder"),
                elem_id="mix-weights",
            )
            self.mix = gr.Button(text("data-mix-import"), elem_id="mix")

    def wire(self, done: Callable, outs: list) -> None:
        for way in self.ways():
            self.activity.wire(way.event, way.work, way.inputs, done, outs, own=way.own)
        self.mixing.select(self.on_mixing, None, self.parts, queue=False)

    def on_mixing(self, request: gr.Request):
        return gr.update(choices=options(self.context.workspace(request)))

    def on_shape(self, kind: str):
        """The sheet with the columns of this kind, empty."""
        columns = SHAPES[kind]
        return gr.Dataframe(headers=columns, value=[[""] * len(columns) for _ in range(5)], column_count=(len(columns), "fixed"))

    def ways(self) -> list[Way]:
        taken = {"limit_bytes": self.context.limit_bytes}
        samples = [Way(b.click, [], lambda ws, name=name: sample_data.add(ws, name), own=False) for name, b in self.samples]
        return [
            Way(self.file.upload, [self.file], lambda ws, files: data_jobs.start(ws, files, name=_name(files), **taken) if files else None),
            Way(self.paste.click, [self.text], lambda ws, rows: data_jobs.start_paste(ws, rows or "", "pasted rows")),
            Way(self.write.click, [self.shape, self.sheet], _written),
            Way(self.both.click, [self.learn, self.test], self._with_test),
            Way(self.by_path.click, [self.path], self._by_path),
            Way(self.mix.click, [self.parts, self.weights], _mixed),
            Way(self.from_hub.click, [self.hub, self.split, self.config], self._from_hub),
            *samples,
        ]

    def _with_test(self, ws, files: list[str] | None, test: str | None):
        if not files or not test:
            raise SettingError(
                "The training files or the validation file are missing.",
                field="test_file",
                asked=[files, test],
                available="one of each",
                remedy="Drop both, then import them.",
            )
        return data_jobs.start(ws, files, name=_name(files), limit_bytes=self.context.limit_bytes, test_file=test)

    def _here(self) -> None:
        """Hidden controls can still be called: a public page opens no path of its server and fetches nothing for a visitor."""
        if self.context.guest:
            raise NotAllowedError(
                "This page takes no paths and no Hub datasets.",
                asked=None,
                available="samples and uploads",
                remedy="Run Tunesmith on your computer.",
            )

    def _by_path(self, ws, typed: str):
        self._here()
        path = paths.path_from_user(typed or "")
        return data_jobs.start(ws, path, name=_name([path.name]), reference=True, limit_bytes=10**12)

    def _from_hub(self, ws, id: str, split: str, config: str):
        self._here()
        if not (id or "").strip():
            raise SettingError(
                "No dataset was named.", asked=id, available="an id such as owner/name", remedy="Write it as on the Hub.", field="hub"
            )
        wish = {"id": id.strip(), "split": (split or "").strip() or None, "config": (config or "").strip() or None}
        return data_jobs.begin(ws, "hub", **wish, limit_bytes=self.context.limit_bytes)


def options(ws: Workspace) -> list[tuple[str, str]]:
    """Return (title, ref) of all versions of all datasets, the newest first."""
    every = [d for versions in store.histories(ws) for d in versions]
    return [(text("data-mix-option", name=d.name, rows=d.rows, version=d.version), d.ref) for d in every]


def _written(ws, kind: str, cells: list[list]):
    columns = SHAPES[kind]
    rows = [dict(zip(columns, map(str, line), strict=False)) for line in cells or [] if any(str(c or "").strip() for c in line)]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return data_jobs.start_paste(ws, lines, "written by hand", kind=kind, mapping={c: c for c in columns})


def _mixed(ws, parts: list[str] | None, weights: str):
    return data_jobs.begin(ws, "mix", parts=_weighted(parts or [], weights or ""))


def _name(files: list[str]) -> str:
    """Return the name of a dataset from its files: the first one's, without its endings."""
    return Path(files[0]).name.removesuffix(".gz").rpartition(".")[0] or Path(files[0]).name


def _weighted(parts: list[str], typed: str) -> list[tuple[str, float]]:
    """Return (ref, weight) of each part; SettingError when there is not one number for each."""
    words = typed.replace(",", " ").split()
    try:
        weights = [float(w) for w in words] or [1.0] * len(parts)
    except ValueError:
        weights = []
    if len(weights) != len(parts):
        raise SettingError(
            f"There are {len(parts)} datasets and the weights {typed!r}.",
            field="mix",
            asked=typed,
            available="one number for each dataset",
            remedy="Write them in the order of the datasets, such as `1, 0.5`.",
        )
    return list(zip(parts, weights, strict=True))
