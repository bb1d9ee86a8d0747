// A figure: title, controls, a drawing that follows the width of the page, and its export as PNG and SVG for papers.
// A chart gives `paint(frame)`, which returns { svg, raster }: the drawing, and where it has one the canvas beneath it.

const PNG_SCALE = 3;

function makeFigure({ id, title, about, height, controls = [], chart, key }) {
  const plot = element("div", { class: "plot", tabindex: 0, role: "group", "aria-label": `${title}. ${about}` });
  const canvas = element("canvas", { "aria-hidden": "true" });
  const actions = element(
    "div", { class: "actions" },
    button("PNG", () => exportPng(figure), { title: `Save “${title}” as PNG`, "aria-label": `Save ${title} as PNG` }),
    button("SVG", () => exportSvg(figure), { title: `Save “${title}” as SVG`, "aria-label": `Save ${title} as SVG` }),
  );
  const bar = element("div", { class: "bar" }, element("div", { class: "controls" }, ...controls), actions);
  const host = element("figure", { id: `figure-${id}` }, bar, plot, element("figcaption", {}, about));
  const figure = { id, title, about, host, plot, canvas, chart, height, key };
  figure.redraw = () => drawFigure(figure);
  figure.later = oncePerFrame(() => figure.redraw());
  new ResizeObserver(() => figure.later()).observe(plot);
  return figure;
}

function heightOf(figure, width) {
  return typeof figure.height === "function" ? figure.height(width) : figure.height;
}

function drawFigure(figure) {
  const width = Math.floor(figure.plot.clientWidth);
  if (width < 50) return;
  const height = heightOf(figure, width);
  const ratio = Math.min(3, window.devicePixelRatio || 1);
  const { svg, raster } = figure.chart.paint({ width, height, ratio, colours: palette(), canvas: figure.canvas, live: true });
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  if (raster) {
    Object.assign(figure.canvas.style, {
      left: `${raster.x}px`, top: `${raster.y}px`, width: `${raster.width}px`, height: `${raster.height}px`,
    });
  }
  const kept = [...figure.plot.querySelectorAll(":scope > .over")];
  figure.plot.replaceChildren(...(raster ? [figure.canvas, svg] : [svg]), ...kept);
}

/** The drawing by itself, always on white. */
function exported(figure) {
  const width = Math.max(560, Math.floor(figure.plot.clientWidth));
  const height = heightOf(figure, width);
  const canvas = document.createElement("canvas");
  const { svg, raster } = figure.chart.paint({ width, height, ratio: PNG_SCALE, colours: LIGHT, canvas, live: false });
  const { x, y, ...size } = raster ?? {};
  const image = raster ? shape("image", { x, y, ...size, href: canvas.toDataURL("image/png") }) : null;
  svg.prepend(...[rectangle(0, 0, width, height, LIGHT.paper), image].filter(Boolean));
  svg.prepend(hint(figure.title));
  for (const [name, value] of Object.entries({ xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}` })) {
    svg.setAttribute(name, value);
  }
  svg.setAttribute("font-family", "Helvetica, Arial, sans-serif");
  return { text: new XMLSerializer().serializeToString(svg), width, height };
}

function exportSvg(figure) {
  save(new Blob([exported(figure).text], { type: "image/svg+xml" }), `${fileStem()}-${figure.id}.svg`);
}

function exportPng(figure) {
  const { text, width, height } = exported(figure);
  const image = new Image();
  image.onload = () => {
    const canvas = element("canvas", { width: width * PNG_SCALE, height: height * PNG_SCALE });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => save(blob, `${fileStem()}-${figure.id}.png`), "image/png");
  };
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
}

function fileStem() {
  return document.querySelector("h1").textContent.replace(/[^\w.-]+/g, "-").replace(/^[-.]+|[-.]+$/g, "").slice(0, 60) || "archsim";
}

/** Hand a file to the browser. */
function save(blob, name) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** The box that follows the pointer: names and values, as text. */
const tip = element("div", { class: "tip", role: "tooltip", hidden: true });

function showTip(x, y, title, lines) {
  const list = element("dl", {}, ...lines.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]));
  tip.replaceChildren(element("strong", {}, title), list);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = x + 16 + width > innerWidth ? x - 16 - width : x + 16;
  const top = Math.min(innerHeight - height - 8, Math.max(8, y - height / 2));
  Object.assign(tip.style, { left: `${Math.max(8, left)}px`, top: `${top}px` });
}

function hideTip() {
  tip.hidden = true;
}

/** Pointer position within an element. */
function within(event, node) {
  const box = node.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}
