"""The desk at which pairs are judged, blind: a question, two markdown, a verdict by button or key; then the next pair.

Handlers read the project, the labeller and the number of the task that is shown from the page, so that whoever sends one verdict twice, or
from an old page, changes nothing; the truth is in the project's file.
"""

from html import escape

import gradio as gr

from tuner.errors import TunerError
from tuner.formatting import human_time
from tuner.labels import feedback, projects, queue
from tuner.labels.projects import Settings
from tuner.labels.queue import Assignment
from ui.components import html, markdown
from ui.session import AppContext

QUICK = {"queue": False, "show_progress": "hidden"}
KEYS = [
    ("← →", "this answer is better"),
    ("1 2 3", "how much better, when strength is switched on"),
    ("T", "a tie"),
    ("B", "both are bad; B again goes on without writing a better one"),
    ("S", "skip; S again goes on without a reason"),
    ("E", "correct the better answer: ← or → says which, Enter goes to its words, Ctrl and Enter keeps them"),
    ("N", "a note to go with the verdict"),
    ("U", "undo, as often as wanted"),
    ("G", "the guidelines"),
    ("?", "these keys"),
    ("Enter", "go to the text box of what is open"),
    ("Esc", "leave a text box, so that the keys work again; once more shuts it"),
]
HOW_MUCH = {1: "a little", 2: "clearly", 3: "far better"}
REASONS = ["I don't know the subject", "The question makes no sense", "It should not be in here", "Another reason (see the note)"]
NOTHING = '<p class="ts-quiet">No pairs yet. Open "Pairs" above: from the sample, a file, your data, or written by your models.</p>'

# Keys press the buttons, and are dead while somebody types. A key pressed twice does no harm: the verdict names the pair that is shown.
# Panels open and shut in the browser: a second press of their key must find them open, however slow the network is.
SCRIPT = """
<script>
(() => {
  if (new URLSearchParams(location.search).has("label")) document.documentElement.classList.add("ts-guest");
  const by = {ArrowLeft: "label-a", ArrowRight: "label-b", "1": "label-1", "2": "label-2", "3": "label-3", t: "label-tie", b: "label-both",
    s: "label-skip", e: "label-edit", n: "label-note", u: "label-undo", g: "label-guide", "?": "label-keys"};
  const panels = {"label-both": "label-better-panel", "label-skip": "label-skip-panel", "label-edit": "label-edit-panel",
    "label-note": "label-note-panel", "label-guide": "label-guide-panel", "label-keys": "label-keys-panel"};
  const again = {"label-both": "label-both-commit", "label-skip": "label-skip-commit"};
  const commits = ["label-a", "label-b", "label-tie", "label-both-commit", "label-skip-commit", "label-edit-commit", "label-undo"];
  const shown = id => { const x = document.getElementById(id); return x && x.offsetParent !== null ? x : null; };
  const only = id => Object.values(panels).forEach(p => {
    const x = document.getElementById(p);
    if (x) x.classList.toggle("open", p === id && !x.classList.contains("open"));
  });
  document.addEventListener("click", e => {
    const button = e.target.closest("button");
    if (!button) return;
    if (panels[button.id]) { only(panels[button.id]); arrive(panels[button.id]); }
    else if (commits.includes(button.id)) { only(null); busy(true); }
  });
  const arrive = id => setTimeout(() => {
    const panel = shown(id);
    if (!panel) return;
    panel.scrollIntoView({block: "nearest"});
    if (id === "label-note-panel") panel.querySelector("textarea").focus();
  }, 50);
  const busy = on => {  // while a verdict is on its way; a pair that nobody has seen is not judged
    const desk = document.getElementById("label-desk");
    if (desk) desk.classList.toggle("ts-busy", on);
    if (on) setTimeout(() => busy(false), 2000);
  };
  new MutationObserver(seen => {
    if (seen.some(m => m.target.closest && m.target.closest("#label-pair, #label-message"))) busy(false);
  }).observe(document, {subtree: true, childList: true});
  document.addEventListener("keydown", e => {
    const welcome = shown("label-begin"), lost = e.target === document.body;
    if (welcome && lost && e.key === "Enter") { e.preventDefault(); welcome.click(); }
    if (!shown("label-undo")) return;
    const typing = e.target.closest('textarea, select, [contenteditable=true], [role=combobox], [role=listbox], input:not([type=checkbox]):not([type=radio]):not([type=button])');
    if (typing) {
      if (e.key === "Escape") { e.target.blur(); e.preventDefault(); }
      if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) {
        const panel = e.target.closest(".ts-panel"), go = panel && panel.querySelector("button.primary");
        if (go) { e.preventDefault(); e.target.blur(); go.click(); }
      }
      return;
    }
    if (e.ctrlKey || e.metaKey || e.altKey || e.repeat) return;
    const open = document.querySelector(".ts-panel.open");
    if (open && e.key === "Escape") { only(null); e.preventDefault(); return; }
    if (open && lost && e.key === "Enter") { const box = open.querySelector("textarea"); if (box) { e.preventDefault(); box.focus(); return; } }
    if (open && open.id === "label-edit-panel" && ["ArrowLeft", "ArrowRight"].includes(e.key)) {
      e.preventDefault(); e.stopPropagation();
      open.querySelectorAll("input[type=radio]")[e.key === "ArrowLeft" ? 0 : 1].click();
      return;
    }
    let id = by[e.key.length === 1 ? e.key.toLowerCase() : e.key];
    if (id && again[id] && shown(panels[id])) id = again[id];
    const button = id && shown(id);
    if (!button) return;
    e.preventDefault(); e.stopPropagation();
    button.click();
  }, true);
})();
</script>
"""


