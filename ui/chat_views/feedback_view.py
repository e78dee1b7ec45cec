"""Feedback on answers: thumbs with reasons, a better wording, the better of two answers. Kept as labels while the person wants it, else not."""

import gradio as gr

from tuner.errors import TunerError
from tuner.labels import feedback
from ui.chat_views.conversation import BASE, clean, note, plain
from ui.components import html
from ui.session import AppContext
from ui.text import text

QUICK = {"queue": False, "show_progress": "hidden"}
REASONS = ("wrong", "style", "long", "refused")  # behind the flag of an answer; each counts as a bad answer


def options() -> list[str]:
    """Return what can be said of an answer; Gradio draws the first two, which have to be called so, as thumbs."""
    return ["Like", "Dislike", *(text(f"chat-reason-{name}") for name in REASONS)]


def meant(liked: bool | str | None) -> tuple[bool | None, str | None]:
    """Return (good, reason) of what was clicked; good is None where it was taken back."""
    if isinstance(liked, str):
        reason = next((name for name in REASONS if text(f"chat-reason-{name}") == liked), None)
        return (False, reason) if reason else (None, None)
    return (None, None) if liked is None else (bool(liked), None)


class FeedbackView:
    """The question which of two answers was better stands where it is built; `rest` stands further down."""

    def __init__(self, context: AppContext, who: gr.Dropdown, compare: gr.Dropdown, chats: dict[str, gr.Chatbot]):
        self.context, self.who, self.compare, self.chats = context, who, compare, chats
        self.before = gr.State(None)  # {"prompt", "answer"}: the answer before it was regenerated
        with gr.Row(visible=False, elem_id="which-better") as self.choice:
            gr.HTML(f"<b>{text('chat-which-better')}</b>")
            self.new = gr.Button(text("chat-better-new"), size="sm", elem_id="better-new", min_width=120)
            self.old = gr.Button(text("chat-better-old"), size="sm", elem_id="better-old", min_width=120)
        self.told = gr.HTML(elem_id="feedback-told")

    def rest(self) -> None:
        with gr.Accordion(text("chat-feedback"), open=False, visible=False, elem_id="feedback") as self.section:
            self.on = gr.Checkbox(
                False, label=text("chat-keep-feedback.label"), info=text("chat-keep-feedback.info"), elem_id="keep-feedback"
            )
            self.better = gr.Textbox(
                label=text("chat-better.label"), info=text("chat-better.info"), lines=2, max_lines=12, elem_id="better-would-be"
            )
            self.keep = gr.Button(text("chat-better-keep"), elem_id="keep-better", min_width=120)

    def wire(self, system: gr.Textbox, told_to) -> None:
        """`told_to(ws, who, typed)`: the system prompt that a model was given, where `system` is what was typed."""
        self.told_to = told_to
        self.on.input(self.on_switch, self.on, self.told, **QUICK)
        for side, chat in self.chats.items():
            chat.like(self.on_like(side), [self.who, self.compare, system, chat], self.told, **QUICK)
        tuned = self.chats["tuned"]
        self.keep.click(self.on_better, [self.who, system, tuned, self.better], [self.told, self.better], **QUICK)
        for button, new in ((self.new, True), (self.old, False)):
            button.click(self.on_choice(new), [self.who, tuned, self.before], [self.told, self.choice, self.before], **QUICK)

    def show(self, ws) -> dict:
        return gr.update(value=feedback.enabled(ws))

    def on_switch(self, on, request: gr.Request):
        feedback.set_enabled(self.context.workspace(request), bool(on))
        return html.good(text("chat-feedback-on" if on else "chat-feedback-off"))

    def on_like(self, side: str):
        def rate(who, compare, system, said, event: gr.LikeData, request: gr.Request):
            def work(ws):
                at = event.index[0] if isinstance(event.index, (tuple, list)) else event.index
                if not 0 <= at < len(said or []) or said[at]["role"] != "assistant" or note(said[at]):
                    return None
                good, reason = meant(event.liked)
                about = origin(who, side, compare) | ({"reason": reason} if reason else {})
                asked = compare if side == "original" and compare != BASE else who
                feedback.rate(ws, prompt(self.told_to(ws, asked, system), clean(said[:at])), plain(said[at]["content"]), good, about)
                return text("chat-rating-removed") if good is None else kept("chat-rated-good" if good else "chat-rated-bad")

            return self.keeping(request, work)

        return rate

    def on_better(self, who, system, said, better, request: gr.Request):
        saved = []

        def work(ws):
            talk = clean(said)
            if not talk or talk[-1]["role"] != "assistant":
                return None
            told = prompt(self.told_to(ws, who, system), talk[:-1])
            feedback.save_correction(ws, told, talk[-1]["content"], better or "", origin(who, "tuned"))
            saved.append(True)
            return kept("chat-better-kept")

        told = self.keeping(request, work)
        return told, "" if saved else gr.skip()

    def on_choice(self, new: bool):
        def choose(who, said, before, request: gr.Request):
            def work(ws):
                talk = clean(said)
                if not before or not talk or talk[-1]["role"] != "assistant":
                    return None
                answers = [talk[-1]["content"], before["answer"]]
                chosen, rejected = answers if new else answers[::-1]
                fresh = feedback.prefer(ws, before["prompt"], chosen, rejected, origin(who, "tuned"))
                return kept("chat-choice-kept") if fresh else text("chat-choice-known")

            return self.keeping(request, work), gr.update(visible=False), None

        return choose

    def keeping(self, request: gr.Request, work) -> str:
        """Return what became of it (HTML): kept when it is wanted, told when it is not."""
        ws = self.context.workspace(request)
        if not feedback.enabled(ws):
            return f'<p class="ts-quiet" role="status">{html.escape(text("chat-feedback-not-kept"))}</p>'
        try:
            told = work(ws)
        except TunerError as error:
            return html.trouble(error)
        return html.good(told) if told else html.bad(text("chat-no-answer"))

    def offer(self, ws, system: str, said) -> dict:
        """Return updates for a question that is answered anew: the answer there was, to compare with."""
        talk = clean(said)
        if not feedback.enabled(ws) or not talk or talk[-1]["role"] != "assistant":
            return {self.choice: gr.update(visible=False), self.before: None}
        answer = {"prompt": prompt(system, talk[:-1]), "answer": talk[-1]["content"]}
        return {self.choice: gr.update(visible=True), self.before: answer}


def kept(key: str) -> str:
    return f"{text(key)} {text('chat-feedback-where', project=feedback.TITLE)}"


def prompt(system: str | None, talk: list[dict]) -> list[dict]:
    return ([{"role": "system", "content": system}] if (system or "").strip() else []) + talk


def origin(who, side: str, compare: str = BASE) -> dict:
    """Return which model answered: `side` original is the base model, or the run that is compared with."""
    other = f"{who}/base" if compare == BASE else str(compare)
    return {"chat": side, "model": other if side == "original" else str(who)}
