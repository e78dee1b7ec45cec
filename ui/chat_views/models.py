"""Which models can answer: the dropdowns of the Chat page, and what is said of the chosen one."""

from collections.abc import Iterable

from tuner import runs
from tuner.paths import Workspace
from tuner.planning import model_suggestions
from tuner.settings import objectives
from ui.chat_views.conversation import BASE, NONE
from ui.components import dropdowns, html
from ui.text import text

STARTER = "starter"
Options = list[tuple[str, str]]


def face_of(ws: Workspace, id: str | None) -> str:
    """How one uses a run's model; the starter chats."""
    if not id or id == STARTER:
        return "chat"
    return _face(runs.get(ws, id))


def _face(run: runs.Run) -> str:
    return objectives.get(run.brief["objective"] or "chat").face


def choices(every: list[runs.Run], id: str | None) -> Options:
    """Return the models that can answer, the newest first; the starter is always there."""
    found = [dropdowns.option(f"{r.name} · {r.brief['model']}", r.id) for r in dropdowns.answering(every, id)]
    return [*found, (text("chat-starter"), STARTER)]


def comparisons(every: Iterable[runs.Run], id: str, chosen: str | None) -> Options:
    """Return what a model can be compared with: nothing, its base model, another run that is used alike."""
    every = list(every)
    mine = next((r for r in every if r.id == id), None)
    alike = "chat" if mine is None else _face(mine)
    others = [r for r in dropdowns.answering(every, chosen) if r.id != id and _same(alike, _face(r))]
    base = [(text("chat-compare-base", name=mine.brief["model"]), BASE)] if mine else []
    return [(text("chat-compare-none"), NONE), *base, *(dropdowns.option(r.name, r.id) for r in others)]


def _same(one: str, other: str) -> bool:
    """Whether two faces are used alike: a text that is continued is asked as a chat."""
    return one == other or {one, other} == {"chat", "complete"}


def title(ws: Workspace, id: str, compare: str = "") -> str:
    """Return what stands over a conversation."""
    if compare == BASE:
        return text("chat-compare-base", name=runs.get(ws, id).brief["model"])
    id = compare or id
    return text("chat-starter") if id in (STARTER, NONE) else runs.get(ws, id).name


def about(ws: Workspace, id: str) -> str:
    """Return what the chosen model is (HTML)."""
    if id == STARTER:
        return f'<p class="ts-quiet">{html.escape(_starter())}</p>'
    run = runs.get(ws, id)
    parts = [text("chat-about", model=run.brief["model"], data=run.plan["data"]["name"])]
    before, after = run.status.baseline.get("eval_loss"), run.best
    if before is not None and after is not None:
        parts.append(text("chat-about-loss", before=f"{before:.3f}", after=f"{after:.3f}"))
    if run.plan["settings"]["method"] == "full":
        parts.append(text("chat-about-full"))
    link = f'<a href="runs?run={html.escape(run.id)}" data-page="runs">{html.escape(text("chat-open-run"))}</a>'
    return f'<p class="ts-quiet"><span translate="no">{html.escape(" ".join(parts))}</span> {link}</p>'


def _starter() -> str:
    return text("chat-about-starter", model=model_suggestions.this_machine().recommended.id)


def nothing() -> str:
    """Return what stands here while there is no fine-tuned model (HTML)."""
    starter = html.link("chat", text("chat-empty-starter"), query=f"model={STARTER}")
    return html.empty(text("chat-empty"), html.link("data", text("chat-empty-start"), primary=True) + " " + starter)
