"""What the Label page draws: a pair, how far the project is, who wrote what. Names and answers are never translated."""

from html import escape

from tuner.labels import projects, queue
from tuner.labels.projects import Settings
from tuner.labels.queue import Assignment
from ui.components import html, markdown
from ui.text import text

HOW_MUCH = {1: "little", 2: "clearly", 3: "far"}  # strength of a judgment: the end of its text's name
STEP = "label-step"  # the `Actions` that open a step of the page
GOOD = '<div class="ts-good" role="status">{}</div>'


def name(said: str) -> str:
    """Return the name of a person, a model or a project as it is."""
    return f'<span translate="no" dir="auto">{escape(said)}</span>'


def english(sentence: str) -> str:
    """Return a sentence of the engine, which speaks English."""
    return f'<span lang="en">{escape(sentence)}</span>'


def quiet(said: str) -> str:
    return f'<p class="ts-quiet">{said}</p>'


def good(said: str) -> str:
    """Return a message that something is done; `said` is HTML."""
    return GOOD.format(said)


def warning(word: str, more: str = "") -> str:
    """Return a message that nothing came of it, and what to do; `more` is HTML."""
    return f'<div class="ts-card" role="status">{html.state("warning", word)} {more}</div>'


def step_button(step: str, word: str) -> str:
    """Return a button that opens a step of the page."""
    return html.button(STEP, step, word)


def duration(seconds: float) -> str:
    """Return about how long that is."""
    if seconds < 90:
        return text("label-seconds", n=max(1, round(seconds)))
    if seconds < 5400:
        return text("label-minutes", n=round(seconds / 60))
    return text("label-hours", n=round(seconds / 3600)) if seconds < 129_600 else text("label-days", n=round(seconds / 86400))


def bar(done: float, total: float, words: str) -> str:
    """Return a bar with what it says below (HTML)."""
    share = 100 * done / max(1, total)
    return (
        f'<div class="ts-card"><div class="ts-bar" role="progressbar" aria-valuenow="{share:.0f}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-label="{escape(text("label-progress"))}"><span class="ts-fill" style="width:{share:.1f}%"></span></div>'
        f'<div style="margin-top:.4rem">{words}</div></div>'
    )


# --- the desk ---------------------------------------------------------------------------------------------------------------


def pair(rules: Settings, item: queue.Item) -> str:
    """The conversation, and both answers side by side, or one above the other where there is no room."""
    a, b = markdown.pair(item.a, item.b, as_markdown=rules.markdown, marked=rules.differences)
    sides = "".join(
        f'<div class="ts-card" dir="auto" role="group" aria-label="{escape(text("label-answer", letter=letter))}">'
        f'<span class="ts-letter">{letter}</span>{said}</div>'
        for letter, said in (("A", a), ("B", b))
    )
    asked = markdown.conversation(item.prompt, rules.markdown)
    return f'<div data-task="{item.task}" translate="no">{asked}<div class="ts-answers">{sides}</div></div>'


def progress(desk: Assignment, labeller: str) -> str:
    """How far, how fast, how long; at the end what comes next."""
    parts = [text("label-judged-of", shown=f"{desk.done:,}", total=f"{desk.total:,}")]
    if desk.per_minute and desk.item:
        parts.append(text("label-pace", n=round(desk.per_minute)))
        parts.append(text("label-left", time=duration(desk.seconds_left or 0)))
    parts.append(text("label-mine", n=desk.mine, shown=f"{desk.mine:,}", name=name(labeller)))
    if desk.item is None:
        parts.append(text("label-waiting", n=desk.waiting, shown=f"{desk.waiting:,}") if desk.waiting else text("label-all-judged"))
    return bar(desk.done, desk.total, " · ".join(parts))


def before(judgment: dict) -> str:
    """What was said of a pair before it was undone."""
    said = text(f"label-said-{judgment['choice'].replace('_', '-')}")
    much = judgment.get("strength")
    return text("label-undone", said=f"{said}, {text(f'label-much-{HOW_MUCH[much]}')}" if much else said)


# --- the project ------------------------------------------------------------------------------------------------------------


def next_step(project: projects.Project) -> str:
    """Say what comes next in a project (HTML)."""
    if not project.pairs:
        return quiet(text("label-next-pairs"))
    if not project.done:
        return quiet(text("label-next-collect"))
    return quiet(text("label-next-train" if project.done >= project.tasks else "label-next-label"))


def guidelines(version: int, rules: str) -> str:
    """The guidelines as labellers see them."""
    return f'<div class="ts-card">{quiet(text("label-guidelines-version", version=version))}<div translate="no">{markdown.markdown(rules)}</div></div>'
