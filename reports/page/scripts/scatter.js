// The points of a sweep in two objectives, the third as colour; the Pareto front over them.

const CELL = 18;
const REACH = 14;

function makeScatter(state, start) {
  const { record } = state;
  const options = { ...start, mode: "select" };
  const chart = { options, domains: {}, paint: (frame) => paintScatter(state, chart, frame) };
  const reset = () => {
    chart.domains = {};
    figure.later();
  };
  const choices = record.columns.filter((column) => column.role !== "run").map((column) => [column.place, column.label]);
  const colours = [["", "none"], ...record.columns.map((column) => [column.place, column.label])];
  const set = (name, value) => {
    options[name] = value;
    const column = record.columns[options[name]];
    if (name !== "colour" || column) options[`log${name}`] = column ? wantsLog(column) : false;
    boxes[name].querySelector("input").checked = options[`log${name}`];
    if (name !== "colour") chart.domains = {};
    recolour(state, options);
  };
  const setLog = (name, value) => {
    options[`log${name}`] = value;
    delete chart.domains[name];
    recolour(state, options);
  };
  const boxes = Object.fromEntries(
    ["x", "y", "colour"].map((name) => [name, checkbox("log", options[`log${name}`], (value) => setLog(name, value))]),
  );
  for (const [name, box] of Object.entries(boxes)) box.querySelector("input").setAttribute("aria-label", `logarithmic ${name}`);
  const controls = [
    selector("x", choices, options.x, (value) => set("x", Number(value))), boxes.x,
    selector("y", choices, options.y, (value) => set("y", Number(value))), boxes.y,
    selector("colour", colours, options.colour ?? "", (value) => set("colour", value === "" ? null : Number(value))), boxes.colour,
    switcher("What dragging does", [["select", "Select"], ["zoom", "Zoom"]], "select", (mode) => (options.mode = mode)),
    button("Reset view", reset),
  ];
  const figure = makeFigure({
    id: "pareto",
    title: "Design space",
    about:
      "Each point is a design. Hover for its values, click for its layers; drag to select, or to zoom. " +
      "Keys: ← → along the front, ↑ ↓ through the points by height, Enter selects, + − 0 zoom.",
    height: (width) => Math.round(Math.min(620, Math.max(360, width * 0.62))),
    controls,
    chart,
  });
  chart.figure = figure;
  recolour(state, options, true);
  listenScatter(state, chart, figure);
  state.on("filter", figure.later);
  state.on("theme", figure.later);
  state.on("colour", figure.later);
  state.on("select", figure.later);
  state.on("hover", () => markHovered(state, chart));
  return figure;
}

/** The shade (0 to 255) of every point by the colour column, which the other figures share. */
function recolour(state, options, quiet = false) {
  const { record } = state;
  const column = record.columns[options.colour];
  const shade = new Float32Array(record.points);
  if (column && !column.categories) {
    const log = options.logcolour && column.high > 0;
    const [low, high] = fullDomain(column, log, 0);
    const slope = (SHADES - 1) / (high - low);
    for (let i = 0; i < record.points; i += 1) {
      const value = log ? Math.log10(column.values[i]) : column.values[i];
      shade[i] = Number.isFinite(value) ? Math.max(0, (value - low) * slope) : 0;
    }
  } else if (column) shade.set(column.values.map((value) => (Number.isNaN(value) ? 0 : value)));
  state.colour = { column, log: options.logcolour, shade };
  if (!quiet) state.tell("colour");
}

/** The colours that shades index. */
function shadeColours(state, colours) {
  const { column } = state.colour;
  if (!column) return Array(SHADES).fill(rgb(CATEGORIES[0]));
  if (!column.categories) return shades(colours);
  return column.categories.map((_, i) => categoryColour(i, column.categories.length, colours));
}

function categoryColour(place, number, colours) {
  if (number <= CATEGORIES.length) return rgb(CATEGORIES[place]);
  return viridis(colours.from + ((colours.to - colours.from) * place) / (number - 1));
}

