// Parallel coordinates: every axis of the space and every objective side by side, a line for each design.

const AXES = 14;

function makeParallel(state) {
  const { record } = state;
  const offered = record.columns.filter((column) => column.role === "run" || varies(column));
  const chosen = new Set(offered.filter((column) => ["run", "axis", "objective"].includes(column.role)).slice(0, AXES));
  const chart = { chosen, offered, coarse: false, paint: (frame) => paintParallel(state, chart, frame) };
  const figure = makeFigure({
    id: "parallel",
    title: "Parallel coordinates",
    about:
      "One line a design, coloured as above; dark where many run together, the Pareto front on top. " +
      "Drag along an axis to keep a range, click it to let go; Tab reaches the ends of each range, the arrow keys move them.",
    height: 400,
    controls: [columnPicker(chart, () => figure.later())],
    chart,
  });
  chart.figure = figure;
  listenParallel(state, chart, figure);
  for (const event of ["theme", "colour", "select"]) state.on(event, figure.later);
  state.on("filter", ({ brushing }) => {
    chart.coarse = brushing;
    figure.later();
  });
  state.on("hover", () => markLine(state, chart));
  return figure;
}

function columnPicker(chart, changed) {
  const list = element("div", { class: "pick" });
  for (const column of chart.offered) {
    list.append(
      checkbox(column.label, chart.chosen.has(column), (on) => {
        if (on) chart.chosen.add(column);
        else chart.chosen.delete(column);
        changed();
      }),
    );
  }
  return element("details", { class: "menu" }, element("summary", {}, "Axes"), list);
}

function parallelScales(chart, { width, height }) {
  const columns = chart.offered.filter((column) => chart.chosen.has(column));
  const box = { left: 56, right: width - 64, top: 58, bottom: height - 22 };
  const gap = columns.length > 1 ? (box.right - box.left) / (columns.length - 1) : 0;
  const axes = columns.map((column, i) => {
    const log = wantsLog(column);
    return { column, x: box.left + gap * i, scale: makeScale(column, log, fullDomain(column, log, 0.02), box.bottom, box.top) };
  });
  return { axes, gap, box };
}

function paintParallel(state, chart, frame) {
  const { axes, gap, box } = parallelScales(chart, frame);
  const svg = shape("svg", { role: "presentation" });
  const raster = { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top };
  if (axes.length < 2) {
    const middle = { "text-anchor": "middle", "font-size": 13 };
    svg.append(label(frame.width / 2, frame.height / 2, "choose at least two axes that vary", frame.colours.soft, middle));
    return { svg, raster: null };
  }
  rasterLines(state, chart, frame, axes, box);
  drawFrontLines(state, svg, axes, frame.colours);
  axes.forEach((axis) => drawAxis(state, svg, axis, gap, frame));
  if (frame.live) Object.assign(chart, { axes, box, gap, over: svg });
  return { svg, raster };
}

/** Rows with results; those kept by all filters apart from the rest. */
function splitRows(state) {
  const { points, reason } = state.record;
  const [kept, out] = [rowsWhere(points, (i) => !reason[i] && state.active[i]), rowsWhere(points, (i) => !reason[i] && !state.active[i])];
  return { kept, out };
}

function rasterLines(state, chart, frame, axes, box) {
  const { ratio } = frame;
  const [width, height] = [Math.round((box.right - box.left) * ratio) + 1, Math.round((box.bottom - box.top) * ratio)];
  const raster = makeRaster(frame.canvas, width, height, rgb(frame.colours.paper));
  const { kept, out } = splitRows(state);
  const many = kept.length + out.length > 4000;
  const coarse = Math.max(1, Math.round(ratio)) * (chart.coarse && frame.live && many ? 4 : 1);
  const places = axes.map(({ column, scale }) => linePlaces(column, scale, box.top, ratio));
  const layers = [[out, [rgb(frame.colours.muted)], 0.55], [kept, shadeColours(state, frame.colours), 1]];
  for (const [rows, colours, strongest] of layers) {
    if (!rows.length) continue;
    const density = makeDensity(width, height);
    for (let i = 1; i < axes.length; i += 1) {
      const [left, right] = [axes[i - 1], axes[i]].map((axis) => Math.round((axis.x - box.left) * ratio));
      addLines(density, rows, left, right, places[i - 1], places[i], state.colour.shade, coarse);
    }
    layDensity(raster, density, colours, strongest);
  }
  raster.show();
}

