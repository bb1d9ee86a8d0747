// What is chosen: filters by column, what is shown, the point under the pointer and the one that is selected.
// Every figure and the table draw from here, so that a range brushed in one of them holds in all.

const SHOWN = [
  ["all", "all points"],
  ["feasible", "points within the constraints"],
  ["front", "the Pareto front"],
  ["failed", "failed points"],
];

function makeState(record) {
  const listeners = { filter: [], hover: [], select: [], theme: [], colour: [] };
  const state = {
    record,
    filters: new Map(),
    show: "all",
    reasonCode: null,
    active: new Uint8Array(record.points),
    activeCount: 0,
    onFront: new Uint8Array(record.points),
    hovered: null,
    selected: null,
    on: (event, listener) => listeners[event].push(listener),
    tell: (event, detail) => listeners[event].forEach((listener) => listener(detail)),
  };
  record.fronts.forEach((front, number) => front.rows.forEach((row) => (state.onFront[row] = number + 1)));

  /** Keep points whose value lies in [low, high], or whose category is one of `codes`; null lifts the filter. */
  state.filter = (column, range, brushing = false) => {
    if (range === null) state.filters.delete(column.key);
    else state.filters.set(column.key, { column, ...range });
    state.refresh(brushing);
  };
  state.clear = () => {
    state.filters.clear();
    state.reasonCode = null;
    state.show = "all";
    state.refresh();
  };
  state.refresh = (brushing = false) => {
    markActive(state);
    state.tell("filter", { brushing });
  };
  state.hover = (row) => {
    if (row === state.hovered) return;
    state.hovered = row;
    state.tell("hover", row);
  };
  state.select = (row) => {
    state.selected = row;
    state.tell("select", row);
  };
  markActive(state);
  return state;
}

function markActive(state) {
  const { record, active, onFront } = state;
  const { points, reason, feasible } = record;
  for (let i = 0; i < points; i += 1) {
    active[i] =
      state.show === "all" ? 1
      : state.show === "feasible" ? (reason[i] === 0 ? feasible[i] : 0)
      : state.show === "front" ? (onFront[i] ? 1 : 0)
      : reason[i] ? 1 : 0;
  }
  if (state.reasonCode !== null) for (let i = 0; i < points; i += 1) if (reason[i] !== state.reasonCode) active[i] = 0;
  for (const filter of state.filters.values()) keepWithin(filter, active, points);
  let count = 0;
  for (let i = 0; i < points; i += 1) count += active[i];
  state.activeCount = count;
}

function keepWithin({ column, low, high, codes }, active, points) {
  const values = column.values;
  if (codes) {
    for (let i = 0; i < points; i += 1) if (!codes.has(values[i])) active[i] = 0;
  } else {
    for (let i = 0; i < points; i += 1) if (!(values[i] >= low && values[i] <= high)) active[i] = 0;
  }
}

/** The rows for which something holds. */
function rowsWhere(points, holds) {
  const rows = new Uint32Array(points);
  let count = 0;
  for (let i = 0; i < points; i += 1) if (holds(i)) rows[count++] = i;
  return rows.subarray(0, count);
}

/** A filter in words. */
function filterText({ column, low, high, codes }) {
  if (codes) {
    const names = [...codes].map((code) => column.categories[code]);
    return `${column.label}: ${names.length > 3 ? counted(names.length, "value") : names.join(", ") || "none"}`;
  }
  if (column.categories) {
    const from = Math.max(0, Math.ceil(low));
    const to = Math.min(column.categories.length - 1, Math.floor(high));
    return `${column.label}: ${column.categories.slice(from, to + 1).join(", ") || "none"}`;
  }
  if (low === -Infinity) return `${column.label} ≤ ${written(column, high)}`;
  if (high === Infinity) return `${column.label} ≥ ${written(column, low)}`;
  return low === high ? `${column.label} = ${written(column, low)}`
    : `${column.label}: ${written(column, low)} to ${written(column, high)}`;
}

/** A point by its number, and the values that make it, as text. */
function pointName(record, row) {
  const runs = record.columns.find((column) => column.role === "run");
  const run = runs ? `${runs.categories[runs.values[row]]} ` : "";
  return `${run}#${record.index[row]}`;
}

function pointLines(record, row, keys) {
  const shown = record.columns.filter((column) =>
    column.role === "axis" ? varies(column) : column.role === "objective" || keys.includes(column.key),
  );
  return shown.map((column) => [column.label, column.texts ? exact(column, row) ?? MISSING : written(column, column.values[row], 4)]);
}

function varies(column) {
  return column.low < column.high;
}
