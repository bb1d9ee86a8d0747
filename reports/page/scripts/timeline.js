// The layers of a design one after the other, as the trace has them: where the time goes, and what bounds it when.

function timelineChart(read) {
  return { paint: (frame) => paintTimeline(read().timeline, frame), height: () => 132 };
}

function paintTimeline(spans, frame) {
  const { width, colours } = frame;
  const svg = shape("svg", { role: "presentation" });
  const end = spans.length ? spans.at(-1)[4] + spans.at(-1)[5] : 0;
  if (!end) {
    svg.append(label(width / 2, 60, "the workload has no layers", colours.soft, { "text-anchor": "middle", "font-size": 13 }));
    return { svg };
  }
  const time = new Map();
  for (const [, , bound, , , duration] of spans) time.set(bound, (time.get(bound) ?? 0) + duration);
  const bounds = [...time.keys()].sort((a, b) => time.get(b) - time.get(a));
  const fills = namedColours(bounds);
  const series = bounds.map((bound) => ({ name: `${bound}  ${share(time.get(bound), end)}`, colour: fills.get(bound) }));
  const top = drawSeriesKeys(svg, series, 14, width - 20, colours) + 2;
  const column = { style: "si", unit: "s", role: "total", label: "time", low: 0, high: end };
  const scale = makeScale(column, false, [0, end], 14, width - 26);
  for (const [name, phase, bound, runs, start, duration] of spans) {
    const text = [name, `${engineering(duration, "s")} from ${engineering(start, "s")}, ${share(duration, end)}`, `bound by ${bound}`, `${counted(runs, "run")}${phase ? `, ${phase}` : ""}`];
    const x = scale.place(start);
    const wide = duration * scale.slope;
    const bar = rectangle(x, top, Math.max(0.4, wide), 40, fills.get(bound), wide > 3 ? { stroke: colours.paper, "stroke-width": 0.6 } : {});
    bar.append(hint(text.join("\n")));
    svg.append(bar);
    if (wide > 46) {
      const own = { "font-size": 10.5, "text-anchor": "middle", "pointer-events": "none" };
      svg.append(label(x + wide / 2, top + 20, fitted(name, wide - 8, 10.5), inkOn(rgb(fills.get(bound))), own));
    }
  }
  drawAcross(svg, scale, top + 44, colours);
  return { svg };
}