function linePlaces(column, scale, top, ratio) {
  const values = scale.log ? transformed(column, true) : column.values;
  const out = new Float32Array(values.length);
  for (let i = 0; i < out.length; i += 1) out[i] = (scale.from - top + (values[i] - scale.low) * scale.slope) * ratio;
  return out;
}

const FRONT_LINES = 150;

function linePath(axes, row) {
  let path = "";
  for (const { column, scale, x } of axes) {
    const y = scale.place(column.values[row]);
    if (Number.isFinite(y)) path += `${path ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
  }
  return path;
}

function drawFrontLines(state, svg, axes, colours) {
  const rows = state.record.fronts.flatMap((front) => [...front.rows]).filter((row) => state.active[row]);
  if (rows.length > FRONT_LINES) return;
  const table = shadeColours(state, colours);
  for (const row of rows) {
    const stroke = css(table[Math.min(table.length - 1, Math.round(state.colour.shade[row]))]);
    svg.append(shape("path", { d: linePath(axes, row), fill: "none", stroke: colours.paper, "stroke-width": 2.6, "stroke-opacity": 0.5 }));
    svg.append(shape("path", { d: linePath(axes, row), fill: "none", stroke, "stroke-width": 1.5 }));
  }
}

function drawAxis(state, svg, { column, scale, x }, gap, frame) {
  const { colours, live } = frame;
  const { ticks, title } = scale;
  svg.append(line(x, scale.from, x, scale.to, colours.ink, { "stroke-width": 1.3 }));
  let last = Infinity;
  for (const tick of ticks) {
    const y = scale.place(tick.value);
    if (last - y < 13) continue;
    last = y;
    svg.append(line(x - 4, y, x, y, colours.ink));
    const text = fitted(tick.text, Math.max(30, gap * 0.6), 10.5);
    svg.append(label(x + 5, y, text, colours.ink, { "font-size": 10.5, stroke: colours.paper, "stroke-width": 3, "paint-order": "stroke", "stroke-opacity": 0.85 }));
  }
  drawAxisTitle(svg, title, column, x, gap, colours);
  const filter = state.filters.get(column.key);
  if (filter) drawBrush(svg, filter, scale, x, colours);
  if (live) for (const end of ["low", "high"]) svg.append(brushHandle(state, column, scale, x, end, colours));
}

/** The name of an axis in at most two lines, and which way is better. */
function drawAxisTitle(svg, title, column, x, gap, colours) {
  const width = Math.max(46, gap - 10);
  const goal = { min: " ↓", max: " ↑" }[column.goal] ?? "";
  const words = title.split(" ");
  const lines = [""];
  for (const word of words) {
    const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
    if (lines.at(-1) && textWidth(longer, 11.5, "600") > width && lines.length < 2) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  lines[lines.length - 1] += goal;
  const anchor = { "text-anchor": "middle", "font-size": 11.5, "font-weight": 600 };
  lines.forEach((text, i) => {
    const shown = label(x, 16 + 15 * (i + 2 - lines.length), fitted(text, width, 11.5), colours.ink, anchor);
    shown.append(hint(`${column.key}${goal ? `: ${column.goal === "min" ? "less" : "more"} is better` : ""}`));
    svg.append(shown);
  });
}

function rangeOf(filter, scale) {
  if (filter.codes) return [Math.min(...filter.codes) - 0.5, Math.max(...filter.codes) + 0.5];
  return [Math.max(filter.low, scale.value(scale.from)), Math.min(filter.high, scale.value(scale.to))];
}

function drawBrush(svg, filter, scale, x, colours) {
  const [low, high] = rangeOf(filter, scale).map(scale.place);
  svg.append(rectangle(x - 7, high, 14, low - high, colours.front, { "fill-opacity": 0.28, stroke: colours.front, "stroke-width": 1.2 }));
}

/** An end of a range that the keyboard moves. */
function brushHandle(state, column, scale, x, end, colours) {
  const filter = state.filters.get(column.key);
  const [low, high] = filter ? rangeOf(filter, scale) : [scale.value(scale.from), scale.value(scale.to)];
  const value = end === "low" ? low : high;
  const at = column.categories ? Math.min(column.categories.length - 1, Math.max(0, Math.round(value))) : value;
  const handle = shape("g", {
    tabindex: 0, role: "slider", class: "handle", "data-key": `${column.key}/${end}`,
    "aria-label": `${column.label}, ${end === "low" ? "lower" : "upper"} end`, "aria-orientation": "vertical",
    "aria-valuemin": column.low, "aria-valuemax": column.high, "aria-valuenow": at, "aria-valuetext": written(column, at),
    onkeydown: (event) => moveHandle(state, column, scale, end, event),
  });
  const y = scale.place(value);
  handle.append(rectangle(x - 9, y - 3, 18, 6, filter ? colours.front : "transparent", { rx: 2 }));
  return handle;
}

function moveHandle(state, column, scale, end, event) {
  const direction = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 }[event.key];
  if (event.key === "Escape" || event.key === "Delete") state.filter(column, null);
  else if (direction) {
    const filter = state.filters.get(column.key);
    const [low, high] = filter ? rangeOf(filter, scale) : [scale.value(scale.from), scale.value(scale.to)];
    const moved = nudged(column, scale, end === "low" ? low : high, direction);
    state.filter(column, end === "low" ? { low: Math.min(moved, high), high } : { low, high: Math.max(moved, low) });
  } else return;
  event.preventDefault();
  event.stopPropagation();
}

function nudged(column, scale, value, direction) {
  if (column.categories) return value + direction;
  const pixels = (scale.to - scale.from) / 40;
  return scale.value(Math.min(scale.from, Math.max(scale.to, scale.place(value) + direction * pixels)));
}

function markLine(state, chart) {
  if (!chart.over) return;
  chart.over.querySelectorAll(".hovered").forEach((node) => node.remove());
  for (const row of [state.selected, state.hovered]) {
    if (row === null || state.record.reason[row]) continue;
    const own = { d: linePath(chart.axes, row), fill: "none", class: "hovered", "pointer-events": "none" };
    chart.over.append(shape("path", { ...own, stroke: palette().paper, "stroke-width": 5 }));
    chart.over.append(shape("path", { ...own, stroke: palette().ink, "stroke-width": 2.4 }));
  }
}

/** The design whose line passes nearest to a place. */
function nearestLine(state, { axes }, x, y) {
  const after = axes.findIndex((axis) => axis.x >= x);
  if (after <= 0) return null;
  const [left, right] = [axes[after - 1], axes[after]];
  const along = (x - left.x) / (right.x - left.x);
  let best = null;
  let least = 8;
  for (let i = 0; i < state.record.points; i += 1) {
    if (!state.active[i] || state.record.reason[i]) continue;
    const from = left.scale.place(left.column.values[i]);
    const at = from + (right.scale.place(right.column.values[i]) - from) * along;
    const distance = Math.abs(at - y) - (state.onFront[i] ? 1.5 : 0);
    if (distance < least) [best, least] = [i, distance];
  }
  return best;
}

function listenParallel(state, chart, figure) {
  const { plot } = figure;
  let brush = null;
  const axisAt = (x) => chart.axes?.find((axis) => Math.abs(axis.x - x) < Math.min(14, chart.gap / 3));
  const rangeBetween = ({ scale }, a, b) => {
    const clip = (y) => Math.min(scale.from, Math.max(scale.to, y));
    const [low, high] = [scale.value(clip(a)), scale.value(clip(b))].sort((p, q) => p - q);
    return { low, high };
  };
  plot.addEventListener("pointerdown", (event) => {
    const [x, y] = within(event, plot);
    const axis = axisAt(x);
    if (event.button || !axis || y < chart.box.top - 8) return;
    brush = { axis, y, moved: false };
    plot.setPointerCapture(event.pointerId);
  });
  plot.addEventListener("pointermove", (event) => {
    if (!chart.axes) return;
    const [x, y] = within(event, plot);
    if (brush) {
      if (Math.abs(y - brush.y) > 3) brush.moved = true;
      if (brush.moved) state.filter(brush.axis.column, rangeBetween(brush.axis, brush.y, y), true);
      return;
    }
    plot.style.cursor = axisAt(x) ? "ns-resize" : "default";
    const row = axisAt(x) ? null : nearestLine(state, chart, x, y);
    state.hover(row);
    if (row === null) hideTip();
    else tipFor(state, row, event.clientX, event.clientY);
  });
  plot.addEventListener("pointerup", (event) => {
    if (brush) {
      if (brush.moved) state.refresh();
      else state.filter(brush.axis.column, null);
      brush = null;
    } else if (chart.axes && event.button === 0) {
      const row = nearestLine(state, chart, ...within(event, plot));
      if (row !== null) state.select(row);
    }
  });
  plot.addEventListener("pointerleave", () => {
    hideTip();
    state.hover(null);
  });
  const redraw = figure.redraw;
  figure.redraw = () => {
    const held = document.activeElement?.dataset?.key;
    redraw();
    markLine(state, chart);
    if (held) plot.querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus();
  };
}
