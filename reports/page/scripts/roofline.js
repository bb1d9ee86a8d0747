// The roofline of a design: layers by operations per DRAM byte and per second, under what the hardware allows.

const PERFORMANCE = { key: "performance", label: "performance", unit: "op/s", style: "si", role: "total" };
const INTENSITY = { key: "intensity", label: "operations per DRAM byte", unit: "", style: "plain", role: "total" };

function rooflineChart(read) {
  const chart = { paint: (frame) => paintRoofline(read().roofline, frame) };
  chart.height = (width) => Math.round(Math.min(480, Math.max(320, width * 0.55)));
  return chart;
}

function rooflineDomains({ points, peaks, slopes, ridge }) {
  const xs = [...points.map((point) => point[1]), ridge].filter((value) => known(value) && value > 0);
  const [lowX, highX] = xs.length ? [Math.min(...xs) / 4, Math.max(...xs) * 6] : [0.25, 6];
  const ys = [...points.map((point) => point[2]), ...peaks];
  if (slopes.length) ys.push(slopes[0][1] * lowX);
  const heights = ys.filter((value) => value > 0);
  const [lowY, highY] = heights.length ? [Math.min(...heights) / 4, Math.max(...heights) * 3] : [1, 10];
  return [[Math.log10(lowX), Math.log10(highX)], [Math.log10(lowY), Math.log10(highY)]];
}

function paintRoofline(data, frame) {
  const { width, height, colours } = frame;
  const svg = shape("svg", { role: "presentation" });
  if (!data.points.length) {
    const middle = { "text-anchor": "middle", "font-size": 13 };
    svg.append(label(width / 2, height / 2, "no layer of this workload does multiply-accumulates", colours.soft, middle));
    return { svg };
  }
  const [domainX, domainY] = rooflineDomains(data);
  const box = { left: 92, right: width - 18, top: 40, bottom: height - 52 };
  const across = makeScale({ ...INTENSITY, low: 10 ** domainX[0], high: 10 ** domainX[1] }, true, domainX, box.left, box.right);
  const up = makeScale({ ...PERFORMANCE, low: 10 ** domainY[0], high: 10 ** domainY[1] }, true, domainY, box.bottom, box.top);
  for (const tick of across.ticks) svg.append(line(across.place(tick.value), box.top, across.place(tick.value), box.bottom, colours.grid));
  for (const tick of up.ticks) svg.append(line(box.left, up.place(tick.value), box.right, up.place(tick.value), colours.grid));
  drawRoofs(svg, data, across, up, box, colours);
  drawLayers(svg, data, across, up, box, colours);
  drawAcross(svg, across, box.bottom, colours);
  drawUp(svg, up, box.left, colours, 14);
  return { svg };
}

function drawRoofs(svg, { peaks, slopes, ridge }, across, up, box, colours) {
  const [low, high] = [across.value(box.left), across.value(box.right)];
  const roof = (x1, y1, x2, y2, extra = {}) => line(across.place(x1), up.place(y1), across.place(x2), up.place(y2), colours.ink, { "stroke-width": 1.7, ...extra });
  let above = -Infinity;
  for (const peak of [...peaks].reverse()) {
    svg.append(roof(slopes.length ? Math.max(low, peak / slopes[0][1]) : low, peak, high, peak));
    const y = up.place(peak) - 9;
    if (above - y < 13 && above !== -Infinity) continue;
    above = y;
    svg.append(plated(box.right - 4 - textWidth(`compute ${engineering(peak, "op/s")}`, 11.5, "600"), y, `compute ${engineering(peak, "op/s")}`, colours));
  }
  slopes.forEach(([name, speed], i) => {
    const end = peaks.length ? Math.min(high, peaks[0] / speed) : high;
    const start = Math.max(low, up.value(box.bottom) / speed);
    if (end <= start) return;
    svg.append(roof(start, start * speed, end, end * speed, i ? { "stroke-width": 1, "stroke-dasharray": "5 4" } : {}));
    const text = `${name} ${engineering(speed, "B/s")}`;
    const [x1, y1, x2, y2] = [across.place(start), up.place(start * speed), across.place(end), up.place(end * speed)];
    const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
    const angle = (Math.atan2(y2 - y1, x2 - x1) * 180) / Math.PI;
    const side = i ? -11 : 12;
    if (Math.hypot(x2 - x1, y2 - y1) < textWidth(text, 11.5) + 20) return;
    svg.append(label(x, y + side, text, colours.ink, { "font-size": 11.5, "text-anchor": "middle", transform: `rotate(${angle} ${x} ${y})` }));
  });
  if (ridge) svg.append(line(across.place(ridge), box.top, across.place(ridge), box.bottom, colours.soft, { "stroke-dasharray": "2 4" }));
}

