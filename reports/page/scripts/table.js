// All points as a table: only the rows in sight are in the page, whatever their number.

const ROW = 29;
const SPARE = 8;

function makeTable(state) {
  const { record } = state;
  const status = { key: "status", label: "status", style: "status", role: "status", place: -1 };
  const columns = [{ key: "index", label: "#", style: "index", role: "index" }, status, ...record.columns];
  const shownRoles = new Set(["index", "status", "run", "axis", "objective"]);
  const table = {
    state, columns, rows: [], sort: { column: columns[0], down: false },
    shown: new Set(columns.filter((column) => shownRoles.has(column.role) && (column.role !== "status" || record.reasons.length > 1))),
    filters: new Map(),
  };
  build(table);
  state.on("filter", ({ brushing }) => (brushing ? tell(table) : order(table)));
  state.on("select", () => reveal(table));
  state.on("hover", () => markRows(table));
  order(table);
  return table;
}

function build(table) {
  const { state } = table;
  table.count = element("p", { class: "count", role: "status" });
  table.head = element("div", { class: "thead", role: "rowgroup" });
  table.space = element("div", { class: "space" });
  table.body = element("div", { class: "rows", role: "rowgroup" }, table.space);
  table.grid = element("div", { class: "grid", role: "grid", "aria-label": "Points", tabindex: 0 }, table.head, table.body);
  table.later = oncePerFrame(() => drawRows(table));
  table.grid.addEventListener("scroll", table.later);
  table.grid.addEventListener("keydown", (event) => pressedInTable(table, event));
  new ResizeObserver(table.later).observe(table.grid);
  const pick = element("div", { class: "pick" });
  for (const column of table.columns.filter((each) => each.role !== "index")) {
    pick.append(checkbox(column.label, table.shown.has(column), (on) => {
      if (on) table.shown.add(column);
      else table.shown.delete(column);
      drawHead(table);
      drawRows(table);
    }));
  }
  table.host = element(
    "div", { class: "tablehost" },
    element(
      "div", { class: "bar" },
      element("div", { class: "controls" }, table.count, element("details", { class: "menu" }, element("summary", {}, "Columns"), pick)),
      element("div", { class: "actions" }, button("CSV", () => saveCsv(table), { title: "Save these rows, with all columns, as CSV", "aria-label": "Save these rows as CSV" })),
    ),
    table.grid,
    element("p", { class: "note" }, "Filter a column with a number (= 4), a bound (<= 4), a range (1..4, with k, M, m, µ, KiB) or a part of a text. The file holds the rows shown, in this order, with every column."),
  );
  drawHead(table);
}

function shownColumns(table) {
  return table.columns.filter((column) => table.shown.has(column));
}

function drawHead(table) {
  const titles = element("div", { class: "tr titles", role: "row" });
  const inputs = element("div", { class: "tr inputs", role: "row" });
  for (const column of shownColumns(table)) {
    const sorted = table.sort.column === column;
    const arrow = sorted ? (table.sort.down ? " ▼" : " ▲") : "";
    const unit = column.unit && column.style === "plain" && !column.texts ? ` (${column.unit})` : "";
    const sorter = button(`${column.label}${unit}${arrow}`, () => sortBy(table, column), { title: column.key });
    const direction = sorted ? (table.sort.down ? "descending" : "ascending") : "none";
    titles.append(element("div", { class: `td ${kindOf(column)}`, role: "columnheader", "aria-sort": direction }, sorter));
    inputs.append(element("div", { class: `td ${kindOf(column)}`, role: "gridcell" }, filterInput(table, column)));
  }
  table.head.replaceChildren(titles, inputs);
}

function kindOf(column) {
  return ["text", "status"].includes(column.style) ? "words" : "number";
}

function filterInput(table, column) {
  if (column.style === "index") return "";
  const input = element("input", {
    type: "text", spellcheck: "false", "aria-label": `Filter ${column.label}`, placeholder: "filter", value: table.filters.get(column.key) ?? "",
    onchange: () => typedFilter(table, column, input),
    onkeydown: (event) => event.stopPropagation(),
  });
  return input;
}

