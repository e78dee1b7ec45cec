// The address of the page follows what the page keeps in the browser (`Screen`), and Back and Forward lead the page. See navigation.py.
(PAGES => {
  const path = () => location.pathname.replace(/\/+$/, "").split("/").pop();
  const here = () => Object.keys(PAGES).find(name => PAGES[name].path && PAGES[name].path === path()) || "home";
  const base = here() === "home" ? location.pathname.replace(/\/*$/, "/") : location.pathname.replace(/[^/]+\/*$/, "");
  const press = id => { const button = document.getElementById(id); if (button) button.click(); return !!button; };
  let open = here(), arrived = false;  // before it has arrived, the page tells where an earlier visit ended
  const mark = name => {
    open = name;
    document.title = (name === "home" ? "" : PAGES[name].title + " · ") + "Tunesmith";
    document.querySelectorAll("#pages a").forEach(a => {
      if (a.dataset.page === name) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current");
    });
  };
  const address = screen => {
    const page = PAGES[screen.tab] || PAGES.home, id = page.field && screen[page.field];
    return base + page.path + (id ? "?" + page.key + "=" + encodeURIComponent(id) : "");
  };
  const guest = () => new URLSearchParams(location.search).has("label");  // a link to a label project has an address of its own
  window.tunesmith = {
    arrive: screen => {
      arrived = true;
      if (guest()) return screen;
      const name = here(), page = PAGES[name], id = page.key && new URLSearchParams(location.search).get(page.key);
      return {...(screen || {}), tab: name, ...(id ? {[page.field]: id} : {})};
    },
    keep: screen => {
      if (!arrived || guest() || !screen || !PAGES[screen.tab]) return;
      const now = location.pathname + location.search, next = address(screen);
      const moved = screen.tab !== here();
      // an object that a page chose by itself, and the demo's, are no step of their own
      if (next !== now) history[moved || location.search ? "pushState" : "replaceState"](null, "", next);
      if (moved) window.scrollTo(0, 0);
      mark(screen.tab);
    },
  };
  document.addEventListener("click", e => {
    const link = e.target.closest && e.target.closest("#pages a");
    if (!link || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
    if (press("ts-go-" + link.dataset.page)) { e.preventDefault(); mark(link.dataset.page); fold(); }
  });
  window.addEventListener("popstate", () => {
    const before = open, name = here();
    if (press("ts-arrive") && before === name) press("ts-show-" + name);
    mark(name);
  });
  const wide = matchMedia("(min-width: 900px)");  // as in theme.py: below it the side bar is a menu, closed until it is asked for
  const fold = () => { const menu = document.getElementById("menu"); if (menu) menu.open = wide.matches; };
  wide.addEventListener("change", fold);
  new MutationObserver((_, seen) => { if (document.querySelector("#pages a")) { seen.disconnect(); mark(open); fold(); } })
    .observe(document, {subtree: true, childList: true});
})(window.tunesmithPages);