function drawLayers(svg, { points }, across, up, box, colours) {
  const total = points.reduce((sum, point) => sum + point[3], 0) || 1;
  const bounds = [...new Set([...points].sort((a, b) => b[3] - a[3]).map((point) => point[4]))];
  const fills = namedColours(bounds);
  const placed = points.map(([name, intensity, performance, time, bound]) => ({
    name, time, bound, intensity, performance,
    x: known(intensity) ? across.place(intensity) : box.right - 14, y: up.place(performance), r: Math.sqrt((14 + 700 * (time / total)) / Math.PI) * 1.25,
  }));
  placed.sort((a, b) => b.r - a.r);
  for (const point of placed) {
    const mark = markPath(MARKS[bounds.indexOf(point.bound) % MARKS.length], point.x, point.y, point.r);
    const lines = [point.name, `${engineering(point.performance, "op/s")}`, known(point.intensity) ? `${significant(point.intensity)} op per DRAM byte` : "no DRAM traffic",
      `${engineering(point.time, "s")}, ${share(point.time, total)} of these layers' time`, `bound by ${point.bound}`];
    svg.append(shape("path", { d: mark, fill: fills.get(point.bound), "fill-opacity": 0.68, stroke: colours.ink, "stroke-width": 0.7 }, hint(lines.join("\n"))));
  }
  nameLayers(svg, placed, total, box, colours);
  let x = box.left;
  svg.append(label(x, 14, "bound by", colours.soft, { "font-size": 11.5 }));
  x += textWidth("bound by", 11.5) + 14;
  for (const bound of bounds) {
    svg.append(shape("path", { d: markPath(MARKS[bounds.indexOf(bound) % MARKS.length], x + 5, 14, 5), fill: fills.get(bound), stroke: colours.ink, "stroke-width": 0.6 }));
    svg.append(label(x + 16, 15, bound, colours.ink, { "font-size": 11.5 }));
    x += textWidth(bound, 11.5) + 34;
  }
}

const NAMED = 5;

/** The names of the layers that take most of the time, moved down where they would overlap. */
function nameLayers(svg, placed, total, box, colours) {
  const taken = [];
  for (const point of [...placed].sort((a, b) => b.time - a.time).slice(0, NAMED)) {
    if (point.time < 0.03 * total) continue;
    const text = fitted(point.name, 190, 11);
    const wide = textWidth(text, 11) + 8;
    const x = Math.min(box.right - wide / 2 - 4, Math.max(box.left + wide / 2 + 4, point.x));
    let y = point.y + point.r + 10;
    while (taken.some((other) => Math.abs(other.x - x) < (other.wide + wide) / 2 && Math.abs(other.y - y) < 14)) y += 14;
    if (y > box.bottom - 6) continue;
    taken.push({ x, y, wide });
    svg.append(label(x, y, text, colours.ink, { "font-size": 11, "text-anchor": "middle", stroke: colours.paper, "stroke-width": 3, "paint-order": "stroke", "pointer-events": "none" }));
  }
}

/** A mark of a shape: colour is never the only difference. */
function markPath(kind, x, y, r) {
  const polygon = (corners, turn, size = r * 1.15) =>
    `M${Array.from({ length: corners }, (_, i) => {
      const angle = turn + (2 * Math.PI * i) / corners;
      return `${(x + size * Math.cos(angle)).toFixed(2)} ${(y + size * Math.sin(angle)).toFixed(2)}`;
    }).join("L")}Z`;
  switch (kind) {
    case "square": return polygon(4, Math.PI / 4);
    case "triangle": return polygon(3, -Math.PI / 2);
    case "down": return polygon(3, Math.PI / 2);
    case "diamond": return polygon(4, 0);
    case "hexagon": return polygon(6, 0);
    case "star": return polygon(5, -Math.PI / 2);
    case "plus": return polygon(8, Math.PI / 8);
    default: return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
  }
}
