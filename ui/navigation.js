// The address of the page follows what the page keeps in the browser (`Session`), and Back and Forward lead the page. See navigation.py.
(PAGES => {
  const path = () => location.pathname.replace(/\/+$/, "").split("/").pop();
  const here = () => Object.keys(PAGES).find(name => PAGES[name].path && PAGES[name].path === path()) || "home";
  const base = here() === "home" ? location.pathname.replace(/\/*$/, "/") : location.pathname.replace(/[^/]+\/*$/, "");
  document.documentElement.lang = (document.cookie.match(/(?:^|; )tunesmith-language=([^;]+)/) || [0, "en"])[1];
  const press = id => { const button = document.getElementById(id); if (button) button.click(); return !!button; };
  let open = here(), arrived = false, pending = null, moving = false, last = null;
  const seen = new Set();  // what `keep` was told: a page's tab may be told of an older session than the last  // before it has arrived, the page tells where an earlier visit ended
  const mark = name => {
    open = name;
    const link = document.querySelector(`#pages a[data-page=${name}]`);
    document.title = (name === "home" || !link ? "" : link.textContent + " · ") + "Tunesmith";
    document.querySelectorAll("#pages a").forEach(a => {
      if (a.dataset.page === name) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current");
    });
  };
  const address = screen => {
    const page = PAGES[open], id = page.field && screen[page.field];
    return base + page.path + (id ? "?" + page.key + "=" + encodeURIComponent(id).replaceAll("%40", "@").replaceAll("%2C", ",") : "");
  };
  const guest = () => new URLSearchParams(location.search).has("label");  // a link to a label project has an address of its own
  const keep = screen => {
    if (!arrived || !screen) return;
    seen.add(JSON.stringify(screen));
    last = {...screen, tab: open};
    if (window.tunesmith.changed) window.tunesmith.changed(last);
    if (guest()) return;
    const moved = open !== here(), next = address(screen);
    // an object that a page chose by itself is no step of its own
    if (next !== location.pathname + location.search) history[moved || location.search ? "pushState" : "replaceState"](null, "", next);
    if (moved) window.scrollTo(0, 0);
    mark(open);
  };
  const arrive = screen => {
    if (guest()) return screen;
    const name = here(), page = PAGES[name], id = page.key && new URLSearchParams(location.search).get(page.key);
    const named = id ? {[page.field]: id, ...(page.also && !id.includes(",") ? {[page.also]: id} : {})} : page.listed ? {[page.field]: null} : {};
    return {...(screen || {}), tab: name, ...named};
  };
  window.tunesmith = Object.assign(window.tunesmith || {}, {
    base,
    session: () => last,  // what the page keeps of where it is
    keep,
    show: name => { show(name); },
    shown: name => {
      const again = shows[name];
      delete shows[name];
      document.querySelectorAll(".ts-pressed").forEach(unsign);
      if (again) show(name); else window.tunesmith.answered("page-" + name);
    },
    arrive: screen => { arrived = true; open = here(); return arrive(screen); },
    // Back and Forward: the tabs tell that they have changed before the new screen is theirs to read
    travel: screen => {
      mark(here());
      const there = arrive(screen);
      pending = moving ? there : null;  // of the page that stays open nobody tells that it was selected
      return [there, {__type__: "update", selected: here()}];
    },
    // the tabs alone say which page is open: an answer of the server may be older than the last click
    selected: (screen, name) => {
      if (!arrived) return screen;  // Gradio has selected its first tab by itself
      const newest = last && seen.has(JSON.stringify(screen)) ? last : screen;
      const now = {...(pending || newest || {}), tab: name};
      pending = null;
      open = name;
      keep(now);
      return now;
    },
  });
  // a sign that a press was heard, until its answer is drawn
  const unsign = at => at.classList.remove("ts-pressed");
  const sign = at => { at.classList.add("ts-pressed"); setTimeout(unsign, 3000, at); };
  const drawn = then => requestAnimationFrame(() => setTimeout(then));  // after the sign: Gradio's own work for an event blocks the drawing
  // what a page shows is asked for once at a time: of two answers side by side the older may come last
  const shows = {};  // name -> whether the page was asked for again while it was being made
  const show = name => {
    if (name in shows) { shows[name] = true; return; }
    window.tunesmith.asked("page-" + name);
    if (press("ts-show-" + name)) shows[name] = false; else window.tunesmith.answered("page-" + name);
  };
  const follow = () => {  // the address has changed: lead the page there
    moving = open !== here();
    press("ts-travel");
    if (!moving) show(open);
  };
  document.addEventListener("click", e => {
    const link = e.target.closest && e.target.closest("a[data-page]");
    if (!link || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
    sign(link);
    if (link.closest("#pages") && !PAGES[link.dataset.page].listed) {
      if (press("ts-go-" + link.dataset.page)) { e.preventDefault(); mark(link.dataset.page); fold(); }
    } else if (document.getElementById("ts-travel")) {  // to an object of a page
      e.preventDefault();
      const to = new URL(link.getAttribute("href"), location.origin + base);
      if (to.href !== location.href) history.pushState(null, "", to);
      window.scrollTo(0, 0);
      if (link.closest("#pages")) fold();
      drawn(follow);
    }
  });
  // a button within drawn HTML tells its value to a hidden text field, whose handler acts; the number makes each press another value
  let presses = 0, pressed = null;
  new MutationObserver(() => {  // what was pressed is drawn anew: whoever uses the keyboard goes on where they were
    if (!pressed || pressed.isConnected) return;
    const {act, value} = pressed.dataset;
    pressed = null;
    const again = [...document.querySelectorAll(`[data-act="${act}"]`)].find(b => b.dataset.value === value);
    if (again && document.activeElement === document.body) again.focus();
  }).observe(document, {subtree: true, childList: true});
  document.addEventListener("click", e => {
    const button = e.target.closest && e.target.closest("[data-act]");
    if (!button) return;
    pressed = button === document.activeElement && button;
    if (button.role === "checkbox") button.setAttribute("aria-checked", button.getAttribute("aria-checked") !== "true");  // the server follows
    const own = (window.tunesmith.acts || {})[button.dataset.act], field = document.querySelector(`#act-${button.dataset.act} :is(textarea, input)`);
    if (own) return own(button.dataset.value);  // of a page whose script hears of presses itself
    if (!field) return;
    sign(button);
    const value = button.dataset.value, tell = () => {
      field.value = JSON.stringify([value, ++presses]);
      field.dispatchEvent(new Event("input", {bubbles: true}));
    };
    drawn(() => window.tunesmith.after(tell));
  });
  window.addEventListener("popstate", follow);
  // Gradio's tabs are opened by Enter alone: the keys of tabs (WAI-ARIA, "Tabs with automatic activation")
  document.addEventListener("keydown", e => {
    const tab = e.target.closest && e.target.closest("[role=tab]");
    if (!tab || e.ctrlKey || e.altKey || e.metaKey) return;
    const all = [...tab.closest("[role=tablist]").querySelectorAll("[role=tab]:not([aria-disabled=true])")], at = all.indexOf(tab);
    const to = {ArrowRight: all[(at + 1) % all.length], ArrowLeft: all.at(at - 1), Home: all[0], End: all.at(-1)}[e.key];
    if (!to) return;
    e.preventDefault();
    to.focus();
    to.click();
  });
  // who clicks into a list of choices and types means something else than what stands there
  let entering = null;
  document.addEventListener("focusin", e => { entering = e.target.matches && e.target.matches("input[role=combobox]") ? e.target : null; });
  document.addEventListener("click", e => { if (e.target === entering) e.target.select(); entering = null; });
  // Gradio calls the questions of an empty chat a list, and puts buttons into it: readers of the screen are told of an empty list
  new MutationObserver(() => document.querySelectorAll(".examples[role=list]").forEach(e => e.setAttribute("role", "group")))
    .observe(document, {subtree: true, childList: true});
  const wide = matchMedia("(min-width: 900px)");  // as in theme.py: below it the side bar is a menu, closed until it is asked for
  const fold = () => { const menu = document.getElementById("menu"); if (menu) menu.open = wide.matches; };
  wide.addEventListener("change", fold);
  new MutationObserver((_, seen) => { if (document.querySelector("#pages a")) { seen.disconnect(); mark(open); fold(); } })
    .observe(document, {subtree: true, childList: true});
})(window.tunesmithPages);
