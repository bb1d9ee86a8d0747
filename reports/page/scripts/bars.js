// Stacked bars: the layers of a design by time or energy, a design's components, components along the front.

const SI = (unit) => ({ style: "si", unit, role: "total", label: "" });
const BAR = 19;

/** Room for the names of the parts, at five a line; a single design's components are named by their bars. */
function keysHeight(series) {
  return 12 + 18 * Math.ceil(series.length / 5);
}

/** Bars from [{name, note, parts, total, tip}]; `series` names the parts, `unit` is s, J or mm². */
function barChart(read) {
  const chart = { paint: (frame) => paintBars(read(), frame) };
  chart.height = () => {
    const { rows, series } = read();
    return Math.max(1, rows.length) * BAR + 66 + keysHeight(series);
  };
  return chart;
}

function paintBars({ rows, series, unit, title, empty, unnamed }, frame) {
  const svg = shape("svg", { role: "presentation" });
  const { width, colours } = frame;
  if (!rows.length) {
    svg.append(label(width / 2, 40, empty, colours.soft, { "text-anchor": "middle", "font-size": 13 }));
    return { svg };
  }
  const nameWidth = Math.min(width * 0.34, Math.max(...rows.map((row) => textWidth(rowName(row), 11.5))) + 10);
  const top = 12 + (unnamed ? 0 : drawSeriesKeys(svg, series, nameWidth + 8, width - 20, colours));
  const [from, to] = [nameWidth + 8, width - 118];
  const bottom = top + rows.length * BAR + 4;
  const longest = scaleEnd(rows);
  const column = { ...quantityColumn(unit), low: 0, high: longest, label: title };
  const scale = makeScale(column, false, [0, longest * 1.02 || 1], from, to);
  for (const tick of scale.ticks) svg.append(line(scale.place(tick.value), top - 2, scale.place(tick.value), bottom, colours.grid));
  const whole = rows.reduce((sum, row) => sum + row.total, 0);
  rows.forEach((row, i) => drawBar(svg, row, top + i * BAR, { scale, series, unit, whole, from, longest }, colours));
  drawAcross(svg, scale, bottom, colours);
  return { svg };
}

function quantityColumn(unit) {
  return unit === "mm²" ? { style: "plain", unit, role: "total" } : SI(unit);
}

function rowName(row) {
  return row.runs > 1 && !row.rest ? `${row.name}  ×${row.runs}` : row.name;
}

/** Where the axis ends: at the longest bar but that of all the rest, which is cut where it would dwarf the others. */
function scaleEnd(rows) {
  const shown = Math.max(0, ...rows.filter((row) => !row.rest).map((row) => row.total));
  const rest = Math.max(0, ...rows.filter((row) => row.rest).map((row) => row.total));
  return shown > 0 && rest > 2 * shown ? shown : Math.max(shown, rest) || 1;
}

function drawSeriesKeys(svg, series, left, right, colours) {
  let x = left;
  let y = 12;
  for (const { name, colour } of series) {
    const wide = textWidth(name, 11.5) + 34;
    if (x + wide > right && x > left) [x, y] = [left, y + 18];
    svg.append(rectangle(x, y - 5, 11, 11, colour, { rx: 2 }));
    svg.append(label(x + 16, y + 1, name, colours.ink, { "font-size": 11.5 }));
    x += wide;
  }
  return y + 12;
}

function drawBar(svg, row, y, { scale, series, unit, whole, from, longest }, colours) {
  const group = shape("g", { class: "barrow" }, hint([row.name, ...(row.tip ?? [])].join("\n")));
  const cut = row.total > longest ? longest / row.total : 1;
  group.append(rectangle(0, y, scale.to + 110, BAR, "transparent"));
  const name = fitted(rowName(row), from - 14, 11.5);
  group.append(label(from - 8, y + BAR / 2, name, colours.ink, { "font-size": 11.5, "text-anchor": "end" }));
  let at = 0;
  row.parts.forEach((part, k) => {
    if (!(part > 0)) return;
    const [x1, x2] = [scale.place(at), scale.place(at + part * cut)];
    const extra = row.strong ? { stroke: colours.ink, "stroke-width": 1.2 } : {};
    group.append(rectangle(x1, y + 2.5, x2 - x1, BAR - 5, series[k].colour, extra));
    at += part * cut;
  });
  const text = `${cut < 1 ? "» " : ""}${written(quantityColumn(unit), row.total)}${row.plain ? "" : ` · ${share(row.total, whole)}`}`;
  group.append(label(scale.place(at) + 6, y + BAR / 2, text, colours.ink, { "font-size": 11 }));
  svg.append(group);
}

