// Draws the charts of runs with uPlot: see ui/components/charts.py. The server leaves a marker (which runs, how far they are); whenever it is
// another one, the figures that are not here yet are asked for and added, so that a chart is never drawn anew and keeps its zoom.
(base => {
  const HEIGHT = 220, SYNC = "tunesmith-runs", AGAIN = 5000;  // AGAIN: ms until figures that did not come are asked for once more
  const {make, css, number, clock, kept, smoothed, between, table, csv, png} = window.tunesmith.chartTools;

  class ChartSet {
    constructor(root) {
      this.root = root;
      this.runs = new Map();  // id → {name, live, series}
      this.view = {axis: "step", smoothing: null, log: false, ...kept()};
      this.zoom = null;
      this.charts = [];
      this.hidden = new Set();
      this.told = make("p", {className: "ts-bad", role: "alert", textContent: root.dataset.failed});
      new ResizeObserver(() => this.resize()).observe(root);
    }
    // --- figures -------------------------------------------------------------------------------------------------------
    async show(ids) {
      if (this.busy) { this.again = ids; return; }
      this.busy = true;
      try {
        if (ids.join() !== this.ids) { this.clear(); this.ids = ids.join(); }
        if (ids.length) this.take(await this.ask(ids), ids);
        this.told.remove();
      } catch (error) {
        console.error(error);
        this.failed(ids);
      }
      this.busy = false;
      if (this.again) { const next = this.again; this.again = null; this.show(next); }
    }
    async ask(ids) {
      const wanted = ids.map(id => ({run: id, since: this.last(id)}));
      const answer = await fetch(base + "gradio_api/run/run_metrics", {method: "POST", headers: {"Content-Type": "application/json"},
        body: JSON.stringify({data: [wanted], session_hash: document.getElementById("ts-visit").dataset.session})});
      if (!answer.ok) throw new Error("run_metrics: " + answer.status);
      return (await answer.json()).data[0];
    }
    last(id) {  // the last step is asked for again: its validation loss may have come after its loss
      const run = this.runs.get(id);
      return run && !run.anew ? Math.max(-1, ...Object.values(run.series).map(([steps]) => steps.length ? steps[steps.length - 1] - 1 : -1)) : -1;
    }
    take(reply, ids) {
      if (ids.join() !== this.ids) return;
      for (const found of reply.runs) {
        const run = this.runs.get(found.run) || {series: {}};
        for (const [key, [steps, values]] of Object.entries(found.series)) {
          const [xs, ys] = run.series[key] = run.series[key] || [[], []];
          while (steps.length && xs.length && xs[xs.length - 1] >= steps[0]) { xs.pop(); ys.pop(); }
          for (let i = 0; i < steps.length; i++) { xs.push(steps[i]); ys.push(values[i]); }
        }
        const ended = run.live && !found.live;  // at its end a run writes to its best step once more: all is asked for again
        if (ended) this.again = ids;
        this.runs.set(found.run, Object.assign(run, {name: found.name, live: found.live, anew: ended}));
      }
      if (!this.words) { this.words = reply.words; this.defined = reply.charts; this.build(); }
      this.draw();
    }
    failed(ids) {  // what is drawn stays, and is said to be old
      this.root.prepend(this.told);
      setTimeout(() => { if (this.root.isConnected && ids.join() === this.ids) this.show(ids); }, AGAIN);
    }
    clear() {
      this.charts.forEach(c => c.plot && c.plot.destroy());
      Object.assign(this, {runs: new Map(), words: null, charts: [], zoom: null, hidden: new Set()});
      this.root.replaceChildren();
    }
    // --- controls ------------------------------------------------------------------------------------------------------
    build() {
      const w = this.words, view = this.view;
      this.axis = make("select", {ariaLabel: w.axis}, ...["step", "epoch", "time"].map(a => make("option", {value: a, textContent: w[a]})));
      this.axis.onchange = () => { view.axis = this.axis.value; this.zoom = null; this.redo(); };
      const out = make("output", {textContent: this.smoothing}), slide = make("input", {type: "range", min: 0, max: 0.99, step: 0.01, value: this.smoothing});
      slide.oninput = () => { view.smoothing = +slide.value; out.textContent = slide.value; this.keep(); this.draw(); };
      const log = make("input", {type: "checkbox", checked: view.log});
      log.onchange = () => { view.log = log.checked; this.redo(); };
      this.reset = make("button", {type: "button", className: "ts-button", textContent: w.reset, disabled: true, onclick: () => this.zoomTo(null)});
      const label = (text, ...inputs) => make("label", {}, make("span", {textContent: text}), ...inputs);
      const bar = make("div", {className: "ts-chart-bar"}, label(w.axis, this.axis), label(w.smoothing, slide, out), label(w.log, log), this.reset);
      const more = make("div", {className: "ts-charts"}), first = make("div", {className: "ts-charts"});
      this.more = make("details", {className: "ts-more"}, make("summary", {textContent: w.more}), more);
      this.more.ontoggle = () => this.draw();
      const only = this.root.dataset.only;
      this.root.replaceChildren(...(only ? [first] : [bar, first, this.more]));
      this.charts = this.defined.filter(chart => !only || chart.name === only).map(chart => this.figure(chart, chart.first ? first : more));
    }
    figure(chart, parent) {
      const w = this.words, small = (word, act) => make("button", {type: "button", className: "ts-small", textContent: word, ariaLabel: word + ": " + chart.title, onclick: act});
      const at = make("span", {className: "ts-quiet ts-at"});
      const head = make("figcaption", {}, make("b", {textContent: chart.title}), make("span", {className: "ts-quiet", textContent: chart.unit}), at, small(w.png, () => png(this, c)), small(w.csv, () => csv(this, c)));
      const canvas = make("div", {className: "ts-canvas"}), legend = make("div", {className: "ts-legend"});
      const shown = make("details", {className: "ts-chart-table"}, make("summary", {textContent: w.table}));
      shown.ontoggle = () => { if (shown.open) table(this, c); };
      const node = make("figure", {className: "ts-chart", id: (this.root.dataset.only ? "overview-" : "chart-") + chart.name}, head, canvas, legend, shown);
      const c = {chart, node, canvas, legend, table: shown, at, lines: [], parent};
      canvas.setAttribute("role", "img");
      return c;
    }
    keep() { try { sessionStorage.setItem("tunesmith-charts", JSON.stringify(this.view)); } catch { /* a browser that keeps nothing */ } }
    redo() { this.keep(); this.charts.forEach(c => { if (c.plot) { c.plot.destroy(); c.plot = null; } }); this.draw(); }
    get smoothing() {  // as chosen, else by how many steps there are: a short curve would only be late
      const most = Math.max(0, ...[...this.runs.values()].map(run => (run.series.loss || [[]])[0].length));
      return this.view.smoothing ?? (most > 1000 ? 0.9 : most > 200 ? 0.8 : 0.6);
    }
    // --- drawing -------------------------------------------------------------------------------------------------------
    x(run, step) {
      const key = {epoch: "epoch", time: "elapsed_seconds"}[this.view.axis], on = key && run.series[key];
      return on ? between(on[0], on[1], step) : step;
    }
    lines(chart) {  // [{name, colour, dash, width, faint, xs, ys}] of all runs
      const several = this.runs.size > 1, out = [];
      [...this.runs.values()].forEach((run, n) => {
        for (const line of chart.lines) {
          const found = run.series[line.key];
          if (!found || !found[0].length) continue;
          const name = several ? run.name + (chart.lines.length > 1 ? ": " + line.label : "") : line.label, colour = several ? n % 8 + 1 : line.colour;
          const xs = found[0].map(s => this.x(run, s)), ys = found[1].map(v => v == null ? null : v * chart.scale);
          const smooth = line.smooth && this.smoothing > 0 && xs.length > 2;
          if (smooth && !several) out.push({name, colour, faint: true, width: 1, xs, ys});
          out.push({name, colour, dash: line.dash, width: 2, xs, measured: ys, ys: smooth ? smoothed(ys, this.smoothing) : ys});
        }
      });
      return out;
    }
    draw() {
      if (!this.words) return;
      const known = key => [...this.runs.values()].every(run => (run.series[key] || [[]])[0].length > 1);
      this.axis.querySelector("[value=epoch]").disabled = !known("epoch");
      this.axis.querySelector("[value=time]").disabled = !known("elapsed_seconds");
      if (this.axis.querySelector(`[value=${this.view.axis}]`).disabled) this.view.axis = "step";
      this.axis.value = this.view.axis;
      for (const c of this.charts) {
        c.lines = this.lines(c.chart);
        const there = c.lines.length > 0 || c.chart.name === "loss";
        if (there !== c.node.isConnected) there ? this.place(c) : c.node.remove();
        if (there && (c.chart.first || this.more.open)) this.plot(c);
      }
      this.more.hidden = !this.charts.some(c => !c.chart.first && c.lines.length);
    }
    place(c) {  // in the order in which they are defined
      const next = this.charts.slice(this.charts.indexOf(c) + 1).find(o => o.parent === c.parent && o.node.isConnected);
      c.parent.insertBefore(c.node, next ? next.node : null);
    }
    plot(c) {
      if (!c.lines.length) { c.legend.replaceChildren(make("span", {className: "ts-quiet", textContent: this.words.nothing})); return; }
      const log = this.view.log && c.lines.every(l => l.ys.every(v => v == null || v > 0));
      const shape = JSON.stringify([log, c.lines.map(l => [l.name, l.faint, l.colour])]), width = Math.max(200, c.canvas.clientWidth);
      const data = uPlot.join(c.lines.map(l => [l.xs, l.ys]));
      if (c.plot && c.shape === shape) { c.plot.setData(data, !this.zoom); if (this.zoom) c.plot.setScale("x", this.zoom); this.say(c); return; }
      if (c.plot) c.plot.destroy();
      c.shape = shape;
      c.plot = new uPlot(this.options(c, log, width), data, c.canvas);
      if (this.zoom) c.plot.setScale("x", this.zoom);
      this.legend(c);
      this.say(c);
    }
    options(c, log, width) {
      const quiet = () => css("--body-text-color-subdued"), grid = {stroke: () => css("--border-color-primary"), width: 1};
      const axis = {stroke: quiet, grid, ticks: {show: false}, font: "12px " + css("--font")};
      const values = (u, splits) => splits.map(v => this.view.axis === "time" ? clock(v) : number(v));
      const up = {...axis, size: (u, said) => Math.max(40, 16 + 7 * Math.max(0, ...(said || []).map(s => (s || "").length))), values: (u, splits) => splits.map(v => v == null ? "" : number(v))};
      return {
        width, height: HEIGHT, legend: {show: false}, padding: [8, 24, 0, 0],
        cursor: {sync: {key: SYNC, setSeries: false, scales: ["x", null]}, drag: {x: true, y: false, setScale: false}, points: {size: 7}},
        scales: {x: {time: false}, y: {distr: log ? 3 : 1}},
        axes: [{...axis, values, space: 60, size: 28}, up],
        series: [{}, ...c.lines.map(l => ({label: l.name, stroke: () => css("--chart-" + l.colour), width: l.width, dash: l.dash ? [6, 4] : undefined,
          alpha: l.faint ? 0.35 : 1, spanGaps: false, show: !this.hidden.has(l.name), points: {show: l.xs.length === 1 || l.dash && l.xs.length < 30, size: 5}}))],
        hooks: {
          setCursor: [u => this.point(c, u.cursor.idx)],
          setSelect: [u => { if (u.select.width > 4) this.zoomTo({min: u.posToVal(u.select.left, "x"), max: u.posToVal(u.select.left + u.select.width, "x")}); u.setSelect({left: 0, width: 0, top: 0, height: 0}, false); }],
          ready: [u => u.over.addEventListener("dblclick", () => this.zoomTo(null))],
        },
      };
    }
    zoomTo(range) {
      this.zoom = range;
      this.reset.disabled = !range;
      this.charts.forEach(c => { if (!c.plot) return; if (range) c.plot.setScale("x", range); else c.plot.setData(c.plot.data, true); });
    }
    resize() {
      for (const c of this.charts) if (c.plot && c.canvas.clientWidth > 0 && c.canvas.clientWidth !== c.plot.width) c.plot.setSize({width: c.canvas.clientWidth, height: HEIGHT});
    }
    // --- legend, values under the pointer ----------------------------------------------------------------------------------
    legend(c) {
      c.values = new Map();
      const names = [...new Set(c.lines.map(l => l.name))];
      c.legend.replaceChildren(...names.map(name => {
        const line = c.lines.find(l => l.name === name && !l.faint), value = make("output", {});
        const sign = make("i", {className: line.dash ? "dash" : ""});
        sign.style.borderColor = `var(--chart-${line.colour})`;
        const button = make("button", {type: "button", className: "ts-key"}, sign, make("span", {className: "ts-name", textContent: name, title: name}), value);
        const shown = () => button.setAttribute("aria-pressed", String(!this.hidden.has(name)));
        button.onclick = () => { this.hidden.has(name) ? this.hidden.delete(name) : this.hidden.add(name); shown(); c.lines.forEach((l, i) => { if (l.name === name) c.plot.setSeries(i + 1, {show: !this.hidden.has(name)}); }); };
        shown();
        c.values.set(name, value);
        return button;
      }));
      this.point(c, null);
    }
    point(c, idx) {  // the values at the crosshair, else the last ones, as they were measured
      if (!c.plot || !c.values) return;
      const data = c.plot.data, x = data[0][idx == null ? data[0].length - 1 : idx];
      for (const l of c.lines) {
        if (l.faint) continue;
        let j = l.xs.length - 1;
        while (j > 0 && (l.xs[j] > x || l.measured[j] == null)) j--;
        c.values.get(l.name).textContent = number(l.measured[j]);
      }
      c.at.textContent = idx == null ? "" : this.words[this.view.axis] + " " + (this.view.axis === "time" ? clock(x) : number(x));
    }
    say(c) {
      if (c.plot.cursor.idx == null) this.point(c, null);
      const said = [...(c.values || [])].map(([name, value]) => name + " " + value.textContent).join("; ");
      c.canvas.setAttribute("aria-label", c.chart.title + ": " + said);
      if (c.table.open) table(this, c);
    }
  }

  const sets = new Map();  // place → ChartSet
  window.tunesmith.charts = sets;
  let waiting = false;
  const look = () => {
    waiting = false;
    for (const root of document.querySelectorAll(".ts-chart-set")) {
      if (!sets.has(root)) sets.set(root, new ChartSet(root));
      const set = sets.get(root), sign = document.querySelector(`[data-part="${root.dataset.of}"] [data-chart-runs]`);
      const stamp = sign ? sign.dataset.chartRuns + sign.dataset.stamp : "";
      if (stamp !== set.stamp) { set.stamp = stamp; set.show(sign ? sign.dataset.chartRuns.split(",") : []); }
    }
    for (const root of sets.keys()) if (!root.isConnected) sets.delete(root);
  };
  new MutationObserver(() => { if (!waiting) { waiting = true; setTimeout(look, 30); } }).observe(document.body, {subtree: true, childList: true});
  new MutationObserver(() => sets.forEach(set => set.charts.forEach(c => c.plot && c.plot.redraw(false)))).observe(document.body, {attributeFilter: ["class"]});
  look();
})(window.tunesmith.base);
