"""Collect judgments: the link for other labellers with its QR code, who takes part, and an AI judge."""

import time

import gradio as gr
import segno

from tuner.labels import projects
from tuner.labels.roster import Labeller, roster
from ui import reach
from ui.components import html
from ui.label_views import drawn
from ui.label_views.ai_judge_view import AIJudgeView
from ui.session import AppContext
from ui.text import text

QUICK = {"queue": False, "show_progress": "hidden"}
NOW = 60  # seconds within which a labeller counts as being there


class CollectView:
    def __init__(self, context: AppContext, project: gr.Dropdown):
        self.context, self.project = context, project
        self.empty = gr.HTML(visible=False, padding=False)
        with gr.Column(visible=False) as self.filled:
            with gr.Row():
                with gr.Column(scale=3, min_width=280):
                    self.reach = gr.HTML(elem_id="label-reach", padding=False)
                    self.link = gr.Textbox(
                        label=text("label-link.label"),
                        info=text("label-link.info"),
                        interactive=False,
                        max_lines=1,
                        buttons=["copy"],
                        elem_id="label-link",
                    )
                    self.command = gr.Code(
                        label=text("label-command"),
                        language="shell",
                        lines=1,
                        wrap_lines=True,
                        buttons=["copy"],
                        interactive=False,
                        elem_id="label-command",
                    )
                with gr.Column(scale=1, min_width=200):
                    self.code = gr.HTML(elem_id="label-qr", min_height=0, padding=False)
            gr.HTML(f"<h2>{text('label-roster')}</h2>", padding=False)
            self.roster = gr.HTML(elem_id="label-roster", padding=False)
            with gr.Row():
                self.go = gr.Button(text("label-go-label"), variant="primary", elem_id="label-go-label")
                self.refresh = gr.Button(text("label-refresh"), elem_id="label-refresh")
            self.judge = AIJudgeView(context, project)
        self.shown = [self.empty, self.filled, self.reach, self.link, self.command, self.code, self.roster, *self.judge.shown]
        self.refresh.click(self.on_refresh, project, self.roster, **QUICK)

    def show(self, ws, project: str | None, request: gr.Request) -> dict:
        """The link, the roster and the models that may judge; without pairs, where these come from."""
        p = projects.find(ws, project) if project else None
        if p is None or not p.pairs:
            said = html.empty(text("label-collect-empty"), drawn.step_button("setup", text("label-go-setup")))
            return {self.empty: gr.update(value=said, visible=True), self.filled: gr.update(visible=False)}
        out = {
            self.empty: gr.update(visible=False),
            self.filled: gr.update(visible=True),
            self.roster: people(roster(ws, p.id), p.guidelines),
        }
        return out | self._address(p.id, request) | self.judge.show(ws)

    def _address(self, project: str, request: gr.Request) -> dict:
        """The link that others can open, or what makes one."""
        found = None if self.context.guest else link(self.context, project, request)
        closed = found is None and not self.context.guest
        return {
            self.reach: reachable(self.context, found),
            self.link: gr.update(value=found or "", visible=found is not None),
            self.command: gr.update(value=reach.command(self.context.at) if closed else "", visible=closed),
            self.code: gr.update(value=qr_code(found) if found else "", visible=found is not None),
        }

    def on_refresh(self, project, request: gr.Request):
        ws = self.context.workspace(request)
        return people(roster(ws, project), projects.find(ws, project).guidelines) if project else ""


def link(context: AppContext, project: str, request: gr.Request) -> str | None:
    """Return the link to a project that others can open; None while nobody else reaches this page."""
    found = reach.origin(context.at, request)
    return f"{found}{reach.root_path()}/?label={project}" if found else None


def reachable(context: AppContext, found: str | None) -> str:
    """Say who can open the page, and what they need (HTML)."""
    if context.guest:
        return html.state("warning", text("label-reach-guest")) + drawn.quiet(text("label-reach-guest-more"))
    if found is None:
        return html.state("warning", text("label-reach-closed")) + drawn.quiet(text("label-reach-closed-more"))
    user = text("label-reach-login" if context.password else "label-reach-open-more")
    return html.state("good", text("label-reach-open")) + drawn.quiet(user)


def qr_code(address: str) -> str:
    """Return the QR code of an address as SVG, dark on light in both looks."""
    drawn_code = segno.make(address, error="m", micro=False).svg_inline(scale=4, border=4, dark="#0F172A", light="#FFFFFF", omitsize=True)
    label = html.escape(text("label-qr"))
    return f'<figure role="img" aria-label="{label}" style="width:180px;max-width:100%;margin:0">{drawn_code}<figcaption class="ts-quiet">{label}</figcaption></figure>'


def people(found: list[Labeller], newest: int) -> str:
    """Return the roster as a table; a sentence while nobody has come."""
    if not found:
        return drawn.quiet(text("label-roster-empty"))
    heads = [text(f"label-roster-{column}") for column in ("name", "judgments", "guidelines", "seen")]
    now = time.time()
    rows = "".join(
        f'<tr><td><span class="ts-short" title="{html.escape(who.name)}">{drawn.name(who.name)}</span></td><td>{who.judgments:,}</td>'
        f"<td>{read(who, newest)}</td><td>{seen(now - who.last_seen)}</td></tr>"
        for who in found
    )
    return f'<table class="ts-table"><tr>{"".join(f"<th>{html.escape(h)}</th>" for h in heads)}</tr>{rows}</table>'


def read(who: Labeller, newest: int) -> str:
    if who.guidelines is None:
        return html.state("warning", text("label-unread-guidelines"))
    return html.state("good", text("label-read")) if who.guidelines >= newest else html.state("warning", text("label-read-older"))


def seen(seconds: float) -> str:
    return html.state("good", text("label-now")) if seconds < NOW else html.escape(text("label-ago", time=drawn.duration(seconds)))
