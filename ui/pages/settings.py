"""Language, this machine, the Hub token, notices, cleaning up, what leaves this computer, versions, the workspace; the password that opens a public page."""

import gradio as gr

from tuner import diagnostics
from tuner.formatting import human_bytes
from tuner.network import connections
from ui.components import html, machine
from ui.session import AppContext
from ui.settings_views.cleanup_view import CleanupView
from ui.settings_views.notices_view import IS_ON, NoticesView
from ui.text import COOKIE, LANGUAGES, language, text

QUICK = {"queue": False, "show_progress": "hidden"}
YEAR = 365 * 24 * 3600
# the cookie is read by the server as the page is sent, so the page is loaded anew; it goes to no other site
CHOOSE = f"""(language) => {{
  if (!{list(LANGUAGES)}.includes(language)) return;
  document.cookie = "{COOKIE}=" + language + "; Max-Age={YEAR}; Path=/; SameSite=Strict";
  location.reload();
}}"""


class SettingsPage:
    def __init__(self, context: AppContext, session: gr.BrowserState):
        self.context = context
        self.language = gr.Dropdown(
            [(name, code) for code, name in LANGUAGES.items()],
            label=text("settings-language.label"),
            info=text("settings-language.info"),
            elem_id="language",
            interactive=True,
        )
        self.language.input(None, self.language, None, js=CHOOSE)
        heading("settings-machine")
        self.report = gr.HTML(elem_id="doctor")
        self.look = gr.Button(text("settings-check"), size="sm", elem_id="check-machine")
        if not context.guest or context.password:
            self.hub()
        heading("settings-notices")
        self.notices = NoticesView(context)
        if not context.guest:
            heading("settings-clean")
            self.cleanup = CleanupView(context)
        self.rest = gr.HTML(elem_id="about-tunesmith")
        self.look.click(self.show, None, self.shown, **QUICK)
        if context.guest:
            self.owner()

    def wire_opening(self, tab: gr.Tab) -> None:
        """Show, as the page is opened, what this browser has agreed to."""
        tab.select(None, None, self.notices.browser, js=IS_ON)

    @property
    def shown(self) -> list:
        return [self.language, self.report, self.rest, *self.notices.shown]

    def hub(self) -> None:
        """Where a token for gated and private models is typed. It stays in this process's memory."""
        heading("settings-hub")
        self.token = gr.Textbox(
            label=text("settings-token.label"), type="password", info=text("settings-token.info"), max_lines=1, elem_id="hub-token"
        )
        with gr.Row():
            self.keep = gr.Button(text("settings-token-use"), size="sm", elem_id="keep-token", min_width=120)
            self.forget = gr.Button(text("settings-token-forget"), size="sm", elem_id="forget-token", min_width=120)
        self.token_told = gr.HTML(elem_id="token-told")
        self.keep.click(self.on_token, self.token, [self.token, self.token_told], **QUICK)
        self.token.submit(self.on_token, self.token, [self.token, self.token_told], **QUICK)
        self.forget.click(self.on_forget, None, [self.token, self.token_told], **QUICK)

    def owner(self) -> None:
        """The password with which the owner of a public page uses data and models of their own."""
        heading("settings-owner")
        gr.HTML(f"<p>{html.escape(text('settings-public'))}</p>", padding=False)
        if self.context.password:
            self.password = gr.Textbox(
                label=text("settings-password.label"), type="password", info=text("settings-password.info"), max_lines=1
            )
            self.open = gr.Button(text("settings-unlock"), size="sm")
            self.said = gr.HTML()
            self.open.click(self.on_open, self.password, [self.password, self.said])

    def on_token(self, token, request: gr.Request):
        try:
            self.context.keep_hub_token(request, token or "")
        except Exception as error:
            return "", html.trouble(error)
        return "", html.good(text("settings-token-used" if token else "settings-token-forgotten"))

    def on_forget(self, request: gr.Request):
        return self.on_token("", request)

    def show(self, request: gr.Request):
        """Return values for `shown`."""
        found = diagnostics.report(self.context.workspace(request))
        chosen = language()
        return [chosen if chosen in LANGUAGES else None, self.machine_of(found), self.rest_of(found), *self.notices.values(request)]

    def machine_of(self, found: dict) -> str:
        problems = "".join(html.bad(" ".join((p["message"], p["remedy"])), "en") for p in found["problems"])
        head = [text(f"settings-device-{part}") for part in ("id", "name", "free", "memory", "speed")]
        devices = [
            (d["id"], d["name"], human_bytes(d["free_bytes"]), human_bytes(d["total_bytes"]), throughput(d["ceilings"]))
            for d in found["devices"]
        ]
        return f"{problems or html.good(text('settings-complete'))}{machine.line()}{html.table(head, devices)}"

    def rest_of(self, found: dict) -> str:
        """What leaves this computer, in the words of the engine; versions; where everything is kept."""
        outside = html.table(
            [text(f"settings-connection-{part}") for part in ("to", "when", "sends")], [tuple(c) for c in connections.CONNECTIONS]
        )
        versions = [("tunesmith", found["tunesmith"]), ("python", found["python"]), *found["versions"].items()]
        parts = [
            (text("settings-outside"), f'<div lang="en"><p>{html.escape(connections.NEVER)}</p>{outside}</div>'),
            (text("settings-versions"), html.table([text("settings-library"), text("settings-version")], versions)),
        ]
        if not self.context.guest:
            parts.append((text("settings-workspace"), self.workspace_of(found["workspace"])))
        return "".join(f"<section><h2>{html.escape(title)}</h2>{body}</section>" for title, body in parts)

    def workspace_of(self, place: dict) -> str:
        free = (
            html.escape(text("settings-workspace-free", shown=human_bytes(place["free_bytes"]))) if place["free_bytes"] is not None else ""
        )
        return (
            f'<p>{html.escape(text("settings-workspace-what"))}</p><p><code translate="no">{html.escape(place["path"])}</code> {free}</p>'
        )

    def on_open(self, password, request: gr.Request):
        try:
            opened = self.context.unlock(request, password or "")
        except Exception as error:
            return "", html.trouble(error)
        return "", html.good(text("settings-unlocked")) if opened else html.bad(text("settings-wrong-password"))


def throughput(found: dict | None) -> str:
    """Return what a device was measured to reach."""
    if not found:
        return text("settings-not-measured")
    return text(
        "settings-throughput",
        fp32=f"{found['fp32_tflops']:.3g}",
        bf16=f"{found['bf16_tflops']:.3g}",
        memory=f"{found['bandwidth_gb_per_second']:.0f}",
        when=found["measured"][:16].replace("T", " "),
    )


def heading(key: str) -> None:
    gr.HTML(f"<h2>{html.escape(text(key))}</h2>", padding=False)