/** Transformed values of a column, spread a little where many points share a category. */
function transformed(column, log) {
  const name = log ? "logged" : "spread";
  if (column[name]) return column[name];
  const out = Float64Array.from(column.values, log ? (value) => (value > 0 ? Math.log10(value) : NaN) : (value) => value);
  if (column.categories) out.forEach((value, i) => (out[i] = value + ((((i + 1) * 2654435761) >>> 0) / 2 ** 32 - 0.5) * 0.5));
  column[name] = out;
  return out;
}

function scatterScales(state, chart, { width, height }) {
  const { options, domains } = chart;
  const [x, y] = [state.record.columns[options.x], state.record.columns[options.y]];
  const domain = (name, column) => (domains[name] ??= fullDomain(column, options[`log${name}`], 0.04, state.record.base?.[column.key]));
  const box = { top: 14, bottom: height - 52, right: width - 138 };
  const up = makeScale(y, options.logy, domain("y", y), box.bottom, box.top);
  box.left = Math.ceil(tickRoom(up)) + 42;
  return { across: makeScale(x, options.logx, domain("x", x), box.left, box.right), up, box };
}

function paintScatter(state, chart, frame) {
  const { across, up, box } = scatterScales(state, chart, frame);
  const places = placesOf(state, chart, across, up, box, frame.ratio);
  const rows = drawingOrder(state, places);
  const svg = shape("svg", { role: "presentation" });
  const colours = shadeColours(state, frame.colours);
  rasterScatter(state, frame, { across, up, box, places, rows, colours });
  const raster = { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top };
  const clip = `clip-${frame.live ? "live" : "saved"}`;
  svg.append(shape("defs", {}, shape("clipPath", { id: clip }, rectangle(box.left, box.top, raster.width, raster.height, "#fff"))));
  const inner = shape("g", { "clip-path": `url(#${clip})` });
  drawBounds(state, inner, { across, up, box }, frame.colours);
  drawFronts(state, inner, across, up, frame.colours);
  if (!frame.live) drawVector(state, inner, { box, places, rows, colours, ratio: frame.ratio }, frame.colours);
  drawMarks(state, inner, { across, up }, frame);
  svg.append(inner);
  drawAcross(svg, across, box.bottom, frame.colours, titleWithGoal(across));
  drawUp(svg, { ...up, title: titleWithGoal(up) }, box.left, frame.colours, 12);
  drawLegend(state, svg, box, frame, rows);
  if (frame.live) Object.assign(chart, { scales: { across, up, box }, over: inner, grid: gridOf(state, places, rows, box, frame.ratio) });
  if (!rows.drawn.length) svg.append(emptyText(box, state, frame.colours));
  return { svg, raster };
}

function titleWithGoal(scale) {
  const goal = { min: "less is better", max: "more is better" }[scale.column.goal];
  return goal ? `${scale.title} · ${goal}` : scale.title;
}

function emptyText(box, state, colours) {
  const text = state.record.points ? "no point has both values here: clear a filter or choose other columns" : "the sweep has no points yet";
  return label((box.left + box.right) / 2, (box.top + box.bottom) / 2, text, colours.soft, { "text-anchor": "middle", "font-size": 13 });
}

/** Pixels of every point within the plot, in device pixels; NaN outside. */
function placesOf(state, chart, across, up, box, ratio) {
  const { points } = state.record;
  const xs = new Float32Array(points);
  const ys = new Float32Array(points);
  const [tx, ty] = [transformed(across.column, across.log), transformed(up.column, up.log)];
  for (let i = 0; i < points; i += 1) {
    xs[i] = (across.from - box.left + (tx[i] - across.low) * across.slope) * ratio;
    ys[i] = (up.from - box.top + (ty[i] - up.low) * up.slope) * ratio;
  }
  return { xs, ys };
}

/** Rows from the bottom to the top: filtered out, against a constraint, the rest, the fronts. */
function drawingOrder(state, { xs, ys }) {
  const { record, active, onFront } = state;
  const group = Uint8Array.from(xs, (x, i) =>
    x !== x || ys[i] !== ys[i] || record.reason[i] ? 4 : !active[i] ? 0 : !record.feasible[i] ? 1 : onFront[i] ? 3 : 2);
  const [out, against, inside, front] = [0, 1, 2, 3].map((kind) => rowsWhere(record.points, (i) => group[i] === kind));
  return { out, against, inside, front, drawn: rowsWhere(record.points, (i) => group[i] < 4) };
}

