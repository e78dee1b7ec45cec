"""For models that do not chat: a classifier shows labels with bars, a QA model takes a text and a question, a translator has two boxes."""

import gradio as gr

from tuner import runs
from tuner.data.store import store
from tuner.errors import RequestError
from tuner.paths import Workspace
from tuner.serving import chat_client
from tuner.settings import objectives
from ui.components import html
from ui.session import AppContext

WORDS = {  # face: (label of the box, label of the button, what stands over the answer)
    "labels": ("Text", "Which label?", "Labels"),
    "number": ("Text", "Which number?", "Number"),
    "judgement": ("Answer", "How good is it?", "How good the answer is, beside others to the same question"),
    "entities": ("Text", "Label the words", "Words"),
    "span": ("Text in which the answer stands", "Find the answer", "Answer"),
    "rewrite": ("Text", "Write the other text", "The other text"),
}
ASKED = {"span": "Its answer is looked for in the text.", "judgement": "What was answered."}  # faces that need a question as well
COLOURS = ("#0f766e", "#b45309", "#4f46e5", "#be185d", "#0369a1", "#4d7c0f", "#7c3aed", "#9a3412")
SHOWN, EXAMPLES = 12, 4


class TaskView:
    def __init__(self, context: AppContext, who: gr.Dropdown, beside: gr.Checkbox):
        self.context = context
        with gr.Row():
            with gr.Column(min_width=300):
                self.text = gr.Textbox(label="Text", info="What the model reads.", lines=5, max_lines=20, elem_id="task-text")
                self.question = gr.Textbox(label="Question", info=ASKED["span"], visible=False, max_lines=3, elem_id="task-question")
                self.ask = gr.Button("Ask", variant="primary", elem_id="task-ask")
            with gr.Column(min_width=300):
                self.answer = gr.HTML(elem_id="task-answer")
        self.examples = gr.Dataset(
            components=[self.text],
            samples=[],
            label="Held-out rows to try: none was learnt",
            elem_id="task-examples",
            type="index",
        )
        self.shown = [self.text, self.question, self.ask, self.answer, self.examples]
        inputs = [who, beside, self.text, self.question]
        for event in (self.ask.click, self.question.submit):
            event(self.on_ask, inputs, self.answer, show_progress="hidden")
        self.examples.click(self.on_example, [self.examples, who], [self.text, self.question], queue=False).then(
            self.on_ask, inputs, self.answer, show_progress="hidden"
        )

    def show(self, ws: Workspace, face: str, id: str) -> list:
        """Values for `shown`."""
        if face not in WORDS:
            return [gr.skip()] * len(self.shown)
        box, button, _ = WORDS[face]
        samples = examples(ws, id)
        return [
            gr.update(label=box, value=""),
            gr.update(visible=face in ASKED, value="", info=ASKED.get(face, "")),
            gr.update(value=button),
            "",
            gr.Dataset(samples=[[f"{question} · {text}" if question else text] for text, question in samples], visible=bool(samples)),
        ]

    def on_example(self, index, who, request: gr.Request):
        found = examples(self.context.workspace(request), who)
        return found[index] if index < len(found) else [gr.skip(), gr.skip()]

    def on_ask(self, who, beside, text, question, request: gr.Request):
        try:
            if not (text or "").strip():
                raise RequestError(
                    "There is no text.", asked=text, available="some words", remedy="Write something, or choose a row below."
                )
            self.context.require_model(ws := self.context.workspace(request), str(who), request)
            face = face_of(ws, who)
            yield '<p class="ts-quiet">Waking the model up: the first answer takes some seconds.</p>'
            client = chat_client.Client(ws)
            out = [
                (
                    "Tuned" if face == "rewrite" else WORDS[face][2],
                    client.task(chat_client.serving_spec(ws, who), text, question=question or ""),
                )
            ]
            if beside and face == "rewrite":
                yield drawn(face, text, out)
                out.append(("The original", client.task(chat_client.serving_spec(ws, who, base=True), text)))
            yield drawn(face, text, out)
        except Exception as error:
            yield html.trouble(error)


def face_of(ws: Workspace, id: str | None) -> str:
    """How one talks to a run's model; the starter chats."""
    if not id or id == "starter":
        return "chat"
    return objectives.get(runs.get(ws, id).plan["settings"]["objective"]).face


def examples(ws: Workspace, id: str) -> list[list[str]]:
    """[text, question] of some held-out rows of the run's own data."""
    try:
        ds = store.get(ws, runs.get(ws, id).config["data"])
    except RequestError:
        return []  # the data was deleted
    rows = [r["value"] for r in store.rows(ds, 0, EXAMPLES, held_out=True)]
    return [[first_of(v), v.get("question", "") or asked_of(v)] for v in rows]


def first_of(value: dict) -> str:
    if "chosen" in value:
        return value["chosen"][-1].get("content") or ""
    if "tokens" in value:
        return " ".join(value["tokens"])
    return next((value[k] for k in ("text", "context", "source") if k in value), "")


def asked_of(value: dict) -> str:
    """The question of judged answers."""
    return next((m.get("content") or "" for m in reversed(value.get("prompt") or []) if m["role"] == "user"), "")


def drawn(face: str, text: str, out: list[tuple[str, dict]]) -> str:
    kinds = {"labels": labels, "number": number, "judgement": number, "entities": entities, "span": span, "rewrite": rewrite}
    return "".join(f'<div class="ts-card"><b>{html.escape(title)}</b>{kinds[face](found, text)}</div>' for title, found in out)


def labels(found: dict, _text: str) -> str:
    """Bars, the likeliest first; where several labels may hold, those above one half are marked."""
    lines = "".join(
        f'<tr><td>{"● " if n["score"] >= 0.5 and found["several"] else ""}{html.escape(str(n["label"]))}</td><td style="width:60%">'
        f'<span class="ts-bar"><span class="ts-fill" style="width:{100 * n["score"]:.1f}%"></span></span></td><td>{n["score"]:.1%}</td></tr>'
        for n in found["labels"][:SHOWN]
    )
    more = f'<p class="ts-quiet">and {len(found["labels"]) - SHOWN} more</p>' if len(found["labels"]) > SHOWN else ""
    return f'<table class="ts-table">{lines}</table>{more}'


def number(found: dict, _text: str) -> str:
    return f'<p style="font-size:2em">{found["value"]:g}</p>'


def entities(found: dict, _text: str) -> str:
    kinds = sorted({w["label"].split("-")[-1] for w in found["words"] if w["label"] != "O"})
    colour = {kind: COLOURS[i % len(COLOURS)] for i, kind in enumerate(kinds)}

    def word(w: dict) -> str:
        said, kind = html.escape(w["text"]), w["label"].split("-")[-1]
        if w["label"] == "O":
            return said
        return f'<span style="border-bottom:3px solid {colour[kind]}" title="{w["score"]:.0%}">{said} <small class="ts-quiet">{html.escape(w["label"])}</small></span>'

    return f"<p>{' '.join(map(word, found['words']))}</p>"


def span(found: dict, text: str) -> str:
    """The text with the answer marked in it."""
    if not found["text"]:
        return '<p class="ts-quiet">The model finds no answer to this question in the text.</p>'
    begin, end = found["begin"], found["end"]
    parts = [html.escape(part) for part in (text[:begin], text[begin:end], text[end:])]
    return f"<p><b>{html.escape(found['text'])}</b></p><p>{parts[0]}<mark>{parts[1]}</mark>{parts[2]}</p>"


def rewrite(found: dict, _text: str) -> str:
    return f'<p style="white-space:pre-wrap">{html.escape(found["text"]) or "(nothing)"}</p>'
