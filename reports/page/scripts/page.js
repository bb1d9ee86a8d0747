// The page: which sections a record calls for, and in which order.

const heads = [];

function section(id, title, ...children) {
  heads.push([id, title]);
  return element("section", { id, "aria-labelledby": `${id}-title` }, element("h2", { id: `${id}-title` }, title), ...children);
}

/** Columns to begin with: the first two objectives, the third (or what varies most) as colour. */
function startingChoice(record) {
  const { columns } = record;
  const usable = columns.filter((column) => column.role !== "run" && varies(column));
  const objectives = usable.filter((column) => column.role === "objective");
  const totals = usable.filter((column) => column.role === "total");
  const axes = usable.filter((column) => column.role === "axis");
  const run = columns.find((column) => column.role === "run");
  const ranked = [...objectives, ...totals, ...axes, ...columns];
  const [x, y] = [ranked[0], ranked.find((column) => column !== ranked[0]) ?? ranked[0]];
  const rest = [...objectives, ...axes].filter((column) => column !== x && column !== y);
  const colour = run ?? rest[0] ?? null;
  const log = (column) => (column ? wantsLog(column) : false);
  return { x: x.place, y: y.place, colour: colour?.place ?? null, logx: log(x), logy: log(y), logcolour: log(colour) };
}

function sweepSections(state) {
  const { record } = state;
  const scatter = makeScatter(state, startingChoice(record));
  const parallel = makeParallel(state);
  const table = makeTable(state);
  const inside = record.designs.length ? makeDesignSection(record.designs, state) : null;
  const jump = () => {
    document.getElementById("design").scrollIntoView({ behavior: "smooth" });
    document.getElementById("design-title").focus();
  };
  const sections = [
    section("space", "Design space", filterBar(state), element("div", { class: "beside" }, scatter.host, makeCard(state, jump))),
    section("coordinates", "Parallel coordinates", parallel.host),
  ];
  const along = ["energy", "area"].filter((role) => record.columns.some((column) => column.role === role) && record.fronts.length);
  if (along.length) sections.push(section("front", "Along the front", ...along.map((role) => alongFront(state, role))));
  if (inside) {
    sections.push(section("design", "Inside a design", inside.host));
    sections.at(-1).querySelector("h2").setAttribute("tabindex", -1);
  }
  sections.push(section("table", "All points", table.host));
  if (record.reasons.length > 1) sections.push(section("failed", "Failed points", failures(state, table)));
  return sections;
}

function alongFront(state, role) {
  const chart = barChart(() => frontBars(state, role));
  const [title, about] = role === "energy"
    ? ["Energy of the front's designs", "By component; ordered by the first objective."]
    : ["Area of the front's designs", "By component; ordered by the first objective."];
  const figure = makeFigure({ id: `front-${role}`, title, about, chart, height: chart.height });
  for (const event of ["theme", "select"]) state.on(event, figure.later);
  state.on("filter", ({ brushing }) => brushing || figure.later());
  return titled(figure);
}

/** What is shown, and the filters in force, each with a button that lifts it. */
function filterBar(state) {
  const { record } = state;
  const bar = element("div", { class: "filters" });
  const options = SHOWN.filter(([key]) =>
    key === "all" || (key === "feasible" && record.bounds.length) || (key === "front" && record.fronts.length) || (key === "failed" && record.reasons.length > 1));
  const draw = () => {
    const chips = [...state.filters.values()].map((filter) =>
      element("span", { class: "chip" }, filterText(filter), button("×", () => state.filter(filter.column, null), { "aria-label": `Remove filter ${filterText(filter)}` })));
    if (state.reasonCode !== null) chips.push(element("span", { class: "chip" }, record.reasons[state.reasonCode],
      button("×", () => { state.reasonCode = null; state.refresh(); }, { "aria-label": "Remove filter of the reason" })));
    const count = element("span", { class: "note" }, `${state.activeCount.toLocaleString("en")} of ${counted(record.points, "point")}`);
    const show = selector("Show", options, state.show, (value) => { state.show = value; state.refresh(); });
    bar.replaceChildren(show, count, ...chips, ...(chips.length ? [button("Clear all", state.clear)] : []));
  };
  state.on("filter", draw);
  draw();
  return bar;
}

