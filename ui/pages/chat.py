"""Talk to a tuned model, with the original beside it; what was said is kept on disk and comes back after a reload."""

import json
import time
from pathlib import Path

import gradio as gr

from tuner import devices, paths, runs
from tuner.data.store import questions as questions_of_data
from tuner.data.store import store
from tuner.errors import RequestError
from tuner.models.chat_templates import THINKING
from tuner.paths import Workspace
from tuner.planning import model_suggestions
from tuner.serving import chat_client
from ui.chat_views.feedback_view import FeedbackView, clean, plain
from ui.chat_views.task_view import TaskView, face_of
from ui.components import dropdowns, html
from ui.session import AppContext, Session

WHO = "A tuned run, or the starter as it is."
STARTER_QUESTIONS = [
    "What sound does a cow make?",
    "How do I make tea?",
    "Tell me a story about a fox and a red ball.",
    "What is 7 plus 8?",
    "Why do we sleep?",
]


class ChatPage:
    def __init__(self, context: AppContext, session: gr.BrowserState):
        self.context, self.session = context, session
        with gr.Row():
            self.who = gr.Dropdown(
                [],
                label="Who answers",
                info=WHO,
                elem_id="who",
                interactive=True,
                scale=3,
                min_width=260,
            )
            self.beside = gr.Checkbox(
                True,
                label="Side by side with the original",
                info="The same question to both.",
                elem_id="side-by-side",
                scale=1,
                min_width=220,
            )
        self.about = gr.HTML('<p class="ts-quiet">No model to talk to yet. Train one, or choose the starter.</p>', elem_id="chat-about")
        with gr.Column() as self.talking:
            with gr.Row():
                self.original = gr.Chatbot(label="The original", **self._looks("chat-original"))
                self.tuned = gr.Chatbot(label="Tuned", **self._looks("chat-tuned"))
            self.status = gr.HTML(elem_id="chat-status")
            self.feedback = FeedbackView(context, self.who, {"original": self.original, "tuned": self.tuned})
            self.box = gr.Textbox(
                label="Your message",
                info="Enter sends it; Shift and Enter begins a new line.",
                lines=1,
                max_lines=8,
                elem_id="message",
                submit_btn=False,
            )
            with gr.Row():
                self.send = gr.Button("Send", variant="primary", elem_id="send", min_width=120)
                self.stop = gr.Button("Stop", elem_id="stop-answer", min_width=120)
                self.again = gr.Button("Answer again", min_width=120)
                self.clear = gr.Button("New chat", min_width=120)
            self.questions = gr.Dataset(
                components=[self.box],
                samples=[[q] for q in STARTER_QUESTIONS],
                label="Questions to try",
                elem_id="questions",
                type="values",
            )
            with gr.Accordion("How it answers", open=False):
                self.system = gr.Textbox(
                    label="System prompt", info="What the model is told before the talk begins; left empty, what the data told it.", lines=2
                )
                with gr.Row():
                    self.temperature = gr.Slider(
                        0, 2, 0.3, step=0.05, label="Freedom (temperature)", info="0 always takes the likeliest word."
                    )
                    self.top_p = gr.Slider(0.05, 1, 0.95, step=0.05, label="Words considered (top-p)", info="Leaves out the unlikeliest.")
                    self.most = gr.Slider(
                        16, 2048, 256, step=16, label="Longest answer (max tokens)", info="It stops there, finished or not."
                    )
            self.feedback.rest()
        with gr.Column(visible=False) as self.telling:
            self.task = TaskView(context, self.who, self.beside)
        self.ask_now = gr.Textbox(
            visible="hidden", show_label=False
        )  # {"who", "text"}: a question the page asks by itself; of a gr.State that changes off the queue nobody hears
        self.settings = [self.system, self.temperature, self.top_p, self.most]
        self.shown = [self.who, self.about, self.original, self.tuned, self.questions, self.system]
        self.shown += [self.feedback.on, self.beside, self.talking, self.telling, *self.task.shown]
        self._wire()

    def _looks(self, id: str) -> dict:
        return {
            "height": 380,
            "min_width": 300,
            "allow_tags": False,
            "sanitize_html": True,
            "reasoning_tags": THINKING,
            "buttons": ["copy"],
            "elem_id": id,
            "group_consecutive_messages": False,
            "placeholder": "Ask something below.",
        }

    def _wire(self) -> None:
        ins = [self.who, self.beside, self.original, self.tuned, *self.settings]
        outs = [self.box, self.original, self.tuned, self.status]
        asked = [
            self.box.submit(self.on_ask, [self.box, *ins], outs, show_progress="hidden"),
            self.send.click(self.on_ask, [self.box, *ins], outs, show_progress="hidden"),
            self.again.click(self.on_again, ins, [*outs, self.feedback.choice, self.feedback.before], show_progress="hidden"),
            self.questions.click(self.on_question, [self.questions, *ins], outs, show_progress="hidden"),
            self.ask_now.change(self.on_ask_now, [self.ask_now, *ins], outs, show_progress="hidden"),
        ]
        self.stop.click(lambda: html.good("Stopped."), None, self.status, cancels=asked, queue=False)
        self.who.input(self.on_who, [self.who, self.session], [self.session, *self.shown], queue=False)
        self.beside.input(lambda on: gr.update(visible=on), self.beside, self.original, queue=False)
        self.feedback.wire(self.system, lambda ws, who, typed: typed or trained_with(ws, who))
        self.clear.click(self.on_clear, self.who, [self.original, self.tuned, self.status], queue=False)

    # --- what is shown ------------------------------------------------------------------------------------------------

    def show(self, ws: Workspace, id: str | None) -> list:
        """Values for `shown`: who can answer, who it is, what was said before, what to ask."""
        every = runs.listing(ws)
        found = [dropdowns.option(f"{r.name} · tuned from {r.brief['model']}", r.id) for r in dropdowns.answering(every, id)]
        options = [*found, ("The starter, untuned", "starter")]
        id = id if any(id == o for _, o in options) else options[0][1]
        said = paths.read_json(memory(ws, id), {}) or {}
        face = face_of(ws, id)
        talks = face in ("chat", "complete")
        return [
            gr.update(
                choices=options, value=id, info=dropdowns.info(WHO, len(every), 'open another in the Runs page and press "Talk to it".')
            ),
            about(ws, id),
            gr.update(value=said.get("original", [])),
            gr.update(value=said.get("tuned", []), label="The starter" if id == "starter" else "Tuned"),
            gr.Dataset(samples=[[q] for q in questions(ws, id)]),
            gr.update(placeholder=trained_with(ws, id)),
            self.feedback.show(ws),
            gr.update(visible=talks or face == "rewrite"),
            gr.update(visible=talks),
            gr.update(visible=not talks),
            *self.task.show(ws, face, id),
        ]

    def on_who(self, id, session, request: gr.Request):
        return [Session.read(session).with_(chat=id), *self.show(self.context.workspace(request), id)]

    def on_clear(self, id, request: gr.Request):
        if id:
            memory(self.context.workspace(request), id).unlink(missing_ok=True)
        return [], [], ""

    # --- asking -------------------------------------------------------------------------------------------------------

    def on_question(self, row, who, beside, original, tuned, request: gr.Request, *settings):
        yield from self._ask(row[0] if isinstance(row, list) else row, who, beside, original, tuned, settings, request)

    def on_ask(self, text, who, beside, original, tuned, request: gr.Request, *settings):
        yield from self._ask(text, who, beside, original, tuned, settings, request)

    def on_ask_now(self, ask, who, beside, original, tuned, request: gr.Request, *settings):
        if ask:
            ask = json.loads(ask)
            yield from self._ask(ask["text"], ask["who"], True, [], [], settings, request)

    def on_again(self, who, beside, original, tuned, request: gr.Request, *settings):
        text = next((plain(m["content"]) for m in reversed(tuned or []) if m["role"] == "user"), "")
        ws = self.context.workspace(request)
        choice, before = self.feedback.offer(ws, settings[0] or trained_with(ws, who), tuned)
        for shown in self._ask(text, who, beside, before_last(original), before_last(tuned), settings, request):
            yield (*shown, choice, before)

    def _ask(self, text, who, beside, original, tuned, settings, request):
        """The tuned model answers first, then the original; each piece is shown as it comes, and the whole is kept."""
        text, still = (text or "").strip(), (gr.skip(), gr.skip(), gr.skip())
        if not text:
            yield (*still, "")
            return
        sides = {"tuned": answered(tuned) + [{"role": "user", "content": text}]}
        if beside and who != "starter":
            sides["original"] = answered(original) + [{"role": "user", "content": text}]
        ws = self.context.workspace(request)
        sampling = {"temperature": settings[1], "top_p": settings[2], "max_tokens": int(settings[3])}

        def now(status: str):
            return gr.update(value=""), sides.get("original", gr.skip()), sides["tuned"], status

        try:
            if not who:
                raise RequestError(
                    "Nobody was chosen to answer.", asked=None, available="a tuned run or the starter", remedy="Choose who answers."
                )
            self.context.require_model(ws, str(who), request)
            system = settings[0] or trained_with(ws, who)
            yield now('<p class="ts-quiet">Waking the model up: the first answer takes some seconds.</p>')
            client = chat_client.Client(ws)
            for side in [s for s in ("tuned", "original") if s in sides]:
                known = chat_client.serving_spec(ws, who, base=side == "original")
                messages = ([{"role": "system", "content": system}] if system else []) + sides[side]
                sides[side] = [*sides[side], {"role": "assistant", "content": ""}]
                drawn = 0.0
                for piece in client.stream(known, messages, **sampling):
                    sides[side][-1]["content"] += piece.text
                    if time.monotonic() - drawn > 0.06 or piece.stop_reason:
                        drawn = time.monotonic()
                        yield now("")
                if piece.stop_reason == "length":
                    yield now('<p class="ts-quiet">The answer was cut at the longest length; raise it under "How it answers".</p>')
                keep(ws, who, sides, original)
        except GeneratorExit:
            keep(ws, who, sides, original)
            raise
        except Exception as error:
            for side in sides.values():
                if side[-1]["role"] == "assistant" and not side[-1]["content"]:
                    side.pop()
            yield now(html.trouble(error))


