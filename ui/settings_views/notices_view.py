"""Who is told when a run ends or is in trouble: this browser, and a webhook."""

import gradio as gr

from tuner.jobs import notices
from ui.components import html
from ui.session import AppContext
from ui.text import text

QUICK = {"queue": False, "show_progress": "hidden"}
ASK = "(on) => window.tunesmith.notify(on)"  # asks the browser, which asks the person (live.js)
IS_ON = "() => window.tunesmith.notified()"


class NoticesView:
    def __init__(self, context: AppContext):
        self.context = context
        self.browser = gr.Checkbox(
            label=text("settings-notices-browser.label"), info=text("settings-notices-browser.info"), elem_id="notices-browser"
        )
        self.browser.input(None, self.browser, self.browser, js=ASK)
        self.shown: list = []
        if not context.guest:
            self._webhook()

    def _webhook(self) -> None:
        self.url = gr.Textbox(
            label=text("settings-webhook.label"), info=text("settings-webhook.info"), type="password", max_lines=1, elem_id="webhook"
        )
        self.private = gr.Checkbox(
            label=text("settings-webhook-private.label"), info=text("settings-webhook-private.info"), elem_id="webhook-private"
        )
        with gr.Row():
            save = gr.Button(text("settings-webhook-save"), size="sm", elem_id="webhook-save", min_width=120)
            test = gr.Button(text("settings-webhook-test"), size="sm", elem_id="webhook-test", min_width=120)
            off = gr.Button(text("settings-webhook-off"), size="sm", elem_id="webhook-off", min_width=120)
        self.said = gr.HTML(elem_id="webhook-said", padding=False)
        self.shown = [self.said]
        save.click(self.on_save, [self.url, self.private], [self.url, self.said], **QUICK)
        self.url.submit(self.on_save, [self.url, self.private], [self.url, self.said], **QUICK)
        off.click(self.on_off, None, [self.url, self.said], **QUICK)
        test.click(self.on_test, None, self.said, show_progress="minimal")

    def values(self, request: gr.Request) -> list:
        """Return values for `shown`."""
        return [] if self.context.guest else [self.now(request)]

    def now(self, request: gr.Request) -> str:
        hook = notices.webhook(self.context.workspace(request).root)
        said = text("settings-webhook-on", host=hook.host) if hook else text("settings-webhook-none")
        return f'<p class="ts-quiet">{html.escape(said)}</p>'

    def on_save(self, url, private, request: gr.Request):
        try:
            if (url or "").strip():
                notices.set_webhook(self.context.workspace(request), url, private=bool(private))
        except Exception as error:
            return gr.skip(), html.trouble(error)
        return "", self.now(request)

    def on_off(self, request: gr.Request):
        notices.set_webhook(self.context.workspace(request), None)
        return "", self.now(request)

    def on_test(self, request: gr.Request):
        hook = notices.webhook(self.context.workspace(request).root)
        if hook is None:
            return self.now(request)
        said = text("settings-webhook-hello")
        try:
            notices.send(hook, {"event": "test", "text": said, "content": said})
        except Exception as error:
            return html.trouble(error)
        return html.good(text("settings-webhook-tested", host=hook.host))