class JudgeView:
    def __init__(self, context: AppContext, project: gr.Dropdown, labeller: gr.Textbox):
        self.context, self.project, self.labeller = context, project, labeller
        with gr.Column(visible=False, elem_id="label-welcome") as self.welcome:
            gr.Markdown("### Read the guidelines before you begin")
            self.rules = gr.HTML(elem_id="label-rules")
            self.begin = gr.Button("I have read them: begin (Enter)", variant="primary", elem_id="label-begin")
        with gr.Row():
            with gr.Column(scale=3, min_width=280):
                self.progress = gr.HTML(NOTHING, elem_id="label-progress")
            with gr.Column(scale=2, min_width=320, visible=False) as self.aside, gr.Row():
                self.guide = gr.Button("Guidelines (G)", size="sm", elem_id="label-guide", min_width=80)
                self.undo = gr.Button("Undo (U)", size="sm", elem_id="label-undo", min_width=80)
                self.keys = gr.Button("Keys (?)", size="sm", elem_id="label-keys", min_width=80)
        with gr.Column(visible=False, elem_id="label-desk") as self.desk:
            self.pair = gr.HTML(elem_id="label-pair")
            with gr.Column(elem_id="label-verdicts"):
                self._verdicts()
            self._panels()
        with gr.Column(elem_id="label-keys-panel", elem_classes=["ts-panel"]):
            gr.HTML(html.table(["Key", "What it does"], KEYS), elem_id="label-help")
        with gr.Column(elem_id="label-guide-panel", elem_classes=["ts-panel"]):
            self.guide_text = gr.HTML(elem_id="label-guide-text")
        self.message = gr.HTML(elem_id="label-message")
        self.next = gr.Button("Learn from them →", variant="primary", visible=False, elem_id="label-next")
        self.task = gr.Textbox(visible="hidden", show_label=False, elem_id="label-task", elem_classes=["ts-hidden"])
        self.chosen = gr.Textbox(visible="hidden", show_label=False, elem_classes=["ts-hidden"])  # the side that waits for its strength
        self.more = gr.Textbox(visible="hidden", show_label=False, elem_classes=["ts-hidden"])  # what the quick answer has no outputs for
        self.quick = [self.progress, self.message, self.task, self.pair, self.more]  # each output costs Gradio a millisecond, used or not
        self.shown = [
            self.welcome,
            self.rules,
            self.aside,
            self.progress,
            self.desk,
            self.guide_text,
            self.pair,
            self.strength,
            self.next,
        ]
        self.shown += [
            self.more,
            *self.texts,
            self.message,
            self.task,
            self.chosen,
        ]
        self._wire()

    def _verdicts(self) -> None:
        with gr.Row():
            self.take_a = gr.Button("← A is better", variant="primary", elem_id="label-a", min_width=120)
            self.take_b = gr.Button("B is better →", variant="primary", elem_id="label-b", min_width=120)
        with gr.Column(visible=False, elem_id="label-strength") as self.strength:
            self.asked = gr.HTML(elem_id="label-asked")
            with gr.Row():
                self.much = [gr.Button(f"{n} {words}", size="sm", elem_id=f"label-{n}", min_width=90) for n, words in HOW_MUCH.items()]
        with gr.Row():
            self.tie = gr.Button("Tie (T)", size="sm", elem_id="label-tie", min_width=90)
            self.both = gr.Button("Both bad (B)", size="sm", elem_id="label-both", min_width=90)
            self.skip = gr.Button("Skip (S)", size="sm", elem_id="label-skip", min_width=90)
            self.edit = gr.Button("Correct one (E)", size="sm", elem_id="label-edit", min_width=90)
            self.note = gr.Button("Note (N)", size="sm", elem_id="label-note", min_width=90)

    def _panels(self) -> None:
        with gr.Column(elem_id="label-better-panel", elem_classes=["ts-panel"]):
            self.better = gr.Textbox(
                label="A better answer, if you like",
                info="Enter goes here, Ctrl and Enter keeps it: it becomes the chosen one, both others the rejected. B again goes on without.",
                lines=3,
                elem_id="label-better",
            )
            self.commit_both = gr.Button("Both are bad", variant="primary", elem_id="label-both-commit")
        with gr.Column(elem_id="label-skip-panel", elem_classes=["ts-panel"]):
            self.reason = gr.Radio(REASONS, label="Why", info="S again skips without a reason.", elem_id="label-reason")
            self.commit_skip = gr.Button("Skip this pair", variant="primary", elem_id="label-skip-commit")
        with gr.Column(elem_id="label-edit-panel", elem_classes=["ts-panel"]):
            self.which = gr.Radio(["A", "B"], label="The better one (← →)", info="It becomes the chosen one.", elem_id="label-which")
            self.wording = gr.Textbox(
                label="As it should read", info="What it said before is kept. Ctrl and Enter keeps it.", lines=4, elem_id="label-wording"
            )
            self.commit_edit = gr.Button("Choose it with these words", variant="primary", elem_id="label-edit-commit")
        with gr.Column(elem_id="label-note-panel", elem_classes=["ts-panel"]):
            self.note_text = gr.Textbox(label="Note", info="It goes with the verdict you give next.", lines=2, elem_id="label-note-text")
        self.texts = [self.note_text, self.better, self.reason, self.wording]

    def _wire(self) -> None:
        who = [self.project, self.labeller]
        verdict, texts = [*who, self.task, self.note_text], [self.better, self.reason, self.wording]
        for button, letter in ((self.take_a, "a"), (self.take_b, "b")):
            button.click(self.on_quick(letter), [*verdict, *texts], self.quick, api_name=f"label_{letter}", **QUICK)
        for n, button in zip(HOW_MUCH, self.much, strict=True):
            button.click(self.on_strength(n), [*verdict, self.chosen], self.shown, **QUICK)
        self.tie.click(self.on_quick("tie"), [*verdict, *texts], self.quick, api_name="label_tie", **QUICK)
        self.more.change(self.on_more, [*who, self.more], [*self.shown, self.asked], **QUICK)
        self.commit_both.click(self.on_both, [*verdict, self.better], self.shown, **QUICK)
        self.commit_skip.click(self.on_skip, [*verdict, self.reason], self.shown, **QUICK)
        self.commit_edit.click(self.on_edit, [*verdict, self.which, self.wording], self.shown, **QUICK)
        self.undo.click(self.on_undo, who, self.shown, api_name="label_undo", **QUICK)
        self.begin.click(self.on_begin, who, self.shown, api_name="label_begin", **QUICK)
        self.edit.click(lambda: (None, ""), None, [self.which, self.wording], **QUICK)
        self.which.input(self.on_which, [*who, self.which], self.wording, **QUICK)
        self.guide.click(self.on_guide, self.project, self.guide_text, **QUICK)

    # --- what is shown ------------------------------------------------------------------------------------------------

    def show(self, ws, project: str | None, labeller: str | None) -> dict:
        """The pair before this labeller, or the guidelines when they have not read them, or what to do first."""
        if not project:
            return self.nothing("")
        if not (labeller or "").strip():
            return self.nothing('<p class="ts-quiet">Write your name above: verdicts are kept under it.</p>')
        try:
            p = projects.find(ws, project)
            if p.pairs == 0:
                return self.nothing(collected(ws, p.id) or NOTHING)
            if not projects.has_read(ws, project, queue.labeller_name(labeller)):
                rules = markdown.markdown(projects.guidelines(ws, project)[1])
                return self.nothing("") | {self.welcome: gr.update(visible=True), self.rules: f'<div class="ts-card">{rules}</div>'}
            return self.drawn(p.settings, queue.next(ws, project, labeller))
        except TunerError as error:
            return self.nothing(html.trouble(error))

    def nothing(self, why: str) -> dict:
        return {
            self.welcome: gr.update(visible=False),
            self.desk: gr.update(visible=False),
            self.aside: gr.update(visible=False),
            self.next: gr.update(visible=False),
            self.progress: why,
            self.task: "",
            self.message: "",
        }

    def drawn(self, rules: Settings, desk: Assignment, message: str = "") -> dict:
        """The desk of one pair; texts of the last one are gone."""
        item, closed = desk.item, gr.update(visible=False)
        if item and item.before:
            message = html.good(f"You had said: {before(item.before)}. Say it again, or anew.")
        out = {self.progress: progress(desk), self.message: message, self.task: str(item.task) if item else ""}
        out |= {self.welcome: closed, self.aside: gr.update(visible=True), self.desk: gr.update(visible=item is not None)}
        out[self.next] = gr.update(visible=item is None and not desk.waiting)
        out |= {self.strength: closed, self.chosen: "", self.more: ""} | dict.fromkeys(self.texts, "") | {self.reason: None}
        return out | ({self.pair: drawn_pair(rules, item)} if item else {})

    # --- verdicts -----------------------------------------------------------------------------------------------------

    def commit(self, request: gr.Request, project, labeller, task, choice: str, **more) -> dict:
        """Keep the verdict; whatever goes wrong is told, and the pair stays."""
        ws = self.context.workspace(request)
        try:
            if not str(task or "").isdigit():
                return self.show(ws, project, labeller)
            desk = queue.judge(ws, project, labeller, int(task), choice, **more)
            return self.drawn(projects.get_settings(ws, project), desk, told(desk.said))
        except Exception as error:
            return {self.message: html.trouble(error)}

    def on_quick(self, choice: str):
        """Values for `quick`: the same with few outputs. What needs others (a strength to ask, texts to empty, the end) is told to `more`."""

        def commit(project, labeller, task, note, better, reason, wording, request: gr.Request):
            ws, stay = self.context.workspace(request), [gr.skip()] * 3
            try:
                rules = projects.get_settings(ws, project)
                if rules.strength and choice in ("a", "b"):
                    return [*stay, gr.skip(), f"{choice} {task}"]
                desk = queue.judge(ws, project, labeller, int(task or 0), choice, note=note or "")
            except Exception as error:
                return [gr.skip(), html.trouble(error), *stay]
            if desk.item is None or desk.unread or rules.strength or note or better or reason or wording:
                return [progress(desk), told(desk.said), str(desk.item.task) if desk.item else "", "", f"anew {desk.mine}"]
            return [progress(desk), told(desk.said), str(desk.item.task), drawn_pair(rules, desk.item), ""]

        return commit

    def on_more(self, project, labeller, more, request: gr.Request):
        what, _, _ = (more or "").partition(" ")
        if what == "anew":
            return self.show(self.context.workspace(request), project, labeller)
        if what in ("a", "b"):
            words = f"<b>{what.upper()} is better. How much?</b>"
            return {self.strength: gr.update(visible=True), self.asked: words, self.chosen: what}
        return {self.asked: ""}

    def on_strength(self, n: int):
        def commit(project, labeller, task, note, chosen, request: gr.Request):
            if chosen not in ("a", "b"):
                return {self.message: html.bad("Choose A or B first.")}
            return self.commit(request, project, labeller, task, chosen, strength=n, note=note or "")

        return commit

    def on_both(self, project, labeller, task, note, better, request: gr.Request):
        return self.commit(request, project, labeller, task, "both_bad", better=better, note=note or "")

    def on_skip(self, project, labeller, task, note, reason, request: gr.Request):
        return self.commit(request, project, labeller, task, "skip", reason=reason or "", note=note or "")

    def on_edit(self, project, labeller, task, note, which, wording, request: gr.Request):
        if which not in ("A", "B"):
            return {self.message: html.bad("Say which of the two is the better one.")}
        return self.commit(request, project, labeller, task, which.lower(), edited=wording, note=note or "")

    def on_undo(self, project, labeller, request: gr.Request):
        ws = self.context.workspace(request)
        try:
            return self.drawn(projects.get_settings(ws, project), queue.undo(ws, project, labeller))
        except Exception as error:
            return {self.message: html.trouble(error)}

    def on_begin(self, project, labeller, request: gr.Request):
        ws = self.context.workspace(request)
        try:
            projects.mark_guidelines_read(ws, project, labeller)
        except Exception as error:
            return {self.message: html.trouble(error)}
        return self.show(ws, project, labeller)

    # --- panels ---------------------------------------------------------------------------------------------------------

    def on_which(self, project, labeller, which, request: gr.Request):
        return self.words(request, project, labeller, which)

    def words(self, request, project, labeller, which) -> str:
        try:
            item = queue.next(self.context.workspace(request), project, labeller).item
        except TunerError:
            return ""
        return "\n".join(map(markdown.content, item.a if which == "A" else item.b)) if item else ""

    def on_guide(self, project, request: gr.Request):
        return markdown.markdown(projects.guidelines(self.context.workspace(request), project)[1])