def trained_with(ws: Workspace, id: str | None) -> str:
    """The system prompt of the rows that a model learnt from: told to it, and to the original, unless another one is written."""
    return runs.get(ws, id).system if id and id != "starter" else ""


def memory(ws: Workspace, id: str) -> Path:
    return ws.chats / f"{paths.checked_id(id, 'chat')}.json"


def keep(ws: Workspace, id: str, sides: dict[str, list], original) -> None:
    if ws.root.is_dir() and paths.writable(ws.root):
        ws.chats.mkdir(parents=True, exist_ok=True)
        paths.write_json(memory(ws, id), {"original": clean(original)} | sides)


def answered(messages) -> list[dict]:
    """The talk up to its last answer: a question that was stopped before one came would make two turns of one role."""
    said = clean(messages)
    while said and said[-1]["role"] == "user":
        said.pop()
    return said


def before_last(messages) -> list[dict]:
    """The talk without its last question and what came after."""
    said = clean(messages)
    last = max((i for i, m in enumerate(said) if m["role"] == "user"), default=0)
    return said[:last]


def about(ws: Workspace, id: str) -> str:
    if id == "starter":
        run_text = "The starter as it comes."
    else:
        run = runs.get(ws, id)
        before, after = run.status.baseline.get("eval_loss"), run.best
        loss = (
            f" Held-out loss {before:.3f} before, {after:.3f} after: {html.in_words(before, after)}."
            if before is not None and after is not None
            else ""
        )
        run_text = f"{run.name}: {run.plan['model']['name']} tuned on {run.plan['data']['name']}.{loss}"
        if run.plan["settings"]["method"] == "full":
            run_text += " It is a second whole model: both stay in memory if they fit, else they are loaded in turn, which takes longer."
        if run.plan["model"]["base"] != str(paths.STARTER):
            return f'<p class="ts-quiet">{html.escape(run_text)}</p>'
    device = devices.listing()[0]
    toy = (
        f"The starter is a toy of four million parameters that shows the way: it knows animals, food, countries, small sums and short stories. "
        f"For real work on this computer choose {model_suggestions.recommended(device).id} in the Train page."
    )
    return f'<p class="ts-quiet">{html.escape(run_text + " " + toy)}</p>'


def first_question(ws: Workspace, id: str) -> str:
    """What a landing demo asks by itself: a short one, for the manner to stand out."""
    found = questions(ws, id)
    return next((q for q in found if q.endswith("?") and len(q) < 60), found[0])


def questions(ws: Workspace, id: str) -> list[str]:
    """What to ask: held-out questions of the run's own data, or what the starter knows."""
    if id != "starter":
        run = runs.get(ws, id)
        try:
            held = questions_of_data.distinct(store.get(ws, run.config["data"]), 5)
        except RequestError:
            held = []  # the data was deleted
        if held := [q[:300] for q in held]:
            return held
    return STARTER_QUESTIONS
