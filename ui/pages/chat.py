"""Chat with a model, beside its base model or another run; what was said is kept on disk and comes back after a reload."""

import json

import gradio as gr

from tuner import devices, locks, runs
from tuner.errors import RequestError
from tuner.models.chat_templates import THINKING
from tuner.paths import Workspace
from tuner.serving import chat_client
from tuner.system import processes
from ui.chat_views import conversation, models, parameters_view, questions
from ui.chat_views.answering import Answering, trained_with
from ui.chat_views.conversation import BASE, NONE
from ui.chat_views.feedback_view import FeedbackView, options
from ui.chat_views.models import STARTER, face_of
from ui.chat_views.parameters_view import ParametersView
from ui.chat_views.task_view import TaskView, waking
from ui.components import dropdowns, html
from ui.navigation import wire_drawing
from ui.session import AppContext, Session
from ui.text import text

HEIGHT = "max(320px, calc(100dvh - 470px))"  # so that the composer can be seen


class ChatPage:
    def __init__(self, context: AppContext, session: gr.BrowserState):
        self.context, self.session = context, session
        self.asking: dict[str, Answering] = {}  # by session: the question that is being answered
        self.note = gr.HTML(elem_id="chat-note")
        self.empty = gr.HTML(visible=False, elem_id="chat-empty")
        with gr.Column(elem_id="chat-all") as self.all:
            with gr.Row():
                self.who = gr.Dropdown([], label=text("chat-model.label"), elem_id="who", interactive=True, min_width=240)
                self.compare = gr.Dropdown([], label=text("chat-compare.label"), elem_id="compare-with", interactive=True, min_width=240)
            with gr.Row(elem_id="chat-bar"):
                self.about = gr.HTML(elem_id="chat-about", padding=False)
                self.parameters = ParametersView()
                self.clear = gr.Button(text("chat-new"), elem_id="new-chat", min_width=100)
            self._conversations()
            with gr.Column(visible=False) as self.telling:
                self.task = TaskView(context, self.who, self.compare)
        # {"who", "text"}: a question the page asks by itself; of a gr.State that changes off the queue nobody hears
        self.ask_now = gr.Textbox(visible="hidden", show_label=False, elem_classes=["ts-hidden"])
        self.shown = [self.who, self.note, self.about, self.compare, self.tuned, self.original, self.system, self.empty, self.all]
        self.shown += [
            self.talking,
            self.telling,
            self.clear,
            self.parameters.button,
            self.feedback.on,
            self.feedback.section,
            *self.task.shown,
        ]
        self._wire()

    def _conversations(self) -> None:
        with gr.Column() as self.talking:
            with gr.Row(elem_id="chat-room"):
                with gr.Row(elem_id="chat-sides"):
                    self.tuned = gr.Chatbot(label=text("chat-model.label"), **self._looks("chat-tuned"))
                    self.original = gr.Chatbot(label=text("chat-compare.label"), visible=False, **self._looks("chat-original"))
                self.parameters.drawer()
            self.system = self.parameters.system
            self.status = gr.HTML(elem_id="chat-status")
            self.feedback = FeedbackView(self.context, self.who, self.compare, {"original": self.original, "tuned": self.tuned})
            self.box = gr.Textbox(
                label=text("chat-message.label"),
                info=text("chat-message.info"),
                placeholder=text("chat-message.placeholder"),
                lines=1,
                max_lines=8,
                elem_id="message",
                submit_btn=text("chat-send"),
            )
            self.feedback.rest()

    def _looks(self, id: str) -> dict:
        return {
            "height": HEIGHT,
            "min_width": 280,
            "allow_tags": False,
            "sanitize_html": True,
            "reasoning_tags": THINKING,
            "buttons": ["copy"],
            "elem_id": id,
            "elem_classes": ["chat-side"],
            "group_consecutive_messages": False,
            "editable": "user",
            "feedback_options": options(),
            "placeholder": text("chat-placeholder" if id == "chat-tuned" else "chat-placeholder-compare"),
        }

    def _wire(self) -> None:
        quiet, at_once = {"show_progress": "hidden"}, {"show_progress": "hidden", "queue": False}
        ins = [self.who, self.compare, self.tuned, self.original, *self.parameters.inputs]
        outs = [self.box, self.tuned, self.original, self.status, self.feedback.choice, self.feedback.before, self.feedback.section]
        self.box.submit(self.on_ask, [self.box, self.session, *ins], outs, **quiet)
        self.tuned.example_select(self.on_example, ins, outs, **quiet)
        self.ask_now.change(self.on_ask_now, [self.ask_now, *ins], outs, **quiet)
        for chat, other in ((self.tuned, False), (self.original, True)):
            chat.retry(self.on_again, ins, outs, **quiet)
            chat.edit(self.on_edit(other), ins, outs, **quiet)
        self.box.stop(self.on_stop, None, None, **at_once)
        picked = [self.session, self.box, self.status, *self.shown]
        wire_drawing(self.who.input, "chat-model", self.on_who, [self.who, self.session], picked, **at_once)
        compared = [self.box, self.status, self.original]
        wire_drawing(self.compare.input, "chat-compare", self.on_compare, [self.who, self.compare], compared, **at_once)
        self.clear.click(self.on_clear, self.who, [self.box, self.tuned, self.original, self.status, self.feedback.section], **at_once)
        self.feedback.wire(self.system, lambda ws, who, typed: typed or trained_with(ws, who))

    # --- what is shown ------------------------------------------------------------------------------------------------

    def show(self, ws: Workspace, id: str | None) -> list:
        """Return values for `shown`: who can answer, who it is, what was said before, what to ask; or that there is no model yet."""
        every = runs.listing(ws)
        found = models.choices(every, id)
        chosen = id if any(id == o for _, o in found) else found[0][1]
        here = self._chosen(ws, every, found, chosen)
        nothing = chosen == STARTER != id  # there is no run with a model, and nobody asked for the starter
        if not nothing:
            self._prepare(ws)
        here |= {
            self.empty: gr.update(value=models.nothing() if nothing else "", visible=nothing),
            self.all: gr.update(visible=not nothing),
        }
        return [here.get(component, gr.skip()) for component in self.shown]

    def _prepare(self, ws: Workspace) -> None:
        """Have the libraries imported that the first answer needs, unless a serving worker has them."""
        device = devices.get(None).id
        if not locks.is_held(chat_client.folder(ws, device) / "lock"):
            processes.prepare(device)

    def _chosen(self, ws: Workspace, every: list[runs.Run], found: models.Options, id: str) -> dict:
        kept, face = conversation.read(ws, id), face_of(ws, id)
        compare = kept.get("compare") or (NONE if id == STARTER else BASE)
        others = models.comparisons(every, id, compare)
        compare = compare if any(compare == o for _, o in others) else others[0][1]
        talks = face in ("chat", "complete")
        return {
            self.note: "",
            self.who: gr.update(choices=found, value=id, info=dropdowns.info("", len(every), text("chat-model.more")).strip() or None),
            self.about: models.about(ws, id),
            self.compare: gr.update(choices=others, value=compare, visible=talks or face == "rewrite"),
            self.tuned: gr.update(
                value=conversation.shown(kept.get("tuned")),
                label=models.title(ws, id),
                examples=[{"text": q} for q in questions.to_try(ws, id)],
            ),
            self.original: self._other(ws, id, compare, kept),
            self.system: gr.update(placeholder=trained_with(ws, id)),
            self.talking: gr.update(visible=talks),
            self.telling: gr.update(visible=not talks),
            self.clear: gr.update(visible=talks),
            self.parameters.button: gr.update(visible=talks),
            self.feedback.on: self.feedback.show(ws),
            self.feedback.section: gr.update(visible=has_answer(kept.get("tuned"))),
        } | self.task.show(ws, face, id)

    def _other(self, ws: Workspace, id: str, compare: str, kept: dict) -> dict:
        if compare == NONE:
            return gr.update(value=[], visible=False)
        return gr.update(value=conversation.side(kept, compare), label=models.title(ws, id, compare), visible=True)

    def on_who(self, id, session, request: gr.Request):
        self._end(request)
        return [Session.read(session).with_(chat=id), self._sending(), "", *self.show(self.context.workspace(request), id)]

    def on_compare(self, who, compare, request: gr.Request):
        self._end(request)
        ws = self.context.workspace(request)
        if not who or compare not in {v for _, v in models.comparisons(runs.listing(ws), who, compare)}:
            return [self._sending(), "", gr.skip()]
        conversation.keep(ws, who, compare=compare)
        return [self._sending(), "", self._other(ws, who, compare, conversation.read(ws, who))]

    def on_clear(self, id, request: gr.Request):
        self._end(request)
        if id:
            conversation.forget(self.context.workspace(request), id)
        return self._sending(), [], [], "", gr.update(visible=False)

    # --- asking -------------------------------------------------------------------------------------------------------

    def on_ask(self, words, session, who, compare, tuned, other, request: gr.Request, *settings):
        """Ask the model that is chosen, or, where somebody was quicker than the page that opens, the one that it opens with."""
        kept = Session.read(session)
        if not who and (who := kept.chat or kept.run):
            compare = conversation.read(self.context.workspace(request), who).get("compare") or BASE
        yield from self._ask(words, who, compare, conversation.answered(tuned), conversation.answered(other), settings, request)

    def on_example(self, who, compare, tuned, other, event: gr.SelectData, request: gr.Request, *settings):
        words = event.value.get("text") if isinstance(event.value, dict) else ""
        yield from self._ask(words, who, compare, [], [], settings, request)

    def on_ask_now(self, ask, who, compare, tuned, other, request: gr.Request, *settings):
        if ask:
            ask = json.loads(ask)
            yield from self._ask(ask["text"], ask["who"], BASE, [], [], settings, request)

    def on_again(self, who, compare, tuned, other, request: gr.Request, *settings):
        """The last question anew, to both; the answer there was can be compared with the new one."""
        words = last_question(tuned) or last_question(other)
        ws = self.context.workspace(request)
        yield self.feedback.offer(ws, settings[0] or trained_with(ws, who), tuned)
        yield from self._ask(words, who, compare, conversation.before(tuned), conversation.before(other), settings, request, again=True)

    def on_edit(self, in_other: bool):
        """A question in other words: it and all after it go, on both sides."""

        def edit(who, compare, tuned, other, event: gr.EditData, request: gr.Request, *settings):
            last = conversation.questions_from(other if in_other else tuned, int(event.index))
            sides = [conversation.before(side, last) for side in (tuned, other)]
            yield from self._ask(conversation.plain(event.value), who, compare, *sides, settings, request)

        return edit

    def _ask(self, words, who, compare, tuned, other, settings, request, *, again=False):
        """Yield updates as the answers grow; the composer has Stop in the place of Send meanwhile."""
        words = (words or "").strip()
        if not words:
            yield {self.status: ""}
            return
        ws, now = self.context.workspace(request), None
        try:
            now = self._begin(ws, who, compare, tuned, other, settings, request)
            start = {self.box: gr.update(value="", submit_btn=False, stop_btn=text("chat-stop")), self.status: waking()}
            start |= {} if again else {self.feedback.choice: gr.update(visible=False), self.feedback.before: None}
            for n, _ in enumerate(now.follow(words)):
                yield self._drawn(now) | (start if n == 0 else {self.status: ""})
            if now.left:  # another model, another comparison or a new chat is shown in its place
                yield {self.status: gr.skip()}
                return
            ended = {self.status: after(now), self.feedback.section: gr.update(visible=has_answer(now.tuned))}
            yield self._drawn(now) | ended | {self.box: self._sending()}
        except GeneratorExit:
            if now:
                now.stop()
            raise
        except Exception as error:
            if now:
                now.stop()
            yield (self._drawn(now) if now else {}) | {self.status: html.trouble(error), self.box: self._sending()}
        finally:
            if now and self.asking.get(str(request.session_hash)) is now:
                del self.asking[str(request.session_hash)]

    def _begin(self, ws, who, compare, tuned, other, settings, request) -> Answering:
        if not who:
            raise RequestError("No model was chosen.", asked=None, available="a run with a model, or the starter", remedy="Choose a model.")
        for id in (who, compare):
            if id not in (NONE, BASE):
                self.context.require_model(ws, str(id), request)
        compare = compare or NONE if who != STARTER or compare != BASE else NONE
        now = Answering(ws, who, compare, tuned, other, parameters_view.sampling(*settings))
        self._end(request)
        self.asking[str(request.session_hash)] = now
        return now

    def _drawn(self, now: Answering) -> dict:
        return {self.tuned: now.tuned, **({self.original: now.other} if now.compare != NONE else {})}

    def _sending(self) -> dict:
        return gr.update(submit_btn=text("chat-send"), stop_btn=False)

    def _end(self, request: gr.Request) -> None:
        """Stop what this session asked: something else is shown from now on."""
        now = self.asking.pop(str(request.session_hash), None)
        if now:
            now.left = True
            now.stop()

    def on_stop(self, request: gr.Request):
        """Stop what this session asked; whoever follows the answer then draws what there is of it."""
        now = self.asking.pop(str(request.session_hash), None)
        if now:
            now.stop()


def after(now: Answering) -> str:
    """Return what is to be said of answers that ended (HTML)."""
    said = "chat-stopped" if now.over else "chat-silent" if now.silent else "chat-cut" if now.cut else None
    return f'<p class="ts-quiet" role="status">{html.escape(text(said))}</p>' if said else ""


def has_answer(messages: conversation.Messages | None) -> bool:
    return any(m["role"] == "assistant" for m in conversation.clean(messages))


def last_question(messages: conversation.Messages | None) -> str:
    return next((conversation.plain(m["content"]) for m in reversed(messages or []) if m["role"] == "user"), "")


first_question = questions.first