/** Reasons with how many points they took; a click shows those points. */
function failures(state, table) {
  const { record } = state;
  const counts = new Array(record.reasons.length).fill(0);
  for (const code of record.reason) counts[code] += 1;
  const most = Math.max(...counts.slice(1));
  const list = element("ol", { class: "reasons" });
  const codes = record.reasons.map((_, code) => code).slice(1).sort((a, b) => counts[b] - counts[a]);
  for (const code of codes) {
    const meter = element("span", { class: "meter", "aria-hidden": "true" });
    meter.style.width = `${Math.max(1, (100 * counts[code]) / most)}%`;
    const show = () => {
      state.filters.clear();
      state.show = "failed";
      state.reasonCode = code;
      state.refresh();
      table.host.scrollIntoView({ behavior: "smooth" });
    };
    list.append(element("li", {}, button(counted(counts[code], "point"), show, { "aria-label": `Show the ${counted(counts[code], "point")} that failed: ${record.reasons[code]}` }),
      element("span", { class: "reason" }, record.reasons[code], meter)));
  }
  return list;
}

function smallTable({ title, note, head, rows, numeric }) {
  const cell = (tag) => (text, i) => element(tag, { class: numeric.includes(i) ? "number" : null, scope: tag === "th" ? "col" : null }, text);
  return element(
    "section", { class: "part" }, element("h3", {}, title),
    rows.length
      ? element("div", { class: "wide", tabindex: 0, role: "region", "aria-label": title },
        element("table", {}, element("thead", {}, element("tr", {}, ...head.map(cell("th")))), element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map(cell("td")))))))
      : element("p", { class: "note" }, "Nothing differs."),
    note ? element("p", { class: "note" }, note) : null,
  );
}

function pairFigure(state, pair) {
  const chart = barChart(() => pairBars(pair));
  const figure = makeFigure({ id: pair.id, title: pair.title, about: pair.note, chart, height: chart.height });
  state.on("theme", figure.later);
  return titled(figure);
}

/** What the numbers rest on. */
function evidence({ estimates, sources, warnings, versions, elsewhere }) {
  const listing = (title, texts, empty) =>
    element("section", { class: "part" }, element("h3", {}, `${title} (${texts.length})`),
      texts.length ? element("ul", {}, ...texts.map((text) => element("li", {}, text))) : element("p", { class: "note" }, empty));
  return section(
    "evidence", "What the numbers rest on",
    warnings.length ? listing("Warnings", warnings, "") : null,
    elsewhere ? element("p", {}, elsewhere) : listing("Estimates", estimates, "None of the figures is an estimate."),
    elsewhere ? null : listing("Sources", sources, "The design states all its figures itself."),
    element("section", { class: "part" }, element("h3", {}, "Versions"),
      element("dl", { class: "facts" }, ...versions.map(([name, text]) => element("div", { class: "fact" }, element("dt", {}, name), element("dd", {}, text))))),
  );
}

function topMatter(state) {
  const { record } = state;
  const facts = record.facts.map(([name, text]) => element("div", { class: "fact" }, element("dt", {}, name), element("dd", {}, text)));
  const parts = [];
  if (facts.length) parts.push(element("dl", { class: "facts" }, ...facts));
  if (record.findings.length) parts.push(element("ul", { class: "findings" }, ...record.findings.map((text) => element("li", {}, text))));
  return parts;
}

function themeButton(state) {
  const name = () => (palette().name === "dark" ? "Light" : "Dark");
  const toggle = button(name(), () => {
    themeChosen = palette().name === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = themeChosen;
    toggle.textContent = name();
    state.tell("theme");
  }, { class: "theme", "aria-label": "Switch between light and dark" });
  dark.addEventListener("change", () => {
    toggle.textContent = name();
    state.tell("theme");
  });
  return toggle;
}

async function start() {
  const page = document.getElementById("page");
  const began = performance.now();
  try {
    const record = await readRecord();
    const state = makeState(record);
    const sections = record.columns.length ? sweepSections(state) : [];
    if (!record.columns.length) {
      const single = record.designs.length ? makeDesignSection(record.designs, state) : null;
      if (record.tables.length) sections.push(section("differences", "Differences", ...record.pairs.map((pair) => pairFigure(state, pair)), ...record.tables.map(smallTable)));
      if (single) sections.push(section("design", record.designs.length > 1 ? "The designs" : "The design", single.host));
    } else if (record.tables.length) sections.splice(1, 0, section("differences", "Differences", ...record.tables.map(smallTable)));
    sections.push(evidence(record.evidence));
    const links = element("nav", { "aria-label": "Sections" }, ...heads.map(([id, title]) => element("a", { href: `#${id}` }, title)));
    const bar = element("div", { class: "topbar" }, links, themeButton(state));
    page.replaceChildren(bar, ...topMatter(state), ...sections);
    document.body.append(tip, spoken);
    // After the first drawing the page says so, and how long it took: tests and measurements wait for it.
    requestAnimationFrame(() => requestAnimationFrame(() => {
      document.documentElement.dataset.ready = (performance.now() - began).toFixed(1);
    }));
  } catch (problem) {
    page.replaceChildren(element("p", { class: "warning", role: "alert" }, `The page cannot be shown: ${problem.message}`));
    throw problem;
  }
}

start();
