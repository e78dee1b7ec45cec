"""For models that do not chat: a classifier shows labels with bars, a QA model takes a text and a question, a translator has two boxes."""

import gradio as gr

from tuner import runs
from tuner.data.store import store
from tuner.errors import RequestError
from tuner.paths import Workspace
from tuner.serving import chat_client
from ui.chat_views.conversation import BASE, NONE
from ui.chat_views.models import face_of, title
from ui.components import html
from ui.session import AppContext
from ui.text import text

FACES = ("labels", "number", "judgement", "entities", "span", "rewrite")  # how such models are used: objectives.py
TWO_FIELDS = ("span", "judgement")  # faces that need a question as well
COLOURS = ("#0f766e", "#b45309", "#4f46e5", "#be185d", "#0369a1", "#4d7c0f", "#7c3aed", "#9a3412")
SHOWN, EXAMPLES, READ = 12, 4, 100  # labels; rows to try, and how many are looked at for as many different ones


class TaskView:
    def __init__(self, context: AppContext, who: gr.Dropdown, compare: gr.Dropdown):
        self.context = context
        with gr.Row():
            with gr.Column(min_width=280):
                self.text = gr.Textbox(label=text("chat-task-labels.box"), lines=5, max_lines=20, elem_id="task-text")
                self.question = gr.Textbox(label=text("chat-task-question"), visible=False, max_lines=3, elem_id="task-question")
                self.ask = gr.Button(text("chat-task-labels.ask"), variant="primary", elem_id="task-ask")
            with gr.Column(min_width=280):
                self.answer = gr.HTML(elem_id="task-answer")
        self.examples = gr.Dataset(
            components=[self.text], samples=[], label=text("chat-task-examples"), elem_id="task-examples", type="index"
        )
        self.shown = [self.text, self.question, self.ask, self.answer, self.examples]
        inputs = [who, compare, self.text, self.question]
        for event in (self.ask.click, self.question.submit):
            event(self.on_ask, inputs, self.answer, show_progress="hidden")
        self.examples.click(self.on_example, [self.examples, who], [self.text, self.question], queue=False).then(
            self.on_ask, inputs, self.answer, show_progress="hidden"
        )

    def show(self, ws: Workspace, face: str, id: str) -> dict:
        """Return updates for `shown`."""
        if face not in FACES:
            return {}
        samples = examples(ws, id)
        rows = [[f"{question} · {words}" if question else words] for words, question in samples]
        return {
            self.text: gr.update(label=text(f"chat-task-{face}.box"), value=""),
            self.question: gr.update(visible=face in TWO_FIELDS, value=""),
            self.ask: gr.update(value=text(f"chat-task-{face}.ask")),
            self.answer: "",
            self.examples: gr.Dataset(samples=rows, visible=bool(samples)),
        }

    def on_example(self, index, who, request: gr.Request):
        found = examples(self.context.workspace(request), who)
        return found[index] if index < len(found) else [gr.skip(), gr.skip()]

    def on_ask(self, who, compare, words, question, request: gr.Request):
        try:
            if not (words or "").strip():
                raise RequestError(
                    "There is no text.", asked=words, available="some words", remedy="Write something, or choose a row below."
                )
            self.context.require_model(ws := self.context.workspace(request), str(who), request)
            yield waking()
            face, client = face_of(ws, who), chat_client.Client(ws)
            over = title(ws, who) if face == "rewrite" else text(f"chat-task-{face}.answer")
            out = [(over, client.task(chat_client.serving_spec(ws, who), words, question=question or ""))]
            if compare != NONE and face == "rewrite":
                yield drawn(face, words, out)
                out.append((title(ws, who, compare), client.task(self.compared(ws, who, compare, request), words)))
            yield drawn(face, words, out)
        except Exception as error:
            yield html.trouble(error)

    def compared(self, ws: Workspace, who: str, compare: str, request: gr.Request) -> dict:
        if compare == BASE:
            return chat_client.serving_spec(ws, who, base=True)
        self.context.require_model(ws, str(compare), request)
        return chat_client.serving_spec(ws, compare)


