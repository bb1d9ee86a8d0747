// Elements of the page. Text from the record is only ever set as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element; attributes whose name begins with "on" are listeners, `class` and others are attributes. */
function element(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** An SVG element. */
function shape(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Text in an SVG, set in the middle of its line. */
function label(x, y, text, colour, attributes = {}) {
  const own = { x, y, fill: colour, "font-size": 12, "dominant-baseline": "central", ...attributes };
  return shape("text", own, text);
}

function line(x1, y1, x2, y2, colour, attributes = {}) {
  return shape("line", { x1, y1, x2, y2, stroke: colour, "stroke-width": 1, ...attributes });
}

function rectangle(x, y, width, height, fill, attributes = {}) {
  return shape("rect", { x, y, width: Math.max(0, width), height: Math.max(0, height), fill, ...attributes });
}

/** What a title element shows when a pointer rests on its parent, and what a screen reader reads. */
function hint(text) {
  return shape("title", {}, text);
}

const ruler = document.createElement("canvas").getContext("2d");

function textWidth(text, size = 12, weight = "") {
  ruler.font = `${weight} ${size}px ${FONT}`.trim();
  return ruler.measureText(text).width;
}

/** The text, with its middle left out where it is wider than `width`. */
function fitted(text, width, size = 12) {
  if (textWidth(text, size) <= width) return text;
  let kept = Math.max(2, Math.floor((text.length * width) / textWidth(text, size)));
  while (kept > 2) {
    const head = Math.ceil((kept - 1) / 2);
    const short = `${text.slice(0, head)}…${text.slice(text.length - (kept - 1 - head))}`;
    if (textWidth(short, size) <= width) return short;
    kept -= 1;
  }
  return "…";
}

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

/** A choice among named values; `chosen` is told the value. */
function selector(name, options, value, chosen) {
  const select = element("select", { onchange: () => chosen(select.value) });
  for (const [key, text] of options) {
    select.append(element("option", { value: key, selected: String(key) === String(value) }, text));
  }
  return element("label", { class: "field" }, element("span", {}, name), select);
}

function checkbox(name, value, chosen) {
  const box = element("input", { type: "checkbox", onchange: () => chosen(box.checked) });
  box.checked = value;
  return element("label", { class: "check" }, box, element("span", {}, name));
}

function button(name, pressed, attributes = {}) {
  return element("button", { type: "button", onclick: pressed, ...attributes }, name);
}

/** Buttons of which one is pressed. */
function switcher(name, options, value, chosen) {
  const group = element("div", { class: "switch", role: "group", "aria-label": name });
  const buttons = options.map(([key, text]) =>
    button(text, () => press(key), { "aria-pressed": String(key === value), "data-value": key }),
  );
  function press(key) {
    for (const each of buttons) each.setAttribute("aria-pressed", String(each.dataset.value === key));
    chosen(key);
  }
  group.append(...buttons);
  return group;
}

/** At most one call a frame, with the latest state. */
function oncePerFrame(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      work();
    });
  };
}
