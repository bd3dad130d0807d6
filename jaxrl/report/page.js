"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };

  // --- sorting: numbers from the largest, text from A; what has no value comes last either way
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    const value = cell.dataset.value ?? (cell.classList.contains("number") ? "" : cell.textContent);
    return value === "" ? null : isNaN(value) ? value : Number(value);
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  const sort = (header) => {
    const table = header.closest("table");
    const column = header.cellIndex;
    const before = header.getAttribute("aria-sort");
    const number = header.classList.contains("number");
    const falling = before === "none" ? number : before === "ascending";
    all("thead th[aria-sort]", table).forEach((one) => one.setAttribute("aria-sort", "none"));
    header.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].map((row, place) => ({ row, place, value: valueOf(row, column) }));
    rows.sort((a, b) => {
      if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.place - b.place;
      return (falling ? -1 : 1) * compare(a.value, b.value) || a.place - b.place;
    });
    table.tBodies[0].append(...rows.map((one) => one.row));
    say(`${table.caption.textContent}: sorted by ${header.textContent}, ${falling ? "descending" : "ascending"}.`);
  };
  all("thead th[aria-sort] > button").forEach((one) => one.addEventListener("click", () => sort(one.parentElement)));

  // --- filters: an element is hidden where it tells of something else than what was chosen
  const form = document.getElementById("filters");
  const selects = all("select", form);
  const found = document.getElementById("found");
  const say = (text) => { found.textContent = text; };
  const chosen = () => Object.fromEntries(selects.map((one) => [one.dataset.field, one.value]));
  const fits = (one, wanted) =>
    Object.entries(wanted).every(([field, value]) =>
      value === "" || one.dataset[field] === undefined || one.dataset[field].split("\n").includes(value));
  const filter = () => {
    const wanted = chosen();
    all("[data-filter]").forEach((one) => { one.hidden = !fits(one, wanted); });
    const rows = all("#all-runs tbody tr");
    const shown = rows.filter((one) => !one.hidden).length;
    const suites = all("section.suite").filter((one) => !one.hidden).length;
    const active = Object.values(wanted).some((value) => value !== "");
    say(active
      ? `${shown} of ${rows.length} runs, ${suites} of ${all("section.suite").length} suites. ` +
        "Aggregates and ranks stay those of all datasets and cards."
      : `All ${rows.length} runs.`);
    for (const one of drawn.values()) tell(one.view, wanted);
  };
  form.addEventListener("change", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));

  // --- charts: Vega draws them when they come near, as wide as there is room, in the colours of the theme
  const drawn = new Map();
  const dark = () => root.dataset.theme
    ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const theme = () => (dark() ? "dark" : "light");
  const tell = (view, wanted) => {
    for (const [field, value] of Object.entries(wanted)) {
      const printable = value.replace(/[\p{C}\p{Z}]/gu, " "); // as in the charts' data
      try { view.signal(`only_${field}`, printable); } catch { /* a chart that has no such parameter */ }
    }
    view.runAsync();
  };
  const fitted = (element, spec) => {
    const { room, most, least, columns } = spec.usermeta;
    const width = Math.max(240, element.clientWidth);
    const panel = spec.spec ?? spec;
    if (spec.facet) {
      spec.columns = columns.find((count) => count === 1 || count * (room + 190) <= width) ?? 1;
      panel.width = Math.floor((width - 28 * (spec.columns - 1) - 8) / spec.columns - room);
      spec.facet.header = { ...spec.facet.header, labelLimit: panel.width + room };
    } else {
      panel.width = Math.max(least, width - room);
    }
    if (most) panel.width = Math.min(most, panel.width);
    panel.width = Math.max(120, panel.width);
    const names = all("#filter-name option").map((one) => one.textContent.length);
    spec.config.legend.columns = Math.max(1, Math.floor(width / (40 + 7.2 * Math.max(...names))));
    return spec;
  };
  const draw = async (element) => {
    const spec = JSON.parse(JSON.stringify(data.charts[element.id]));
    spec.config = JSON.parse(JSON.stringify(data.themes[theme()]));
    for (const one of spec.params) if (one.name in data.parameters[theme()]) one.value = data.parameters[theme()][one.name];
    drawn.get(element.id)?.finalize();
    const options = { actions: false, defaultStyle: false, ast: true, logLevel: 1, renderer: "svg", mode: "vega-lite", tooltip: { theme: "page", disableDefaultStyle: true } };
    try {
      const made = await vegaEmbed(element, fitted(element, spec), options);
      drawn.set(element.id, made);
      element.dataset.width = element.clientWidth;
      tell(made.view, chosen());
      const wider = element.scrollWidth > element.clientWidth + 1;
      wider ? element.setAttribute("tabindex", "0") : element.removeAttribute("tabindex");
    } catch (error) {
      element.textContent = `This chart could not be drawn (${error.message}); its numbers stand in the table below.`;
    }
  };
  const near = new IntersectionObserver((entries) => {
    for (const one of entries) {
      if (one.isIntersecting) {
        near.unobserve(one.target);
        draw(one.target);
      }
    }
  }, { rootMargin: "600px" });
  all(".chart").forEach((one) => near.observe(one));
  const again = () => [...drawn.keys()].forEach((id) => draw(document.getElementById(id)));
  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => [...drawn.keys()].map((id) => document.getElementById(id))
      .filter((one) => one.clientWidth && Math.abs(one.clientWidth - one.dataset.width) > 8).forEach(draw), 200);
  });
  all("button.save").forEach((one) => one.addEventListener("click", async () => {
    const element = document.getElementById(one.dataset.chart);
    if (!drawn.has(element.id)) await draw(element);
    const address = await drawn.get(element.id).view.toImageURL(one.dataset.kind, 2);
    make("a", "", { href: address, download: `${element.id}.${one.dataset.kind}` }).click();
  }));

  // --- theme: the system's, until the switch is used
  const button = document.getElementById("theme");
  const show = () => button.setAttribute("aria-pressed", String(dark()));
  const remember = (value) => { try { localStorage.setItem("jaxrl-theme", value); } catch { /* kept for this view only */ } };
  try {
    const kept = localStorage.getItem("jaxrl-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch { /* no storage for files in this browser */ }
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    remember(root.dataset.theme);
    show();
    again();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { show(); again(); });
  show();

  // --- what is known of a run
  const dialog = document.getElementById("details");
  const facts = (title, pairs) => {
    const list = make("dl", undefined, { class: "protocol" });
    for (const [name, value] of pairs) {
      if (value !== "" && value !== null && value !== undefined) list.append(make("dt", name), make("dd", String(value)));
    }
    return [make("h3", title), list];
  };
  const number = (value) => (value === null ? "–" : Number(value).toLocaleString("en", { maximumFractionDigits: 2 }));
  const checkpoints = (run) => {
    const table = make("table");
    table.append(make("caption", "Checkpoints", { id: "checkpoints-caption" }));
    const head = table.createTHead().insertRow();
    ["updates", "environment steps", "return", "± over episodes", "score", "success, %", "seconds"]
      .forEach((title) => head.append(make("th", title, { scope: "col", class: "number" })));
    const body = table.createTBody();
    for (const values of run.checkpoints) {
      const row = body.insertRow();
      values.forEach((value, place) => row.append(
        make(place ? "td" : "th", number(value), place ? { class: "number" } : { class: "number", scope: "row" })));
    }
    const region = make("div", undefined, { class: "scroll", role: "region", tabindex: "0", "aria-labelledby": "checkpoints-caption" });
    region.append(table);
    return region;
  };
  const plain = (pairs) => Object.entries(pairs).map(([name, value]) => [name.replaceAll("_", " "), value]);
  const open = (run) => {
    const top = make("div", undefined, { class: "top" });
    const close = make("button", "Close", { type: "button" });
    close.addEventListener("click", () => dialog.close());
    top.append(make("h2", run.title), close);
    const settings = run.settings ? run.settings.split(";").map((one) => one.split(/=(.*)/s)) : [["settings", "the card's defaults"]];
    dialog.replaceChildren(
      top,
      ...facts("Run", ["suite", "card", "family", "dataset", "seed", "state", "file"].map((name) => [name, run[name]])),
      make("h3", "Made again by"), make("code", run.command, { class: "command" }),
      ...facts("Settings that differ from the card's defaults", settings),
      ...facts("Versions, machine and data", plain({ ...data.makings[run.making], versions: data.makings[run.making].versions.replaceAll(";", "  ") })),
      ...(run.stored === null
        ? [make("p", "No run.json of this run lies below the report's folder; what stands here is from its rows in scores.csv.", { class: "note" })]
        : facts("From run.json", plain(data.stored[run.stored]))),
      make("h3", "Checkpoints"), checkpoints(run));
    dialog.showModal();
    dialog.scrollTop = 0;
    close.focus();
  };
  document.addEventListener("click", (event) => {
    const one = event.target.closest("button.details");
    if (one) open(data.runs[one.dataset.run]);
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => dialog.replaceChildren());
  filter();
})();