def drawn_pair(rules: Settings, item: queue.Item) -> str:
    """The talk, and both answers side by side, or one above the other where there is no room."""
    a, b = markdown.pair(item.a, item.b, as_markdown=rules.markdown, marked=rules.differences)
    sides = "".join(
        f'<div class="ts-card" dir="auto" role="group" aria-label="Answer {letter}"><span class="ts-letter">{letter}</span>{html}</div>'
        for letter, html in (("A", a), ("B", b))
    )
    talk = markdown.conversation(item.prompt, rules.markdown)
    return f'<div data-task="{item.task}">{talk}<div class="ts-answers">{sides}</div></div>'


def collected(ws, id: str) -> str:
    """Of the project of the chat: single markdown, which need no judging any more."""
    n = len(feedback.kept(ws)) if id == feedback.PROJECT else 0
    return html.good(f'{n:,} answers were judged in the chat. "Learn from them" makes data of it.') if n else ""


def progress(desk: Assignment) -> str:
    """How far, how fast, how long; at the end what comes next."""
    share = 100 * desk.done / max(1, desk.total)
    bar = (
        f'<div class="ts-bar" role="progressbar" aria-valuenow="{share:.0f}" aria-valuemin="0" aria-valuemax="100">'
        f'<span class="ts-fill" style="width:{share:.1f}%"></span></div>'
    )
    parts = [f"{desk.done:,} of {desk.total:,} judged"]
    if desk.per_minute and desk.item:
        parts.append(f"about {desk.per_minute:.0f} a minute")
        parts.append(f"{human_time(desk.seconds_left)} left")
    parts.append(f"{desk.mine:,} by you" if desk.mine else "none by you yet")
    if desk.item is None and desk.waiting:
        parts.append(
            f"you have judged all that you can: the last {desk.waiting:,} are before others, or are for a second person. "
            "They come back to everybody after 20 minutes"
        )
    elif desk.item is None:
        parts.append("all pairs are judged: thank you")
    return f'<div class="ts-card">{bar}<div style="margin-top:.4rem">{" · ".join(map(escape, parts))}</div></div>'


def told(said: dict) -> str:
    """Who had written what, once the verdict is given; nothing where both are from one source."""
    if not said or said["a_by"] == said["b_by"]:
        return ""
    words = f"The last pair: A was written by {said['a_by']}, B by {said['b_by']}."
    return f'<p class="ts-quiet">{escape(words)}</p>'


def before(verdict: dict) -> str:
    words = {"a": "A is better", "b": "B is better", "tie": "a tie", "both_bad": "both are bad", "skip": "skip"}[verdict["choice"]]
    return words + (f", {HOW_MUCH[verdict['strength']]}" if verdict.get("strength") else "")