def waking() -> str:
    """Return what is said until the first word comes (HTML)."""
    return f'<p class="ts-quiet" role="status">{html.escape(text("chat-waking"))}</p>'


def examples(ws: Workspace, id: str) -> list[list[str]]:
    """Return [text, question] of some different validation rows of the run's own data."""
    try:
        ds = store.get(ws, runs.get(ws, id).config["data"])
    except RequestError:
        return []  # the data was deleted
    found = {}
    for value in (r["value"] for r in store.rows(ds, 0, READ, held_out=True)):
        words, question = first_of(value), value.get("question", "") or asked_of(value)
        found.setdefault((" ".join(words.split()).casefold(), " ".join(question.split()).casefold()), [words, question])
        if len(found) == EXAMPLES:
            break
    return list(found.values())


def first_of(value: dict) -> str:
    if "chosen" in value:
        return value["chosen"][-1].get("content") or ""
    if "tokens" in value:
        return " ".join(value["tokens"])
    return next((value[k] for k in ("text", "context", "source") if k in value), "")


def asked_of(value: dict) -> str:
    """The question of judged answers."""
    return next((m.get("content") or "" for m in reversed(value.get("prompt") or []) if m["role"] == "user"), "")


def drawn(face: str, words: str, out: list[tuple[str, dict]]) -> str:
    kinds = {"labels": labels, "number": number, "judgement": number, "entities": entities, "span": span, "rewrite": rewrite}
    return "".join(
        f'<div class="ts-card" translate="no"><b>{html.escape(over)}</b>{kinds[face](found, words)}</div>' for over, found in out
    )


def labels(found: dict, _words: str) -> str:
    """Bars, the likeliest first; where several labels may hold, those above one half are marked."""
    lines = "".join(
        f'<tr><td>{"● " if n["score"] >= 0.5 and found["several"] else ""}{html.escape(str(n["label"]))}</td><td style="width:60%">'
        f'<span class="ts-bar"><span class="ts-fill" style="width:{100 * n["score"]:.1f}%"></span></span></td><td>{n["score"]:.1%}</td></tr>'
        for n in found["labels"][:SHOWN]
    )
    left = len(found["labels"]) - SHOWN
    more = f'<p class="ts-quiet">{html.escape(text("chat-task-more", shown=f"{left:,}"))}</p>' if left > 0 else ""
    return f'<table class="ts-table">{lines}</table>{more}'


def number(found: dict, _words: str) -> str:
    return f'<p style="font-size:2em">{found["value"]:g}</p>'


def entities(found: dict, _words: str) -> str:
    kinds = sorted({w["label"].split("-")[-1] for w in found["words"] if w["label"] != "O"})
    colour = {kind: COLOURS[i % len(COLOURS)] for i, kind in enumerate(kinds)}

    def word(w: dict) -> str:
        said, kind = html.escape(w["text"]), w["label"].split("-")[-1]
        if w["label"] == "O":
            return said
        return f'<span style="border-bottom:3px solid {colour[kind]}" title="{w["score"]:.0%}">{said} <small class="ts-quiet">{html.escape(w["label"])}</small></span>'

    return f"<p>{' '.join(map(word, found['words']))}</p>"


def span(found: dict, words: str) -> str:
    """The text with the answer marked in it."""
    if not found["text"]:
        return f'<p class="ts-quiet">{html.escape(text("chat-task-no-answer"))}</p>'
    begin, end = found["begin"], found["end"]
    parts = [html.escape(part) for part in (words[:begin], words[begin:end], words[end:])]
    return f"<p><b>{html.escape(found['text'])}</b></p><p>{parts[0]}<mark>{parts[1]}</mark>{parts[2]}</p>"


def rewrite(found: dict, _words: str) -> str:
    return f'<p style="white-space:pre-wrap">{html.escape(found["text"] or text("chat-task-nothing"))}</p>'
