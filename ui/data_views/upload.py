"""The ways in for data: files dropped, a path, pasted rows, a sample, a mixture of what is there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import gradio as gr

from tuner import paths
from tuner.data.store import sample_data
from tuner.errors import NotAllowedError, SettingError
from tuner.jobs import data_jobs
from ui.session import AppContext

SHAPES = {
    "chat": ("A question and its answer", ["prompt", "answer"]),
    "preference": ("A question, a better and a worse answer", ["prompt", "chosen", "rejected"]),
    "text": ("A text", ["text"]),
}


class Way(NamedTuple):
    """An event, its inputs, and what it does with a workspace and their values: the id of a job, or a dataset at once."""

    event: Callable
    inputs: list
    work: Callable
    own: bool = True  # a person's own data, which a public page does not take


class UploadView:
    def __init__(self, context: AppContext):
        self.context = context
        own = not context.guest or bool(context.password)
        self.file = gr.File(
            label="Drop files here: CSV, Excel, JSON, JSONL, Parquet, text; several with the same columns become one",
            file_count="multiple",
            height=150,
            elem_id="upload",
            visible=own,
        )
        gr.Markdown("Or start with a sample:" if own else "Start with a sample (this public page takes no files):")
        with gr.Row():
            self.samples = [
                (s.path.stem, gr.Button(s.title, size="sm", min_width=120, elem_id=f"sample-{s.path.stem}")) for s in sample_data.listing()
            ]
        with gr.Accordion(
            "Other ways: paste or write rows, a file's path, the Hub, a mixture", open=False, visible=own, elem_id="other-ways"
        ):
            with gr.Tabs():
                with gr.Tab("Paste rows"):
                    self.text = gr.Textbox(
                        label="Rows",
                        info="Cells copied from a spreadsheet with their header, or lines of JSON.",
                        lines=6,
                        max_lines=14,
                        elem_id="paste",
                    )
                    self.paste = gr.Button("Read these rows")
                with gr.Tab("Write by hand"):
                    self.shape = gr.Radio(
                        [(title, kind) for kind, (title, _) in SHAPES.items()],
                        value="chat",
                        label="What one row is",
                        info="A line that is left empty does not count.",
                        elem_id="write-kind",
                    )
                    self.sheet = gr.Dataframe(
                        [["", ""]] * 5,
                        headers=SHAPES["chat"][1],
                        row_count=5,
                        column_count=(2, "fixed"),
                        type="array",
                        datatype="str",
                        interactive=True,
                        wrap=True,
                        label="Rows",
                        elem_id="write-rows",
                    )
                    self.write = gr.Button("Keep these rows", elem_id="write")
                with gr.Tab("With a test file"):
                    with gr.Row():
                        self.learn = gr.File(label="Files to learn from", file_count="multiple", height=110, elem_id="learn-files")
                        self.test = gr.File(label="A file to test with: all its rows are held out", height=110, elem_id="test-file")
                    self.both = gr.Button("Read them", elem_id="read-both")
                with gr.Tab("A file's path", visible=not context.guest):
                    self.path = gr.Textbox(
                        label="Path", info="A large file on this computer: it is read where it is, and not copied.", elem_id="path"
                    )
                    self.by_path = gr.Button("Read this file", elem_id="read-path")
                with gr.Tab("From the Hub", visible=not context.guest):
                    with gr.Row():
                        self.hub = gr.Textbox(
                            label="Dataset", info="Its id on the Hugging Face Hub: owner/name.", scale=2, elem_id="hub-id"
                        )
                        self.split = gr.Textbox(label="Split", info="Empty: train.", elem_id="hub-split", min_width=120)
                        self.config = gr.Textbox(
                            label="Configuration", info="Only where it has several.", elem_id="hub-config", min_width=120
                        )
                    self.from_hub = gr.Button("Download and read", elem_id="read-hub")
                with gr.Tab("Mix") as self.mixing:
                    self.parts = gr.Dropdown(
                        [],
                        multiselect=True,
                        label="Mix these",
                        info="Two or more of what was brought in, of one kind.",
                        elem_id="mix-parts",
                    )
                    self.weights = gr.Textbox(
                        label="Weights, in the same order",
                        info="1 takes each row once, 0.5 half of them, 2 each twice. Empty: 1 for all.",
                        placeholder="1, 0.5",
                        elem_id="mix-weights",
                    )
                    self.mix = gr.Button("Mix", elem_id="mix")

        self.shape.input(self.on_shape, self.shape, self.sheet, queue=False)

    def on_shape(self, kind: str):
        columns = SHAPES[kind][1]
        return gr.Dataframe(headers=columns, value=[[""] * len(columns) for _ in range(5)], column_count=(len(columns), "fixed"))

    def ways(self) -> list[Way]:
        taken = {"limit_bytes": self.context.limit_bytes}
        samples = [Way(b.click, [], lambda ws, name=name: sample_data.add(ws, name), own=False) for name, b in self.samples]
        return [
            Way(self.file.upload, [self.file], lambda ws, files: data_jobs.start(ws, files, name=_name(files), **taken) if files else None),
            Way(self.paste.click, [self.text], lambda ws, text: data_jobs.start_paste(ws, text or "", "pasted rows")),
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
                "A file to learn from or the one to test with is missing.",
                field="test_file",
                asked=[files, test],
                available="one of each",
                remedy="Drop both.",
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

    def _by_path(self, ws, text: str):
        self._here()
        path = paths.path_from_user(text or "")
        return data_jobs.start(ws, path, name=_name([path.name]), reference=True, limit_bytes=10**12)

    def _from_hub(self, ws, id: str, split: str, config: str):
        self._here()
        if not (id or "").strip():
            raise SettingError(
                "No dataset was named.", asked=id, available="an id such as owner/name", remedy="Write it as on the Hub.", field="hub"
            )
        wish = {"id": id.strip(), "split": (split or "").strip() or None, "config": (config or "").strip() or None}
        return data_jobs.begin(ws, "hub", **wish, limit_bytes=self.context.limit_bytes)


def _written(ws, kind: str, cells: list[list]):
    columns = SHAPES[kind][1]
    rows = [dict(zip(columns, map(str, line), strict=False)) for line in cells or [] if any(str(c or "").strip() for c in line)]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return data_jobs.start_paste(ws, text, "written by hand", kind=kind, mapping={c: c for c in columns})


def _mixed(ws, parts: list[str] | None, weights: str):
    return data_jobs.begin(ws, "mix", parts=_weighted(parts or [], weights or ""))


def _name(files: list[str]) -> str:
    return Path(files[0]).name.removesuffix(".gz").rpartition(".")[0] or Path(files[0]).name


def _weighted(parts: list[str], text: str) -> list[tuple[str, float]]:
    words = text.replace(",", " ").split()
    try:
        weights = [float(w) for w in words] or [1.0] * len(parts)
    except ValueError:
        weights = []
    if len(weights) != len(parts):
        raise SettingError(
            f"There are {len(parts)} datasets and the weights {text!r}.",
            field="mix",
            asked=text,
            available="one number for each dataset",
            remedy="Write them in the order of the datasets, such as `1, 0.5`.",
        )
    return list(zip(parts, weights, strict=True))