function pointRadius(count) {
  return count > 30_000 ? 1.6 : count > 5_000 ? 2 : count > 800 ? 2.8 : 4;
}

const VECTORS = 3000;

function rasterScatter(state, frame, { across, up, box, places, rows, colours }) {
  const { ratio } = frame;
  const raster = makeRaster(frame.canvas, Math.round((box.right - box.left) * ratio), Math.round((box.bottom - box.top) * ratio), rgb(frame.colours.paper));
  const lines = (scale, origin) => scale.ticks.map((tick) => (scale.place(tick.value) - origin) * ratio);
  rasterGrid(raster, lines(across, box.left), lines(up, box.top), rgb(frame.colours.grid), Math.max(1, Math.round(ratio / 1.5)));
  const { out, against, inside, front } = rows;
  if (frame.live || inside.length + front.length > VECTORS) {
    const radius = pointRadius(inside.length + front.length + against.length + out.length / 4) * ratio;
    const words = wordsOf(state, colours);
    const muted = new Uint32Array(state.record.points).fill(packed(rgb(frame.colours.muted)));
    paintDiscs(raster, out, places.xs, places.ys, muted, radius * 0.9);
    paintDiscs(raster, against, places.xs, places.ys, muted, radius * 0.9);
    paintDiscs(raster, inside, places.xs, places.ys, words, radius);
    const large = frontRadius(front.length) * ratio;
    const rings = new Uint32Array(state.record.points).fill(packed(rgb(frame.colours.ring)));
    paintDiscs(raster, front, places.xs, places.ys, rings, large + 1.1 * ratio);
    paintDiscs(raster, front, places.xs, places.ys, words, large);
  }
  raster.show();
}

function frontRadius(count) {
  return count > 400 ? 2.6 : 3.8;
}

function wordsOf(state, colours) {
  const { shade } = state.colour;
  const table = Uint32Array.from(colours, packed);
  return Uint32Array.from(shade, (value) => table[Math.min(table.length - 1, Math.round(value))]);
}

/** In a saved drawing the points of a small sweep are circles, not pixels. */
function drawVector(state, group, { box, places, rows, colours, ratio }, paper) {
  const { out, against, inside, front } = rows;
  if (inside.length + front.length > VECTORS) return;
  const radius = pointRadius(inside.length + front.length);
  const disc = (row, r, fill, attributes) =>
    shape("circle", { cx: (box.left + places.xs[row] / ratio).toFixed(2), cy: (box.top + places.ys[row] / ratio).toFixed(2), r, fill, ...attributes });
  const fill = (row) => css(colours[Math.min(colours.length - 1, Math.round(state.colour.shade[row]))]);
  for (const row of [...out.subarray(0, VECTORS), ...against.subarray(0, VECTORS)]) group.append(disc(row, radius * 0.9, paper.muted));
  for (const row of inside) group.append(disc(row, radius, fill(row)));
  for (const row of front) group.append(disc(row, frontRadius(front.length), fill(row), { stroke: paper.ring, "stroke-width": 1.1 }));
}

/** Constraints on a shown quantity as dashed lines. */
function drawBounds(state, group, { across, up, box }, colours) {
  for (const bound of state.record.bounds) {
    if (bound.key === across.column.key && across.inside(bound.value)) {
      const x = across.place(bound.value);
      group.append(line(x, box.top, x, box.bottom, colours.soft, { "stroke-dasharray": "5 4" }));
      group.append(label(x + 5, box.top + 10, bound.text, colours.soft, { "font-size": 11 }));
    }
    if (bound.key === up.column.key && up.inside(bound.value)) {
      const y = up.place(bound.value);
      group.append(line(box.left, y, box.right, y, colours.soft, { "stroke-dasharray": "5 4" }));
      group.append(label(box.right - 6, y - 9, bound.text, colours.soft, { "font-size": 11, "text-anchor": "end" }));
    }
  }
}

