// The form of the Train page: puts the values that will be used into the fields, says beside each who decided it, and opens one step at a time.
// `fields` is the document of `fields_json` in train.py.
((NAMES, ACT) => {
  const nothing = {__type__: "update"}, last = {}, waiting = new Set();
  let states = {}, words = {};
  const block = name => document.getElementById((name === "model" || name === "data" ? "train-" : "setting-") + name);
  const focused = name => { const at = block(name); return !!at && at.contains(document.activeElement); };
  const text = value => { const node = document.createElement("span"); node.textContent = value || ""; return node.innerHTML.replaceAll('"', "&quot;"); };

  // --- values ---
  // fields that a person has written in, each with the number of the question that told the server of it; an answer to an older one leaves
  // them alone
  const written = new Map();
  let asked = 0;
  const filled = name => { const input = block(name) && block(name).querySelector("input, textarea"); return !!input && input.value !== ""; };
  document.addEventListener("input", e => {
    const at = e.target.closest && e.target.closest("[id^=setting-]");
    if (!at) return;
    written.set(at.id.replace("setting-", ""), Infinity);
    if (e.target.role !== "combobox") setTimeout(() => ask());  // Gradio tells nothing of a value that is the one that stood there
  });
  const update = (name, answered) => {
    const state = states[name];
    if (!state || !("value" in state)) return nothing;
    if (written.get(name) <= answered) written.delete(name);
    if (state.held) { last[name] = state.value; return nothing; }  // it came from the field, where a person may write on
    if (state.value === last[name] || written.has(name) && filled(name)) return nothing;
    if (focused(name)) { waiting.add(name); return nothing; }
    last[name] = state.value;
    return {__type__: "update", value: state.value};
  };
  const apply = fields => {
    const found = JSON.parse(fields || "{}");
    ({fields: states = {}, words = {}} = found);
    const updates = NAMES.map(name => update(name, found.answered ?? asked));
    decorate();
    applying = fields;
    return updates;
  };
  // what the fields were given stands in `last`; a document that came meanwhile is not in them yet, and would make old values look chosen.
  // A person who writes the value that Auto has fixes it: what they wrote in shows nothing
  const edited = (values, acts = pressed) => {
    asked += 1;
    written.forEach((number, name) => { if (number === Infinity) written.set(name, asked); });
    const fields = Object.fromEntries(NAMES.filter(n => n in last).map(n => [n, {...states[n], value: written.has(n) ? "written" : last[n]}]));
    return [values[0], JSON.stringify({fields, asked, acts}), ...values.slice(2)];
  };
  const again = () => NAMES.map(name => waiting.delete(name) && states[name] && states[name].by !== "you" ? update(name, asked) : nothing);
  document.addEventListener("focusout", () => { if (waiting.size) setTimeout(() => { if (press("train-apply")) open += 1; }); });
  const press = id => { const button = document.getElementById(id); if (button) button.click(); return !!button; };

  // --- questions to the server: one at a time, and none before the last answer stands in the fields. Of two side by side the later answer
  // would take back what the other was asked for, and Gradio's own `always_last` lets two through that begin within some milliseconds ---
  let open = 0, wanted = false, pressed = [], newest = "", applying = "", applied = "";  // open: events under way that change the form
  const next = () => { if (wanted && !open && newest === applied && press("train-plan")) { wanted = false; open += 1; } };
  const ask = () => { wanted = true; next(); };
  const act = value => { if (value) { pressed.push(value); ask(); } };
  const plan = values => { const acts = pressed; pressed = []; return edited(values, acts); };
  const opening = values => { open += 1; return values; };
  const start = values => opening(edited(values));  // what was pressed is asked again if it can't start
  const answered = fields => { open -= 1; newest = fields; next(); };
  const settled = () => { applied = applying; next(); };

  // --- what stands below a field ---
  const below = (name, state) => {
    const reset = state.by === "you" ? `<button type="button" class="ts-reset" data-act="${ACT}" data-value="${text(JSON.stringify({reset: name}))}">${text(words.reset)}</button>` : "";
    const help = state.brief ? `<p class="ts-help">${text(state.help)}</p>` : "";
    const why = [state.brief ? "" : state.help, state.why].filter(Boolean).map(t => `<p>${text(t)}</p>`).join("");
    const chip = state.chip ? `<div class="ts-by"><span class="ts-chip ${state.by}">${text(state.chip)}</span>${reset}${why ? `<details class="ts-why"><summary aria-label="${text(words.why)}">i</summary><div>${why}</div></details>` : ""}</div>` : "";
    const error = state.error ? `<p class="ts-field-error" lang="en">${text(state.error)}</p>` : "";
    return chip + error + help + (state.warning ? `<p class="ts-field-warning">${text(state.warning)}</p>` : "");
  };
  const decorate = () => {
    for (const name of [...NAMES, "model", "data"]) {
      const at = block(name), state = states[name] || {};
      if (!at) continue;
      let place = at.querySelector(":scope > .ts-below");
      if (!place) { place = document.createElement("div"); place.className = "ts-below"; at.append(place); }
      const drawn = below(name, state);
      if (place.dataset.drawn !== drawn) { place.innerHTML = drawn; place.dataset.drawn = drawn; }
      at.toggleAttribute("data-off", !!state.off);
      const input = at.querySelector("input, textarea");
      if (input) input.setAttribute("aria-invalid", state.error ? "true" : "false");
    }
    groups();
    steps();
  };
  const groups = () => document.querySelectorAll("[data-group]").forEach(head => {
    const row = document.getElementById("group-" + head.dataset.group), own = NAMES.filter(n => row && row.contains(block(n)));
    const yours = own.filter(n => states[n] && states[n].by === "you"), wrong = own.some(n => states[n] && states[n].error);
    head.querySelector(".ts-count").textContent = yours.length ? " · " + yours.length + " " + (states[yours[0]].chip || "") : "";
    if (wrong) fold(head, true);
    head.toggleAttribute("data-off", own.length > 0 && own.every(n => states[n] && states[n].off));
  });
  const fold = (head, open) => {
    head.setAttribute("aria-expanded", open);
    document.getElementById("group-" + head.dataset.group).classList.toggle("open", open);
  };

  // --- steps ---
  const root = document.documentElement;
  const go = name => { root.dataset.trainStep = name; sessionStorage.setItem("tunesmith-step", name); steps(); };
  const steps = () => document.querySelectorAll("#steps [data-step]").forEach(button => {
    const here = document.getElementById("step-" + button.dataset.step);
    if (button.dataset.step === root.dataset.trainStep) button.setAttribute("aria-current", "step"); else button.removeAttribute("aria-current");
    button.toggleAttribute("data-wrong", !!here && !!here.querySelector(".ts-field-error"));
  });
  const lead = id => {
    const at = document.getElementById(id), step = at && at.closest(".ts-step"), row = at && at.closest(".ts-group");
    if (!at) return;
    if (step) go(step.id.replace("step-", ""));
    if (row) fold(document.querySelector(`[data-group="${row.id.replace("group-", "")}"]`), true);
    at.scrollIntoView({block: "center"});
    const input = at.querySelector("input, textarea");
    if (input) input.focus();
  };
  document.addEventListener("click", e => {
    const at = e.target.closest && e.target.closest("[data-step], [data-field], [data-group]");
    document.querySelectorAll("details.ts-why[open]").forEach(d => { if (!d.contains(e.target)) d.open = false; });
    if (!at) return;
    if (at.dataset.step) { go(at.dataset.step); window.scrollTo(0, 0); }
    else if (at.dataset.field) { e.preventDefault(); lead(at.dataset.field); }
    else fold(at, at.getAttribute("aria-expanded") !== "true");
  });
  document.addEventListener("keydown", e => { if (e.key === "Escape") document.querySelectorAll("details.ts-why[open]").forEach(d => { d.open = false; }); });
  root.dataset.trainStep = sessionStorage.getItem("tunesmith-step") || "dataset";
  window.tunesmith = window.tunesmith || {};
  window.tunesmith.train = {apply, again, go, ask, act, plan, opening, start, answered, settled};
  window.tunesmith.acts = {...window.tunesmith.acts, [ACT]: act};
  new MutationObserver((_, seen) => { if (block(NAMES[0]) && document.getElementById("steps")) { seen.disconnect(); decorate(); } }).observe(document, {subtree: true, childList: true});
})(window.tunesmithFields, window.tunesmithAct);
