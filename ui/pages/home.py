"""Two ways to begin, the recent runs, and what this machine can fine-tune."""

import gradio as gr

from tuner import runs
from ui import live
from ui.components import html, run_state, units
from ui.session import AppContext
from ui.text import text


class HomePage:
    def __init__(self, context: AppContext, session: gr.BrowserState):
        key = "home-guest" if context.guest else "home"
        title, lead = html.escape(text(f"{key}.title")), html.escape(text(f"{key}.lead"))
        gr.HTML(f'<h1>{title}</h1><p class="ts-lead">{lead}</p>', elem_classes="ts-title", padding=False)
        with gr.Row(elem_id="home-start"):
            own = text("home-samples" if context.guest else "home-own")
            self.own = gr.Button(own, variant="secondary" if context.guest else "primary", size="lg", elem_id="own-data")
            self.demo = gr.Button(
                text("home-demo.label"), variant="primary" if context.guest else "secondary", size="lg", elem_id="try-demo"
            )
        gr.HTML(f'<p class="ts-quiet">{html.escape(text("home-demo.info"))}</p>', padding=False)
        self.notice = gr.HTML()
        gr.HTML(live.slot("torch") + live.slot("last-runs"), elem_id="last-runs", padding=False)
        gr.HTML(f"<h2>{html.escape(text('home-machine-title'))}</h2>{live.slot('machine')}", elem_id="home-machine", padding=False)


def last_runs(found: list[runs.Run]) -> str:
    """Return the recent runs as cards (HTML); nothing where there are none."""
    if not found:
        return ""
    return f'<h2>{html.escape(text("home-recent"))}</h2><div class="ts-cards">{"".join(map(card, found))}</div>'


def card(run: runs.Run) -> str:
    """Return one run: its name, state, validation loss, and where to go from here."""
    facts = [run_state.badge(run.state, run.troubled)]
    if run.best is not None:
        facts.append(f"<span>{html.escape(text('home-loss', shown=f'{run.best:.3f}'))}</span>")
    if run.live and (left := html.time_left(run.progress)):
        facts.append(f"<span>{html.escape(left)}</span>")
    elif not run.live and run.progress.elapsed_seconds:
        facts.append(f'<span class="ts-quiet">{html.escape(units.duration(run.progress.elapsed_seconds))}</span>')
    where = [(page, f"{key}={run.id}") for page, key in (("chat", "model"), ("export", "run")) if run.can_answer]
    links = "".join(html.link(page, text(f"home-{page}"), query=query) for page, query in where)
    links = f'<p class="ts-links">{links}</p>' if links else ""
    return (
        f'<article class="ts-card"><h3>{run_state.name_link(run)}</h3>'
        f'<p class="ts-name ts-quiet" translate="no">{html.escape(str(run.config.get("data", "")))}</p>'
        f'<p class="ts-facts">{"".join(facts)}</p>{links}</article>'
    )