/** The steps of each front in the two shown objectives. */
function drawFronts(state, group, across, up, colours) {
  const [gx, gy] = [across.column.goal, up.column.goal];
  if (!gx || !gy || across.column === up.column) return;
  const strokes = state.record.fronts.length > 1 ? FRONT_STROKES : [colours.front];
  state.record.fronts.forEach((front, number) => {
    const corners = staircase(front.rows, across.column.values, up.column.values, gx, gy);
    if (corners.length < 2) return;
    let path = "";
    corners.forEach((row, i) => {
      const x = across.place(across.column.values[row]);
      const y = up.place(up.column.values[row]);
      path += i === 0 ? `M${x.toFixed(1)} ${y.toFixed(1)}` : `H${x.toFixed(1)}V${y.toFixed(1)}`;
    });
    group.append(shape("path", { d: path, fill: "none", stroke: strokes[number % strokes.length], "stroke-width": 1.6, "stroke-linejoin": "round" }));
  });
}

/** Rows that no other of `rows` beats in both values, ordered so that steps go right first, then up or down. */
function staircase(rows, xs, ys, goalX, goalY) {
  const [sx, sy] = [goalX === "min" ? 1 : -1, goalY === "min" ? 1 : -1];
  const sorted = [...rows].filter((row) => Number.isFinite(xs[row]) && Number.isFinite(ys[row]));
  sorted.sort((a, b) => sx * (xs[a] - xs[b]) || sy * (ys[a] - ys[b]));
  let best = Infinity;
  return sorted.filter((row) => {
    if (sy * ys[row] >= best) return false;
    best = sy * ys[row];
    return true;
  });
}

/** Knee points, the base design and the selected one. */
function drawMarks(state, group, { across, up }, frame) {
  const { record } = state;
  const at = (row) => [across.place(across.column.values[row]), up.place(up.column.values[row])];
  const shown = (row) => row !== null && at(row).every(Number.isFinite);
  for (const knee of record.knees) if (shown(knee)) drawDiamond(group, at(knee), "knee", frame.colours);
  const base = [across, up].map((scale) => scale.place(record.base?.[scale.column.key] ?? NaN));
  if (base.every(Number.isFinite)) drawDiamond(group, base, "base design", frame.colours, true);
  const { selected } = state;
  if (selected !== null && shown(selected)) {
    const [x, y] = at(selected);
    group.append(shape("circle", { cx: x, cy: y, r: 8.5, fill: "none", stroke: frame.colours.ink, "stroke-width": 2.2 }));
    group.append(plated(x + 12, y - 12, pointName(record, selected), frame.colours));
  }
}

function drawDiamond(group, [x, y], text, colours, hollow = false) {
  const path = `M${x} ${y - 7}L${x + 7} ${y}L${x} ${y + 7}L${x - 7} ${y}Z`;
  group.append(shape("path", { d: path, fill: hollow ? "none" : colours.front, stroke: hollow ? colours.ink : colours.paper, "stroke-width": hollow ? 2 : 1.2 }));
  group.append(plated(x + 11, y + (hollow ? 13 : -11), text, colours));
}

/** A word that can be read over points. */
function plated(x, y, text, colours) {
  const halo = { "font-size": 11.5, "font-weight": 600, stroke: colours.paper, "stroke-width": 3.5, "paint-order": "stroke", "stroke-linejoin": "round" };
  return label(x, y, text, colours.ink, halo);
}

/** The scale of the colours, and what the marks mean. */
function drawLegend(state, svg, box, frame, rows) {
  const { column, log } = state.colour;
  const x = box.right + 22;
  const marks = marksOf(state, rows, frame.colours);
  marks.forEach(([draw, text], i) => {
    const y = box.bottom - 6 - 19 * (marks.length - 1 - i);
    svg.append(draw(x + 7, y), label(x + 20, y, text, frame.colours.ink, { "font-size": 11.5 }));
  });
  if (!column) return;
  svg.append(label(x, box.top + 6, fitted(column.label, 104, 12), frame.colours.ink, { "font-weight": 600 }));
  if (column.categories) drawKeys(state, svg, x, box.top + 26, column, frame.colours);
  else drawColourBar(svg, x, box.top + 22, Math.max(60, Math.min(210, box.bottom - box.top - 60 - 19 * marks.length)), column, log, frame.colours);
}

