// What somebody does while an answer that draws the page is on its way comes after it: such an answer would take it back.
// `asked` and `answered` frame each of them. A press is held until then; what was written into a field meanwhile stays. See navigation.py.
// So does what is written right after an accordion or a tab was opened: a frame after Gradio has drawn what is in it, it sets each field to
// the value that it began with (AppTree.render_previously_invisible_children).
(() => {
  const LONGEST = 8000;  // ms; an answer that never comes holds nothing for longer
  const TICKED = "input[type=checkbox], input[type=radio]", PRESSED = "button, " + TICKED, LOCAL = "[data-act], [role=tab], .label-wrap";  // which draw nothing that is asked for
  const OPENS = ".label-wrap, [role=tab]", FRAMES = 6;  // Gradio sets the fields in the second or third
  const WRITTEN = "textarea, input:not([type=checkbox], [type=radio], [type=file], [role=combobox])";
  const asking = new Map();  // what is being drawn -> a mark of its newest request
  const waiting = [];  // presses
  let opens = 0;
  const written = new Map();  // field -> [what was written, how to find it when it is drawn anew]
  const settled = () => !asking.size, drawing = () => [...asking.keys()].some(name => !name.startsWith("opened"));
  const drawn = then => requestAnimationFrame(() => setTimeout(then));
  const put = ([value, where], field) => {
    const now = field.isConnected ? field : document.querySelector(where);
    if (now && now.matches(TICKED)) { if (now.checked !== value) now.click(); return; }
    if (!now || now.value === value) return;
    now.value = value;
    now.dispatchEvent(new Event("input", {bubbles: true}));
  };
  const release = () => {
    if (!settled()) return;
    written.forEach(put);
    written.clear();
    if (waiting.length) drawn(() => { if (settled()) waiting.splice(0).forEach(press => press()); });  // after what was written is told
  };
  const answered = name => { if (asking.delete(name)) drawn(release); };
  const asked = name => {
    const mine = {};
    asking.set(name, mine);
    setTimeout(() => { if (asking.get(name) === mine) answered(name); }, LONGEST);
  };
  const opened = (name, left) => requestAnimationFrame(() => left ? opened(name, left - 1) : answered(name));
  const after = then => { if (settled()) then(); else waiting.push(then); };
  const sign = at => { at.classList.add("ts-pressed"); setTimeout(() => at.classList.remove("ts-pressed"), 3000); };
  document.addEventListener("click", e => {
    if (!e.target.closest || !e.target.closest(OPENS)) return;
    const name = "opened " + ++opens;
    asked(name);
    opened(name, FRAMES);
  }, true);
  document.addEventListener("click", e => {
    const at = !settled() && e.isTrusted && e.target.closest && e.target.closest(PRESSED);
    if (!at || at.closest(LOCAL) || !at.closest("#tabs") || (at.matches(TICKED) && !drawing())) return;
    e.preventDefault();
    e.stopImmediatePropagation();
    sign(at);
    waiting.push(() => { if (at.isConnected && !at.disabled) at.click(); });
  }, true);
  document.addEventListener("keypress", e => {  // Enter in a field of one line sends it
    if (settled() || !e.isTrusted || e.key !== "Enter" || e.shiftKey || !e.target.matches(WRITTEN)) return;
    if (e.target.tagName === "TEXTAREA" && e.target.rows > 1) return;
    e.preventDefault();
    e.stopImmediatePropagation();
    const at = e.target;
    waiting.push(() => at.isConnected && at.dispatchEvent(new KeyboardEvent("keypress", {key: "Enter", bubbles: true, cancelable: true})));
  }, true);
  document.addEventListener("input", e => {
    if (settled() || !e.isTrusted || !e.target.matches || !e.target.closest("#tabs")) return;
    if (e.target.matches(TICKED)) return void written.set(e.target, [e.target.checked]);
    if (!e.target.matches(WRITTEN)) return;
    const around = e.target.closest("[id]"), id = `#${CSS.escape(around.id)}`;
    written.set(e.target, [e.target.value, around === e.target ? id : `${id} ${e.target.tagName}`]);
  }, true);
  window.tunesmith = Object.assign(window.tunesmith || {}, {
    asked, answered, after, settled,
    drawing: (name, values) => { asked(name); return values; },
  });
})();
