// What the charts of runs are drawn and taken away with: numbers, smoothing, the table, CSV and PNG of a chart. See charts.js.
window.tunesmith.chartTools = (() => {
  const LANG = document.documentElement.lang || "en";
  const make = (tag, props = {}, ...children) => { const e = Object.assign(document.createElement(tag), props); e.append(...children); return e; };
  const css = name => getComputedStyle(document.querySelector(".gradio-container") || document.body).getPropertyValue(name).trim();
  const number = v => v == null ? "–" : v && (Math.abs(v) < 1e-3 || Math.abs(v) >= 1e6) ? v.toExponential(2)
    : new Intl.NumberFormat(LANG, {maximumSignificantDigits: 5}).format(v);
  const clock = s => { const t = Math.round(s), h = Math.floor(t / 3600), two = n => String(n).padStart(2, "0"); return (h ? h + ":" + two(Math.floor(t / 60) % 60) : Math.floor(t / 60)) + ":" + two(t % 60); };
  const save = (name, href) => { const a = make("a", {href, download: name}); a.click(); setTimeout(() => URL.revokeObjectURL(href), 1000); };
  const kept = () => { try { return JSON.parse(sessionStorage.getItem("tunesmith-charts")) || {}; } catch { return {}; } };

  // exponential moving average without the pull of its start (Kingma and Ba 2014, section 3)
  const smoothed = (values, weight) => {
    let average = 0, n = 0;
    return values.map(v => v == null ? v : (average = weight * average + (1 - weight) * v) / (1 - weight ** ++n));
  };
  const between = (xs, ys, x) => {  // where step x stands on another axis: straight lines between the steps that are known
    let low = 0, high = xs.length - 1;
    if (high < 0) return null;
    if (x <= xs[0]) return high ? Math.max(0, ys[0] - (xs[0] - x) * (ys[1] - ys[0]) / (xs[1] - xs[0])) : ys[0];
    if (x >= xs[high]) return ys[high];
    while (high - low > 1) { const middle = (low + high) >> 1; if (xs[middle] <= x) low = middle; else high = middle; }
    return ys[low] + (ys[high] - ys[low]) * (x - xs[low]) / (xs[high] - xs[low]);
  };

  // --- taking away: `set` a ChartSet, `c` one of its charts ---
  const rows = (set, c) => {  // as measured: smoothing is for the eye
    const lines = c.lines.filter(l => !l.faint), [xs, ...columns] = uPlot.join(lines.map(l => [l.xs, l.measured]));
    return {head: [set.words[set.view.axis], ...lines.map(l => l.name)], body: xs.map((x, i) => [x, ...columns.map(column => column[i])])};
  };
  const table = (set, c) => {
    const {head, body} = rows(set, c), step = Math.ceil(body.length / 200);
    const cell = (tag, t) => make(tag, {textContent: t}), line = (tag, cells) => make("tr", {}, ...cells.map(t => cell(tag, t)));
    const shown = body.filter((_, i) => i % step === 0 || i === body.length - 1).map(r => line("td", r.map(v => v == null ? "" : number(v))));
    c.table.replaceChildren(c.table.firstChild, make("table", {className: "ts-table"}, line("th", head), ...shown));
  };
  const csv = (set, c) => {
    const {head, body} = rows(set, c), quote = t => /[",\n]/.test(t) ? '"' + String(t).replaceAll('"', '""') + '"' : t ?? "";
    save(c.chart.name + ".csv", URL.createObjectURL(new Blob([[head, ...body].map(r => r.map(quote).join(",")).join("\n") + "\n"], {type: "text/csv"})));
  };
  const png = (set, c) => {
    if (!c.plot) return;
    const from = c.plot.ctx.canvas, dpr = devicePixelRatio || 1, shown = [...c.values.keys()].filter(n => !set.hidden.has(n));
    const top = 34 * dpr, bottom = (12 + 18 * shown.length) * dpr, to = make("canvas", {width: from.width, height: from.height + top + bottom}), g = to.getContext("2d");
    g.fillStyle = css("--background-fill-primary"); g.fillRect(0, 0, to.width, to.height);
    g.fillStyle = css("--body-text-color"); g.font = `bold ${14 * dpr}px ${css("--font")}`;
    g.fillText(c.chart.title + (c.chart.unit ? ` (${c.chart.unit})` : ""), 12 * dpr, 22 * dpr);
    g.drawImage(from, 0, top);
    g.font = `${12 * dpr}px ${css("--font")}`;
    shown.forEach((name, i) => {
      const y = top + from.height + (14 + 18 * i) * dpr, line = c.lines.find(l => l.name === name && !l.faint);
      g.fillStyle = css("--chart-" + line.colour); g.fillRect(12 * dpr, y - 5 * dpr, 18 * dpr, 3 * dpr);
      g.fillStyle = css("--body-text-color"); g.fillText(name, 38 * dpr, y);
    });
    to.toBlob(blob => save(c.chart.name + ".png", URL.createObjectURL(blob)));
  };
  return {make, css, number, clock, kept, smoothed, between, table, csv, png};
})();