/** What the marks mean, as [drawing, words]. */
function marksOf(state, rows, colours) {
  const disc = (fill, ring) => (x, y) => shape("circle", { cx: x, cy: y, r: 4, fill, stroke: ring, "stroke-width": ring ? 1.3 : 0 });
  const fronts = state.record.fronts;
  const marks = [];
  if (rows.front.length) marks.push([disc("none", colours.ring), "Pareto front"]);
  const stroke = (colour) => (x, y) => line(x - 7, y, x + 7, y, colour, { "stroke-width": 1.8 });
  if (fronts.length > 1) fronts.forEach((front, i) => marks.push([stroke(FRONT_STROKES[i % 2]), fitted(`front of ${front.name}`, 92, 11.5)]));
  else if (rows.front.length) marks.push([stroke(colours.front), "front of x and y"]);
  if (rows.against.length) marks.push([disc(colours.muted), "over a bound"]);
  if (rows.out.length) marks.push([disc(colours.muted), "filtered out"]);
  return marks;
}

function drawKeys(state, svg, x, top, column, colours) {
  column.categories.slice(0, 16).forEach((name, i) => {
    const y = top + 18 * i;
    svg.append(shape("circle", { cx: x + 5, cy: y, r: 5, fill: css(categoryColour(i, column.categories.length, colours)) }));
    svg.append(label(x + 16, y, fitted(name, 86, 11.5), colours.ink, { "font-size": 11.5 }));
  });
  const more = column.categories.length - 16;
  if (more > 0) svg.append(label(x, top + 18 * 16, `${more} more`, colours.soft, { "font-size": 11 }));
}

function drawColourBar(svg, x, top, height, column, log, colours) {
  const steps = 64;
  for (let i = 0; i < steps; i += 1) {
    const fill = css(viridis(colours.from + ((colours.to - colours.from) * (steps - 1 - i)) / (steps - 1)));
    svg.append(rectangle(x, top + (height * i) / steps, 14, height / steps + 0.6, fill));
  }
  const scale = makeScale(column, log && column.high > 0, fullDomain(column, log && column.high > 0, 0), top + height, top);
  const unit = /\(([^()]*)\)$/.exec(scale.title)?.[1];
  if (unit) svg.append(label(x, top + height + 16, `in ${unit}`, colours.soft, { "font-size": 11 }));
  for (const tick of scale.ticks) {
    const y = scale.place(tick.value);
    svg.append(line(x + 14, y, x + 18, y, colours.soft));
    svg.append(label(x + 22, y, fitted(tick.text, 80, 11), colours.ink, { "font-size": 11 }));
  }
}

/** Points by cells of the plot, so that the one under the pointer is found at once. */
function gridOf(state, { xs, ys }, rows, box, ratio) {
  const columns = Math.ceil((box.right - box.left) / CELL) + 1;
  const lines = Math.ceil((box.bottom - box.top) / CELL) + 1;
  const starts = new Uint32Array(columns * lines + 1);
  const visible = rows.drawn;
  const cellOf = (row) => {
    const i = Math.floor(xs[row] / ratio / CELL);
    const j = Math.floor(ys[row] / ratio / CELL);
    return i >= 0 && j >= 0 && i < columns && j < lines ? j * columns + i : -1;
  };
  for (const row of visible) {
    const cell = cellOf(row);
    if (cell >= 0) starts[cell + 1] += 1;
  }
  for (let i = 1; i < starts.length; i += 1) starts[i] += starts[i - 1];
  const filled = starts.slice();
  const members = new Uint32Array(starts[starts.length - 1]);
  for (const row of visible) {
    const cell = cellOf(row);
    if (cell >= 0) members[filled[cell]++] = row;
  }
  return { columns, lines, starts, members, xs, ys, ratio };
}

