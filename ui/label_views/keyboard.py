"""The keys of the desk, and the script that presses its buttons with them."""

from ui.components import html
from ui.text import text

KEYS = {  # what stands on the key: the end of its text's name
    "← →, A B": "sides",
    "1 2 3": "strength",
    "T": "tie",
    "X": "both",
    "S": "skip",
    "E": "edit",
    "N": "note",
    "U": "undo",
    "G": "guidelines",
    "?": "keys",
    "Enter": "enter",
    "Esc": "escape",
}


def table() -> str:
    """Return the table of the keys (HTML)."""
    return html.table([text("label-key"), text("label-key-effect")], [(key, text(f"label-key-{name}")) for key, name in KEYS.items()])


# Keys press the buttons, and are dead while somebody types. A key pressed twice does no harm: the verdict names the pair that is shown.
# Panels open and shut in the browser: a second press of their key must find them open, however slow the network is.
SCRIPT = """
<script>
(() => {
  if (new URLSearchParams(location.search).has("label")) document.documentElement.classList.add("ts-guest");
  const by = {ArrowLeft: "label-a", ArrowRight: "label-b", a: "label-a", b: "label-b", "1": "label-1", "2": "label-2", "3": "label-3", t: "label-tie", x: "label-both",
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
  // a key counts once a pair has been in view for a moment: further presses of a quick hand were meant for the pair before
  const SEEN = 300, judging = ["label-a", "label-b", "label-tie", "label-1", "label-2", "label-3", "label-both-commit", "label-skip-commit"];
  let pair = null, since = 0, judged = null;  // judged: the key of a judgment that is on its way, until another pair is drawn
  new MutationObserver(seen => {
    if (seen.some(m => m.target.closest && m.target.closest("#label-pair, #label-message"))) busy(false);
    const at = document.querySelector("#label-pair [data-task]"), now = at && at.dataset.task;
    if (now !== pair) { pair = now; since = performance.now(); judged = null; }
  }).observe(document, {subtree: true, childList: true, attributes: true, attributeFilter: ["data-task"]});  // drawn into the pair before
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
    const now = performance.now(), strength = /^label-[123]$/.test(id);
    if (judging.includes(id) && (now - since < SEEN || judged === id || judged && !strength)) { since = now; return; }
    if (judging.includes(id)) { judged = id; setTimeout(() => { judged = null; }, 2000); }
    button.click();
  }, true);
})();
</script>
"""