/** The layers of a design: time by what it is spent on, or energy by component. */
function layerBars(design, kind) {
  const names = kind === "time" ? design.parts : design.components;
  const used = names.map((_, k) => design.layers.some((layer) => (kind === "time" ? layer.parts : layer.energy)[k] > 0));
  const colours = namedColours(names);
  const series = names.map((name) => ({ name, colour: colours.get(name) })).filter((_, k) => used[k]);
  const rows = design.layers.map((layer) => {
    const parts = (kind === "time" ? layer.parts : layer.energy).filter((_, k) => used[k]);
    return { name: layer.name, runs: layer.runs, rest: layer.rest, parts, total: parts.reduce((a, b) => a + b, 0), tip: layerTip(layer) };
  });
  const [unit, title] = kind === "time" ? ["s", "time over all runs"] : ["J", "energy over all runs"];
  return { rows, series, unit, title, empty: "the workload has no layers" };
}

function layerTip(layer) {
  return [
    layer.dims,
    `${counted(layer.runs, "run")}${layer.phase ? `, ${layer.phase}` : ""}`,
    layer.bound ? `bound by ${layer.bound}` : null,
    `time ${engineering(layer.time, "s")}`,
    `energy ${engineering(layer.energy.reduce((a, b) => a + b, 0), "J")}`,
    known(layer.utilization) ? `utilization ${significant(100 * layer.utilization)} %` : null,
    `DRAM ${bytesText(layer.dram)}`,
  ].filter(Boolean);
}

const FRONT_BARS = 40;

/** Components of energy or area of the designs on the front, ordered by the first objective. */
function frontBars(state, role) {
  const { record } = state;
  const columns = record.columns.filter((column) => column.role === role);
  const unit = role === "energy" ? "J" : "mm²";
  const objective = record.columns.find((column) => column.role === "objective");
  const rows = record.fronts.flatMap((front) => [...front.rows]).filter((row) => state.active[row]);
  if (objective) rows.sort((a, b) => objective.values[a] - objective.values[b]);
  const shown = thinned(rows, FRONT_BARS, state.selected);
  const names = columns.map((column) => column.key.slice(column.key.indexOf(".") + 1));
  const colours = namedColours(names);
  const used = columns.map((column) => shown.some((row) => column.values[row] > 0));
  return {
    unit,
    title: role === "energy" ? "energy" : "area",
    empty: "no design of the front is within the filters",
    series: names.map((name) => ({ name, colour: colours.get(name) })).filter((_, k) => used[k]),
    rows: shown.map((row) => {
      const parts = columns.filter((_, k) => used[k]).map((column) => (Number.isNaN(column.values[row]) ? 0 : column.values[row]));
      return {
        name: axisText(record, row), parts, total: parts.reduce((a, b) => a + b, 0), plain: true, runs: 1,
        strong: row === state.selected, tip: [pointName(record, row), ...pointLines(record, row, []).map(([name, text]) => `${name}: ${text}`)],
      };
    }),
  };
}

/** At most `limit` rows, evenly chosen, the selected one among them. */
function thinned(rows, limit, selected) {
  if (rows.length <= limit) return rows;
  const kept = new Set(Array.from({ length: limit }, (_, i) => rows[Math.round((i * (rows.length - 1)) / (limit - 1))]));
  if (rows.includes(selected)) kept.add(selected);
  return rows.filter((row) => kept.has(row));
}

function axisText(record, row) {
  const axes = record.columns.filter((column) => column.role === "axis" && varies(column));
  const text = axes.map((column) => (column.texts ? exact(column, row) ?? MISSING : written(column, column.values[row]))).join(" · ");
  return `${pointName(record, row)}  ${text}`;
}

/** Two bars for each name, those of a and b. */
function pairBars({ sides, names, a, b, unit }) {
  const rows = names.flatMap((name, i) => [
    { name, runs: 1, plain: true, parts: [a[i], 0], total: a[i], tip: [sides[0]] },
    { name: "", runs: 1, plain: true, parts: [0, b[i]], total: b[i], tip: [`${sides[1]}: ${name}`] },
  ]);
  const series = sides.map((name, i) => ({ name, colour: FRONT_STROKES[i] }));
  return { rows, series, unit, title: unit === "s" ? "time" : "energy", empty: "nothing to compare" };
}

/** The components of one design, each its own bar. */
function componentBars(entries, unit, title) {
  const present = entries.filter(([, value]) => value > 0);
  const colours = namedColours(entries.map(([name]) => name));
  const rows = present.map(([name, value]) => ({ name, runs: 1, parts: present.map(([other]) => (other === name ? value : 0)), total: value }));
  return { rows, series: present.map(([name]) => ({ name, colour: colours.get(name) })), unit, title, unnamed: true, empty: `no figures of ${title}` };
}