/** The point nearest to a place of the plot, the front's and the active ones first; null where none is near. */
function nearestPoint(state, { columns, lines, starts, members, xs, ys, ratio }, x, y) {
  let best = null;
  let least = REACH;
  const [ci, cj] = [Math.floor(x / CELL), Math.floor(y / CELL)];
  for (let j = Math.max(0, cj - 1); j <= Math.min(lines - 1, cj + 1); j += 1) {
    for (let i = Math.max(0, ci - 1); i <= Math.min(columns - 1, ci + 1); i += 1) {
      for (let k = starts[j * columns + i]; k < starts[j * columns + i + 1]; k += 1) {
        const row = members[k];
        const distance = Math.hypot(xs[row] / ratio - x, ys[row] / ratio - y) + (state.onFront[row] ? -2 : 0) + (state.active[row] ? 0 : 3);
        if (distance < least) [best, least] = [row, distance];
      }
    }
  }
  return best;
}

/** A ring about the hovered point. */
function markHovered(state, chart) {
  if (!chart.over) return;
  chart.over.querySelector(".hovered")?.remove();
  const row = state.hovered;
  if (row === null) return;
  const { across, up } = chart.scales;
  const [x, y] = [across.place(across.column.values[row]), up.place(up.column.values[row])];
  if (!Number.isFinite(x) || !Number.isFinite(y)) return;
  const ring = { cx: x, cy: y, r: 7, fill: "none", stroke: palette().ink, "stroke-width": 1.8, class: "hovered" };
  chart.over.append(shape("circle", ring));
}

function tipFor(state, row, x, y, keys = []) {
  const { record } = state;
  const notes = [];
  if (record.fronts.length > 1 && state.onFront[row]) notes.push(["", `on the front of ${record.fronts[state.onFront[row] - 1].name}`]);
  else if (state.onFront[row]) notes.push(["", "on the Pareto front"]);
  if (record.reason[row]) notes.push(["failed", record.reasons[record.reason[row]]]);
  else if (!record.feasible[row]) notes.push(["", "breaks a constraint"]);
  showTip(x, y, pointName(record, row), [...pointLines(record, row, keys), ...notes]);
}

function listenScatter(state, chart, figure) {
  const { plot } = figure;
  const box = element("div", { class: "over brushbox", hidden: true });
  plot.append(box);
  let drag = null;
  const place = (event) => {
    const [x, y] = within(event, plot);
    return [x - chart.scales.box.left, y - chart.scales.box.top];
  };
  const shownKeys = () => [chart.options.x, chart.options.y, chart.options.colour].map((i) => state.record.columns[i]?.key);
  plot.addEventListener("pointerdown", (event) => {
    if (event.button || !chart.scales) return;
    const [x, y] = place(event);
    const { left, right, top, bottom } = chart.scales.box;
    if (x < 0 || y < 0 || x > right - left || y > bottom - top) return;
    drag = { x, y, moved: false };
    plot.setPointerCapture(event.pointerId);
  });
  plot.addEventListener("pointermove", (event) => {
    if (!chart.scales) return;
    const [x, y] = place(event);
    if (drag) return moveBox(chart, box, drag, x, y);
    const row = nearestPoint(state, chart.grid, x, y);
    state.hover(row);
    plot.style.cursor = row === null ? "crosshair" : "pointer";
    if (row === null) hideTip();
    else tipFor(state, row, event.clientX, event.clientY, shownKeys());
  });
  plot.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const [x, y] = place(event);
    const { moved } = drag;
    if (moved) finishBox(state, chart, drag, x, y);
    else {
      const row = nearestPoint(state, chart.grid, x, y);
      if (row !== null) state.select(row);
    }
    drag = null;
    box.hidden = true;
  });
  plot.addEventListener("pointercancel", () => {
    drag = null;
    box.hidden = true;
  });
  plot.addEventListener("pointerleave", () => {
    hideTip();
    state.hover(null);
  });
  plot.addEventListener("dblclick", () => {
    chart.domains = {};
    figure.later();
  });
  plot.addEventListener("wheel", (event) => {
    if (!chart.scales || !(event.ctrlKey || event.metaKey || chart.options.mode === "zoom")) return;
    event.preventDefault();
    zoomAbout(chart, ...within(event, plot), event.deltaY > 0 ? 1.2 : 1 / 1.2);
    figure.later();
  }, { passive: false });
  plot.addEventListener("keydown", (event) => pressedInScatter(state, chart, figure, event));
  plot.addEventListener("blur", hideTip);
}

