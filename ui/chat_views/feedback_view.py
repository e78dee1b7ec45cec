"""Thumbs, "better would be ...", and the better of two answers to one question: kept to learn from while the person wants it, else not."""

import gradio as gr

from tuner.errors import TunerError
from tuner.labels import feedback
from ui.components import html
from ui.session import AppContext

QUICK = {"queue": False, "show_progress": "hidden"}
OFF = '<p class="ts-quiet">Not kept. Switch on "Keep what I say of answers" below, and say it again.</p>'
KEPT = 'Kept in the label project "From the chat"; "Learn from them" in the Label page makes data of it.'


class FeedbackView:
    """The question which of two answers was better stands where it is built; `rest` stands further down."""

    def __init__(self, context: AppContext, who: gr.Dropdown, chats: dict[str, gr.Chatbot]):
        self.context, self.who, self.chats = context, who, chats
        self.before = gr.State(None)  # {"prompt", "answer"}: what was answered before "Answer again"
        with gr.Row(visible=False, elem_id="which-better") as self.choice:
            gr.HTML("<b>Which answer was better?</b>")
            self.new = gr.Button("The new one", size="sm", elem_id="better-new", min_width=120)
            self.old = gr.Button("The one before", size="sm", elem_id="better-old", min_width=120)
        self.told = gr.HTML(elem_id="feedback-told")

    def rest(self) -> None:
        with gr.Accordion("Teach it from what you say", open=False, elem_id="feedback"):
            self.on = gr.Checkbox(
                False,
                label="Keep what I say of answers",
                info="Thumbs, better wordings and the better of two answers become rows to learn from. Nothing is kept while this is off.",
                elem_id="keep-feedback",
            )
            with gr.Row():
                self.better = gr.Textbox(
                    label="Better would be ...", info="How the last answer should have read.", lines=2, scale=4, elem_id="better-would-be"
                )
                self.keep = gr.Button("Keep this wording", scale=1, min_width=160, elem_id="keep-better")

    def wire(self, system: gr.Textbox, told_to) -> None:
        """`told_to(ws, who, typed)`: the system prompt that a model was told, where `system` is what was typed."""
        self.told_to = told_to
        self.on.input(self.on_switch, self.on, self.told, **QUICK)
        for side, chat in self.chats.items():
            chat.like(self.on_like(side), [self.who, system, chat], self.told, **QUICK)
        tuned = self.chats["tuned"]
        self.keep.click(self.on_better, [self.who, system, tuned, self.better], [self.told, self.better], **QUICK)
        for button, new in ((self.new, True), (self.old, False)):
            button.click(self.on_choice(new), [self.who, tuned, self.before], [self.told, self.choice, self.before], **QUICK)

    def show(self, ws) -> dict:
        return gr.update(value=feedback.enabled(ws))

    def on_switch(self, on, request: gr.Request):
        ws = self.context.workspace(request)
        feedback.set_enabled(ws, bool(on))
        return html.good("From now on it is kept, on this computer alone." if on else "Nothing more is kept; what was kept stays.")

    def on_like(self, side: str):
        def rate(who, system, said, event: gr.LikeData, request: gr.Request):
            def work(ws):
                at = event.index[0] if isinstance(event.index, (tuple, list)) else event.index
                talk = clean(said)
                if at >= len(talk) or talk[at]["role"] != "assistant":
                    return None
                good = {"": None}.get(event.liked, bool(event.liked)) if isinstance(event.liked, str) else event.liked
                feedback.rate(ws, prompt(self.told_to(ws, who, system), talk[:at]), talk[at]["content"], good, origin(who, side))
                return "Taken back." if good is None else f"Kept as a {'good' if good else 'bad'} answer. {KEPT}"

            return self.keeping(request, work)

        return rate

    def on_better(self, who, system, said, better, request: gr.Request):
        def work(ws):
            talk = clean(said)
            if not talk or talk[-1]["role"] != "assistant":
                return None
            feedback.save_correction(
                ws, prompt(self.told_to(ws, who, system), talk[:-1]), talk[-1]["content"], better or "", origin(who, "tuned")
            )
            return KEPT

        told = self.keeping(request, work)
        return told, "" if KEPT[:20] in told else gr.skip()

    def on_choice(self, new: bool):
        def choose(who, said, before, request: gr.Request):
            def work(ws):
                talk = clean(said)
                if not before or not talk or talk[-1]["role"] != "assistant":
                    return None
                answers = [talk[-1]["content"], before["answer"]]
                chosen, rejected = answers if new else answers[::-1]
                kept = feedback.prefer(ws, before["prompt"], chosen, rejected, origin(who, "tuned"))
                return KEPT if kept else "Both answers are the same, or were compared before: nothing new."

            return self.keeping(request, work), gr.update(visible=False), None

        return choose

    def keeping(self, request: gr.Request, work) -> str:
        """What became of it: kept when it is wanted, told when it is not."""
        ws = self.context.workspace(request)
        if not feedback.enabled(ws):
            return OFF
        try:
            told = work(ws)
        except TunerError as error:
            return html.trouble(error)
        return html.good(told) if told else html.bad("There is no answer to say it of yet.")

    def offer(self, ws, system: str, said) -> tuple[dict, dict | None]:
        """Values for `choice` and `before`, when a question is answered anew: the answer there was, to compare with."""
        talk = clean(said)
        if not feedback.enabled(ws) or not talk or talk[-1]["role"] != "assistant":
            return gr.update(visible=False), None
        return gr.update(visible=True), {"prompt": prompt(system, talk[:-1]), "answer": talk[-1]["content"]}


def prompt(system: str | None, talk: list[dict]) -> list[dict]:
    return ([{"role": "system", "content": system}] if (system or "").strip() else []) + talk


def origin(who, side: str) -> dict:
    return {"chat": side, "model": f"{who}/base" if side == "original" else str(who)}


def plain(content) -> str:
    """Gradio hands a message back as text or as a list of parts."""
    return content if isinstance(content, str) else "".join(p.get("text", "") for p in content or [] if isinstance(p, dict))


def clean(messages) -> list[dict]:
    """Role and text alone; what a model thought aloud is not sent back to it."""
    return [{"role": m["role"], "content": plain(m["content"])} for m in messages or [] if not (m.get("metadata") or {}).get("title")]