/** What is typed becomes the filter of the column that all figures share. */
function typedFilter(table, column, input) {
  const { state } = table;
  const text = input.value.trim();
  table.filters.set(column.key, input.value);
  input.setCustomValidity("");
  if (column.style === "status") return filterStatus(state, text);
  if (!text) return state.filter(column, null);
  if (column.categories) {
    const codes = new Set();
    column.categories.forEach((name, code) => name.toLowerCase().includes(text.toLowerCase()) && codes.add(code));
    return state.filter(column, { codes });
  }
  const range = parsedRange(text);
  if (!range) {
    input.setCustomValidity("write a number, <= 4, >= 4 or 1..4");
    return input.reportValidity();
  }
  return state.filter(column, range);
}

function filterStatus(state, text) {
  const { reasons } = state.record;
  const code = reasons.findIndex((reason) => text && reason.toLowerCase().includes(text.toLowerCase()));
  state.reasonCode = code < 0 ? null : code;
  state.refresh();
}

const FACTORS = { "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, m: 1e-3, u: 1e-6, µ: 1e-6, n: 1e-9, p: 1e-12, f: 1e-15, Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3, Ti: 1024 ** 4 };

function parsedNumber(text) {
  const found = /^\s*([-+−]?[\d.,]+(?:[eE][-+]?\d+)?)\s*(%|(Ki|Mi|Gi|Ti|[kMGTmuµnpf](?!m²))?[A-Za-z·/²]*)\s*$/.exec(text);
  if (!found) return null;
  const value = Number(found[1].replaceAll(",", "").replace("−", "-"));
  return Number.isFinite(value) ? value * (found[2] === "%" ? 0.01 : FACTORS[found[3] ?? ""]) : null;
}

const SLACK = 5e-4;

/** A filter as {low, high}; a value by itself also takes what is written the same with four digits. */
function parsedRange(text) {
  const sides = text.split("..");
  if (sides.length === 2) {
    const [low, high] = [sides[0].trim() ? parsedNumber(sides[0]) : -Infinity, sides[1].trim() ? parsedNumber(sides[1]) : Infinity];
    return low === null || high === null ? null : { low, high };
  }
  const found = /^(<=|>=|<|>|=|≤|≥)?(.*)$/.exec(text);
  const value = parsedNumber(found[2]);
  if (value === null) return null;
  const next = Math.abs(value) * 2 ** -50 + Number.MIN_VALUE;
  switch (found[1]) {
    case "<=": case "≤": return { low: -Infinity, high: value };
    case "<": return { low: -Infinity, high: value - next };
    case ">=": case "≥": return { low: value, high: Infinity };
    case ">": return { low: value + next, high: Infinity };
    default: return { low: value - Math.abs(value) * SLACK, high: value + Math.abs(value) * SLACK };
  }
}

function sortBy(table, column) {
  table.sort = { column, down: table.sort.column === column && !table.sort.down };
  drawHead(table);
  table.head.querySelector(`[aria-sort="${table.sort.down ? "descending" : "ascending"}"] button`).focus();
  order(table);
}

/** How many rows there are; while a range is being brushed this alone follows, the rows when it is let go. */
function tell({ state, count }) {
  count.textContent = `${state.activeCount.toLocaleString("en")} of ${counted(state.record.points, "point")}`;
}

/** The rows that all filters keep, in the order asked for; what a row lacks comes last. */
function order(table) {
  const { state, sort } = table;
  const { points, index, reason } = state.record;
  const rows = new Uint32Array(state.activeCount);
  let count = 0;
  for (let i = 0; i < points; i += 1) if (state.active[i]) rows[count++] = i;
  const values = sort.column.style === "index" ? index : sort.column.style === "status" ? reason : sort.column.values;
  const sign = sort.down ? -1 : 1;
  rows.sort((a, b) => {
    const [p, q] = [values[a], values[b]];
    if (p === q) return a - b;
    if (p !== p) return q !== q ? a - b : 1;
    if (q !== q) return -1;
    return sign * (p - q);
  });
  table.rows = rows;
  tell(table);
  table.space.style.height = `${rows.length * ROW}px`;
  table.grid.setAttribute("aria-rowcount", rows.length + 2);
  drawRows(table);
}

function drawRows(table) {
  const { grid, body, rows, state } = table;
  const first = Math.max(0, Math.floor(grid.scrollTop / ROW) - SPARE);
  const last = Math.min(rows.length, Math.ceil((grid.scrollTop + grid.clientHeight) / ROW) + SPARE);
  const columns = shownColumns(table);
  const drawn = [];
  for (let i = first; i < last; i += 1) drawn.push(drawRow(table, rows[i], i, columns));
  body.replaceChildren(table.space, ...drawn);
  if (!rows.length) body.append(element("p", { class: "empty" }, state.record.points ? "No point is within the filters." : "No points."));
  markRows(table);
}

function drawRow(table, row, i, columns) {
  const { state } = table;
  const node = element("div", {
    class: `tr${state.onFront[row] ? " front" : ""}${state.record.reason[row] ? " failed" : ""}`,
    role: "row", "aria-rowindex": i + 3, "data-row": row,
    onclick: () => state.select(row),
    onpointerenter: () => state.hover(row),
    onpointerleave: () => state.hover(null),
  });
  node.style.top = `${i * ROW}px`;
  for (const column of columns) node.append(element("div", { class: `td ${kindOf(column)}`, role: "gridcell" }, cellText(state.record, column, row)));
  return node;
}

function cellText(record, column, row) {
  if (column.style === "index") return String(record.index[row]);
  if (column.style === "status") return record.reasons[record.reason[row]];
  if (column.texts) return exact(column, row) ?? MISSING;
  if (column.style === "plain") return known(column.values[row]) ? significant(column.values[row], 4) : MISSING;
  return written(column, column.values[row], 4);
}

function markRows(table) {
  for (const node of table.body.querySelectorAll(".tr")) {
    const row = Number(node.dataset.row);
    node.classList.toggle("hovered", row === table.state.hovered);
    node.setAttribute("aria-selected", String(row === table.state.selected));
  }
}

/** Scroll to the selected row. */
function reveal(table) {
  const at = table.rows.indexOf(table.state.selected);
  if (at >= 0) {
    const { grid } = table;
    const [top, bottom] = [at * ROW, (at + 1) * ROW + table.head.offsetHeight];
    if (top < grid.scrollTop) grid.scrollTop = top;
    else if (bottom > grid.scrollTop + grid.clientHeight) grid.scrollTop = bottom - grid.clientHeight;
  }
  markRows(table);
}

function pressedInTable(table, event) {
  const { rows, state, grid } = table;
  const page = Math.max(1, Math.floor(grid.clientHeight / ROW) - 3);
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -rows.length, End: rows.length };
  if (event.target !== grid || !(event.key in steps) || !rows.length) return;
  event.preventDefault();
  const at = rows.indexOf(state.selected);
  const next = Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + steps[event.key]));
  state.select(rows[next]);
  announce(`${pointName(state.record, rows[next])}: ${pointLines(state.record, rows[next], []).map(([name, text]) => `${name} ${text}`).join(", ")}`);
}

/** The rows shown, in their order, with every column; numbers with all their digits, what is missing empty. */
function csvText(table) {
  const { record } = table.state;
  const lines = [["index", "status", ...record.columns.map((column) => column.key)].map(quoted).join(",")];
  for (const row of table.rows) {
    const cells = [record.index[row], quoted(record.reasons[record.reason[row]])];
    for (const column of record.columns) {
      const value = exact(column, row);
      cells.push(typeof value === "string" ? quoted(value) : value ?? "");
    }
    lines.push(cells.join(","));
  }
  return `${lines.join("\r\n")}\r\n`;
}

function quoted(text) {
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function saveCsv(table) {
  save(new Blob([csvText(table)], { type: "text/csv;charset=utf-8" }), `${fileStem()}.csv`);
}