function moveBox({ scales }, box, drag, x, y) {
  if (Math.hypot(x - drag.x, y - drag.y) > 4) drag.moved = true;
  if (!drag.moved) return;
  hideTip();
  const { left, top, right, bottom } = scales.box;
  const [x2, y2] = [Math.min(right - left, Math.max(0, x)), Math.min(bottom - top, Math.max(0, y))];
  box.hidden = false;
  Object.assign(box.style, {
    left: `${left + Math.min(drag.x, x2)}px`, top: `${top + Math.min(drag.y, y2)}px`,
    width: `${Math.abs(x2 - drag.x)}px`, height: `${Math.abs(y2 - drag.y)}px`,
  });
}

function finishBox(state, chart, drag, x, y) {
  const { across, up, box } = chart.scales;
  const spanOf = (scale, origin, a, b) => [scale.value(origin + a), scale.value(origin + b)].sort((p, q) => p - q);
  const xs = spanOf(across, box.left, drag.x, x);
  const ys = spanOf(up, box.top, drag.y, y);
  if (chart.options.mode === "zoom") {
    const domain = (scale, [low, high]) => (scale.log ? [Math.log10(low), Math.log10(high)] : [low, high]);
    chart.domains = { x: domain(across, xs), y: domain(up, ys) };
    return chart.figure.later();
  }
  state.filters.set(across.column.key, { column: across.column, low: xs[0], high: xs[1] });
  return state.filter(up.column, { low: ys[0], high: ys[1] });
}

function zoomAbout(chart, x, y, factor) {
  const { across, up } = chart.scales;
  for (const [name, scale, pixel] of [["x", across, x], ["y", up, y]]) {
    const centre = scale.low + (pixel - scale.from) / scale.slope;
    chart.domains[name] = [centre - (centre - scale.low) * factor, centre + (scale.high - centre) * factor];
  }
}

/** Without a mouse: walk the front or the points, select, zoom. */
function pressedInScatter(state, chart, figure, event) {
  if (!chart.scales || event.target !== figure.plot) return;
  const { across, up, box } = chart.scales;
  const steps = { ArrowRight: [across, 1, true], ArrowLeft: [across, -1, true], ArrowUp: [up, 1, false], ArrowDown: [up, -1, false] };
  const middle = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
  const zooms = { "+": 1 / 1.3, "=": 1 / 1.3, "-": 1.3 };
  if (steps[event.key]) walk(state, chart, figure, ...steps[event.key]);
  else if (event.key === "Enter" && state.hovered !== null) state.select(state.hovered);
  else if (zooms[event.key]) zoomAbout(chart, ...middle, zooms[event.key]);
  else if (event.key === "0") chart.domains = {};
  else if (event.key === "Escape") {
    state.hover(null);
    hideTip();
  } else return;
  event.preventDefault();
  if (!steps[event.key] && event.key !== "Enter") figure.later();
}

function walk(state, chart, figure, scale, direction, alongFront) {
  const values = scale.column.values;
  const candidates = [];
  for (let i = 0; i < state.record.points; i += 1) {
    if (state.active[i] && !Number.isNaN(values[i]) && (!alongFront || state.onFront[i])) candidates.push(i);
  }
  if (!candidates.length) return;
  candidates.sort((a, b) => values[a] - values[b] || a - b);
  const here = state.hovered ?? state.selected;
  const at = candidates.indexOf(here);
  const next = at >= 0 ? at + direction : direction > 0 ? 0 : candidates.length - 1;
  const row = candidates[Math.min(candidates.length - 1, Math.max(0, next))];
  state.hover(row);
  const { across, up } = chart.scales;
  const corner = figure.plot.getBoundingClientRect();
  const [x, y] = [across.place(across.column.values[row]), up.place(up.column.values[row])];
  tipFor(state, row, corner.left + x, corner.top + y);
  announce(`${pointName(state.record, row)}: ${pointLines(state.record, row, []).map(([name, text]) => `${name} ${text}`).join(", ")}`);
}

/** Said to screen readers. */
const spoken = element("div", { class: "unseen", "aria-live": "polite" });

function announce(text) {
  spoken.textContent = text;
}
