"""The card of Export that pushes a model to the Hugging Face Hub."""

import threading
from collections.abc import Iterator

import gradio as gr

from tuner import runs
from tuner.export import hub_push
from tuner.network import hub_token
from tuner.paths import Workspace
from ui.components import html
from ui.export_views import drawn
from ui.session import AppContext
from ui.text import text


class HubView:
    """Hidden from the guests of a Space, who have no account here."""

    def __init__(self, context: AppContext, pick: gr.Dropdown):
        self.context = context
        self.going: dict[tuple, threading.Event] = {}  # (workspace, run) -> set when its upload is to be cancelled
        with gr.Column(visible=False, elem_classes=["ts-card"], elem_id="hub") as self.card:
            gr.HTML(f"<h2>{text('hub-push')}</h2><p>{text('hub-push.info')}</p>", padding=False)
            with gr.Row():
                self.repo = gr.Textbox(label=text("hub-repo.label"), info=text("hub-repo.info"), max_lines=1, elem_id="hub-repo")
                self.kind = gr.Radio([], label=text("hub-kind.label"), info=text("hub-kind.info"), elem_id="hub-kind")
            self.public = gr.Checkbox(False, label=text("hub-public.label"), info=text("hub-public.info"), elem_id="hub-public")
            self.about = gr.HTML(elem_id="hub-about", padding=False)
            with gr.Row():
                self.push = gr.Button(text("hub-start"), elem_id="hub-start")
                self.cancel = gr.Button(text("export-cancel"), visible=False, elem_id="hub-cancel")
        self.shown = [self.card, self.kind, self.about]
        outs = [self.about, self.push, self.cancel]
        self.push.click(self.on_push, [pick, self.repo, self.kind, self.public], outs, show_progress="hidden")
        self.cancel.click(self.on_cancel, pick, self.cancel, queue=False, show_progress="hidden")

    def show(self, ws: Workspace, run: runs.Run | None) -> list:
        """Values for `shown`."""
        possible = hub_push.choices(run) if run is not None and not self.context.guest else []
        if not possible:
            return [gr.update(visible=False), gr.skip(), ""]
        told = "" if hub_token.for_calls(ws.token) else html.link("settings", text("hub-no-token"))
        choices = [(text(f"export-{kind}"), kind) for kind in possible]
        return [gr.update(visible=True), gr.update(choices=choices, value=possible[0]), f"<p>{told}</p>" if told else ""]

    def on_push(self, id, repo, kind, public, request: gr.Request) -> Iterator[list]:
        ws, hidden, visible = self.context.workspace(request), gr.update(visible=False), gr.update(visible=True)
        key, found = (ws.root, id), {}
        stop = self.going.setdefault(key, threading.Event())

        def work(tell) -> None:
            found.update(
                hub_push.push(ws, id or "", (repo or "").strip(), kind=kind, public=bool(public), waiting=tell, cancelled=stop.is_set)
            )

        try:
            self.context.require_own(request)
            for said in drawn.working(work):
                yield [said, hidden, visible]
            url = html.escape(found["url"])
            where = text("hub-pushed" if found["private"] else "hub-pushed-public")
            yield [f'<p>{html.state("good", where)} <a href="{url}" target="_blank" rel="noopener">{url}</a></p>', visible, hidden]
        except Exception as error:
            yield [html.trouble(error), visible, hidden]
        finally:
            self.going.pop(key, None)

    def on_cancel(self, id, request: gr.Request):
        stop = self.going.get((self.context.workspace(request).root, id))
        if stop is not None:
            stop.set()
        return gr.update(visible=False)
