// Draws what changes by itself into the slots of the page, once a second while somebody looks. See live.py.
(T => {
  const EVERY = 1000, IDLE = 2500, LATER = 4000, HIDDEN = 10000;  // ms: with a run under way, without one, after an answer that did not come, for notices alone
  const parts = {}, drawn = new WeakMap();
  let told = null, known = "", shape = null, asking = false, again = false, timer = 0, looked = {}, moves = 0;
  const session = () => { const visit = document.getElementById("ts-visit"); return visit && visit.dataset.session; };
  const draw = () => document.querySelectorAll(".ts-live").forEach(slot => {
    const html = parts[slot.dataset.part];
    if (html === undefined || drawn.get(slot) === html) return;
    const log = slot.querySelector(".ts-log"), at = log && log.scrollTop;  // who reads further up stays there
    slot.innerHTML = html;
    drawn.set(slot, html);
    const anew = at && slot.querySelector(".ts-log");
    if (anew) anew.scrollTop = at;
  });
  // Notices of this browser: what was there when the page was opened is no news; with several tabs the browser shows one (the tag).
  const KEY = "tunesmith-notify";
  const wanted = () => localStorage.getItem(KEY) === "1" && window.Notification && Notification.permission === "granted";
  T.notified = wanted;
  T.notify = async on => {
    localStorage.setItem(KEY, on ? "1" : "0");  // at once: the page may be drawing the field by what stands there
    const agreed = on && window.Notification ? await Notification.requestPermission() === "granted" : false;
    localStorage.setItem(KEY, agreed ? "1" : "0");
    return agreed;
  };
  const notice = found => {
    const first = told === null;
    told = told || new Set();
    found.filter(n => !told.has(n.key)).forEach(n => {
      told.add(n.key);
      if (first || !wanted()) return;
      const shown = new Notification(n.title, {body: n.text, tag: n.key});
      shown.onclick = () => { window.focus(); location.href = T.base + "runs?run=" + encodeURIComponent(n.run); };
    });
  };
  const tell = now => {  // to Gradio, which changes its own components
    const field = document.querySelector("#ts-shape :is(textarea, input)");
    if (now === shape || !field) return;
    shape = field.value = now;
    field.dispatchEvent(new Event("input", {bubbles: true}));
  };
  const ask = async () => {
    if (asking) { again = true; return; }
    clearTimeout(timer);
    let wait = IDLE;
    const mine = session(), kept = T.session(), before = moves;
    if (mine && kept && (document.visibilityState === "visible" || wanted())) {
      asking = true;
      try {
        const answer = await fetch(T.base + "gradio_api/run/page_state", {method: "POST", headers: {"Content-Type": "application/json"},
          body: JSON.stringify({data: [kept, known], session_hash: mine})});
        if (!answer.ok) throw new Error("page_state: " + answer.status);
        const now = (await answer.json()).data[0];
        if (now.live) wait = EVERY;
        if (document.visibilityState !== "visible") wait = HIDDEN;
        if (now.ended) notice(now.ended);
        if (moves === before) {  // else another page is looked at since, which has asked again
          known = now.known;
          if (now.parts) { Object.assign(parts, now.parts); draw(); tell(now.shape); }
        }
      } catch (error) {  // the page's process ended, or the network: Gradio says so
        console.warn(error);
        wait = LATER;
      }
      asking = false;
    }
    if (again) { again = false; return ask(); }
    timer = setTimeout(ask, mine ? wait : 100);
  };
  T.changed = kept => {  // another page or another run is looked at: what is drawn of the former goes
    if (kept.tab !== looked.tab || kept.runs !== looked.runs) { moves += 1; known = ""; }  // an answer that is on its way is of the former
    if (kept.runs !== looked.runs) Object.keys(parts).filter(p => p.startsWith("run-")).forEach(p => { parts[p] = ""; });
    looked = kept;
    draw();
    ask();
  };
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") ask(); });
  new MutationObserver(draw).observe(document, {subtree: true, childList: true});  // a slot that Gradio has just built
  ask();
})(window.tunesmith);
