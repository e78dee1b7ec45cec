"""Where things are, what this computer has, what is missing; the password that opens a public page to its owner."""

import gradio as gr

from tuner import diagnostics
from tuner.formatting import human_bytes
from tuner.network import connections
from ui.components import html
from ui.session import AppContext


class SettingsPage:
    def __init__(self, context: AppContext, session: gr.BrowserState):
        self.context = context
        gr.Markdown("### This computer")
        self.report = gr.HTML(elem_id="doctor")
        self.look = gr.Button("Look again", size="sm")
        self.look.click(self.show, None, self.report)
        if not context.guest or context.password:
            self.hub()
        if context.guest:
            gr.Markdown(
                "### For the owner\nThis page is public: everybody works with the samples and the starter model, each apart, and everything is gone at the end of the visit."
            )
            if context.password:
                self.password = gr.Textbox(
                    label="Password", type="password", info="Opens uploads and other models for this visit.", max_lines=1
                )
                self.open = gr.Button("Open", size="sm")
                self.said = gr.HTML()
                self.open.click(self.on_open, self.password, [self.password, self.said])

    def hub(self) -> None:
        """Where a token for gated and private models is typed. It stays in this process's memory."""
        gr.Markdown("### Hugging Face Hub")
        with gr.Row():
            self.token = gr.Textbox(
                label="Access token",
                type="password",
                info="For gated and private models. Kept in memory until the page is closed, sent to nobody but the Hub, and never written.",
                max_lines=1,
                elem_id="hub-token",
                scale=3,
            )
            self.keep = gr.Button("Use this token", size="sm", elem_id="keep-token", min_width=140)
            self.forget = gr.Button("Forget it", size="sm", elem_id="forget-token", min_width=120)
        self.token_told = gr.HTML(elem_id="token-told")
        quick = {"queue": False, "show_progress": "hidden"}
        self.keep.click(self.on_token, self.token, [self.token, self.token_told], **quick)
        self.token.submit(self.on_token, self.token, [self.token, self.token_told], **quick)
        self.forget.click(self.on_forget, None, [self.token, self.token_told], **quick)

    def on_token(self, token, request: gr.Request):
        try:
            self.context.keep_hub_token(request, token or "")
        except Exception as error:
            return "", html.trouble(error)
        return "", html.good("The token is used from now on, for downloads that start now as well." if token else "No token is kept.")

    def on_forget(self, request: gr.Request):
        return self.on_token("", request)

    def show(self, request: gr.Request):
        found = diagnostics.report(self.context.workspace(request))
        problems = "".join(html.bad(f"{p['message']} {p['remedy']}") for p in found["problems"]) or html.good("Nothing is missing.")
        devices = html.table(
            ["Device", "Name", "Free", "Memory", "Reaches"],
            [
                (d["id"], d["name"], human_bytes(d["free_bytes"]), human_bytes(d["total_bytes"]), diagnostics.as_text(d["ceilings"]))
                for d in found["devices"]
            ],
        )
        versions = html.table(
            ["Library", "Version"], [("tunesmith", found["tunesmith"]), ("python", found["python"]), *found["versions"].items()]
        )
        where = "" if self.context.guest else f"<p>Workspace: <code>{html.escape(found['workspace']['path'])}</code></p>"
        outside = html.table(["Connects to", "When", "What is sent"], [tuple(c) for c in connections.CONNECTIONS])
        outside = f"<h3>What leaves this computer, and when</h3><p>{html.escape(connections.NEVER)}</p>{outside}"
        return f"{problems}<p>{html.escape(found['summary'])}</p>{devices}{where}{versions}{outside}"

    def on_open(self, password, request: gr.Request):
        try:
            opened = self.context.unlock(request, password or "")
        except Exception as error:
            return "", html.trouble(error)
        return "", html.good("Open: this visit may use its own data and models.") if opened else html.bad("That is not the password.")
