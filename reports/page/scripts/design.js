// One design from within: its values, layers, roofline, timeline, components, and the resolved design.

/** The card beside the scatter: the values of the selected point. */
function makeCard(state, jump) {
  const card = element("aside", { class: "card", "aria-label": "Selected design" });
  const draw = () => {
    const { record, selected } = state;
    if (selected === null) {
      card.replaceChildren(
        element("h3", {}, "No design selected"),
        element("p", {}, "Click a point, or walk to one with the arrow keys and press Enter: its values appear here, its layers below."),
      );
      return;
    }
    const design = detailOf(record, selected);
    const groups = [["Choices", "axis"], ["Objectives", "objective"], ["Totals", "total"]];
    card.replaceChildren(
      element("h3", {}, design && design.name ? `${pointName(record, selected)} · ${design.name}` : pointName(record, selected)),
      element("p", { class: "badges" }, ...badges(state, selected)),
      ...groups.flatMap(([title, role]) => valuesOf(record, selected, title, role)),
      design ? button("Show its layers", jump) : element("p", { class: "note" }, missingDetail(record)),
      ...commandOf(record, selected),
    );
  };
  state.on("select", draw);
  draw();
  return card;
}

function detailOf(record, row) {
  return record.designs.find((design) => design.row === row);
}

function missingDetail(record) {
  const held = record.designs.length;
  return held ? `Layers are in this page for ${counted(held, "design")}: the front${record.designs.some((design) => design.row === null) ? " and the base design" : ""}.` : "Layers of its designs are not in this page.";
}

function badges(state, row) {
  const { record } = state;
  const found = [];
  if (record.reason[row]) found.push(["failed", `failed: ${record.reasons[record.reason[row]]}`]);
  if (state.onFront[row]) found.push(["front", "Pareto front"]);
  if (record.knees.includes(row)) found.push(["front", "knee"]);
  if (!record.reason[row] && !record.feasible[row]) found.push(["failed", "breaks a constraint"]);
  return found.map(([kind, text]) => element("span", { class: `badge ${kind}` }, text));
}

function valuesOf(record, row, title, role) {
  const columns = record.columns.filter((column) => column.role === role && known(column.values[row]));
  if (!columns.length) return [];
  const entries = columns.flatMap((column) => [
    element("dt", { title: column.key }, column.label),
    element("dd", {}, column.texts ? exact(column, row) : written(column, column.values[row], 4)),
  ]);
  return [element("h4", {}, title), element("dl", {}, ...entries)];
}

/** The command that evaluates this very point. */
function commandOf(record, row) {
  if (!record.command) return [];
  const sets = record.columns
    .filter((column) => column.role === "axis" && exact(column, row) !== null)
    .map((column) => `--set ${shellWord(`${column.key}=${exact(column, row)}`)}`);
  const text = [record.command, ...sets].join(" ");
  const copy = button("Copy", () => navigator.clipboard?.writeText(text), { "aria-label": "Copy the command" });
  return [element("h4", {}, "Evaluate it"), element("pre", { class: "command", tabindex: 0 }, text), copy];
}

function shellWord(text) {
  return /^[\w.=:/+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The section of a design's figures; `read` gives the design, which may change with the selection. */
function makeDesignSection(designs, state) {
  let shown = designs[0];
  const read = () => shown;
  const time = barChart(() => layerBars(shown, "time"));
  const energy = barChart(() => layerBars(shown, "energy"));
  const joules = barChart(() => componentBars(Object.entries(shown.energy), "J", "energy"));
  const square = barChart(() => componentBars(Object.entries(shown.area), "mm²", "area"));
  const roofs = rooflineChart(read);
  const spans = timelineChart(read);
  const figures = [
    ["layers-time", "Time by layer", "Over all runs of a layer: computing, and waiting for each memory. Rest on a bar for its dimensions.", time],
    ["layers-energy", "Energy by layer", "Over all runs of a layer, by component.", energy],
    ["roofline", "Roofline", "A mark is a layer that multiplies: its area the share of time, its colour and shape what bounds it.", roofs],
    ["timeline", "Timeline", "Layers in the order of the trace, each with all its runs, coloured by what bounds them.", spans],
    ["components-energy", "Energy by component", "Of the whole workload.", joules],
    ["components-area", "Area by component", "Of the whole design.", square],
  ].map(([id, title, about, chart]) => makeFigure({ id, title, about, chart, height: chart.height }));
  const head = element("div", { class: "designhead" });
  const text = element("pre", { class: "resolved", tabindex: 0, "aria-label": "Resolved design" });
  const host = element(
    "div", { class: "design" }, head,
    ...figures.map((figure) => titled(figure)),
    element("details", {}, element("summary", {}, "Resolved design: every key, with its defaults"), text),
  );
  const draw = () => {
    head.replaceChildren(...designHead(designs, shown, state, (design) => choose(design)));
    text.textContent = shown.resolved;
    for (const figure of figures) figure.later();
  };
  const choose = (design) => {
    shown = design;
    draw();
    if (state && design.row !== null && state.selected !== design.row) state.select(design.row);
  };
  draw();
  state?.on("theme", () => figures.forEach((figure) => figure.later()));
  state?.on("select", (row) => {
    const design = designs.find((each) => each.row === row);
    if (design && design !== shown) {
      shown = design;
      draw();
    }
  });
  return { host, figures };
}

/** A figure under a heading of its own. */
function titled(figure) {
  return element("section", { class: "part" }, element("h3", {}, figure.title), figure.host);
}

function designHead(designs, shown, state, choose) {
  const parts = [];
  if (designs.length > 1) {
    const names = designs.map((design, i) => [i, designTitle(design, state)]);
    parts.push(selector("Design", names, designs.indexOf(shown), (value) => choose(designs[Number(value)])));
  }
  if (shown.note) parts.push(element("p", { class: "note" }, shown.note));
  const entries = shown.totals.flatMap(([name, text]) => [element("div", { class: "fact" }, element("dt", {}, name), element("dd", {}, text))]);
  parts.push(element("dl", { class: "facts" }, ...entries));
  for (const warning of shown.warnings) parts.push(element("p", { class: "warning" }, warning));
  return parts;
}

function designTitle(design, state) {
  if (design.row === null || !state) return design.name;
  const own = design.name ? `  ${design.name}` : "";
  return `${axisText(state.record, design.row)}${own}`;
}
