// From values to places on paper, and the axes that say which is which.

/** A scale for a column over [from, to] in pixels; `domain` is in transformed values (log10 or as they are). */
function makeScale(column, log, domain, from, to) {
  const [low, high] = domain;
  const transformed = log ? Math.log10 : (value) => value;
  const back = log ? (value) => 10 ** value : (value) => value;
  const slope = (to - from) / (high - low || 1);
  const scale = {
    column, log, low, high, from, to, slope,
    place: (value) => from + (transformed(value) - low) * slope,
    value: (pixel) => back(low + (pixel - from) / slope),
    inside: (value) => transformed(value) >= low - 1e-9 && transformed(value) <= high + 1e-9,
  };
  Object.assign(scale, ticksOf(scale));
  return scale;
}

/** The range of a column in transformed values, with some air at both ends. */
function fullDomain(column, log, air = 0.04, also = null) {
  if (column.categories) return [-0.6, Math.max(0, column.categories.length - 1) + 0.6];
  let { low, high } = column;
  if (!(low <= high)) return [0, 1];
  if (known(also) && (!log || also > 0)) [low, high] = [Math.min(low, also), Math.max(high, also)];
  if (log) {
    low = Math.log10(low > 0 ? low : smallestPositive(column));
    high = Math.log10(high > 0 ? high : 1);
  }
  if (low === high) return log ? [low - 0.5, high + 0.5] : [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2];
  const room = air * (high - low);
  return [low - room, high + room];
}

function smallestPositive(column) {
  let found = Infinity;
  for (const value of column.values) if (value > 0 && value < found) found = value;
  return Number.isFinite(found) ? found : 1;
}

function canLog(column) {
  return !column.categories && column.high > 0;
}

/** Whether a column reads better on a logarithmic axis. */
function wantsLog(column) {
  return !column.categories && column.low > 0 && column.high / column.low >= (column.role === "axis" ? 8 : 20);
}

const FEW = 9;

/** Ticks as [{value, text}] and the axis title with the unit that they are in. */
function ticksOf(scale) {
  const { column, log, low, high, from, to } = scale;
  const room = Math.max(2, Math.floor(Math.abs(to - from) / (Math.abs(to - from) < 260 ? 45 : 70)));
  if (column.categories) return { ticks: categoryTicks(column, scale), title: column.label };
  const few = column.role === "axis" ? fewValues(column) : null;
  if (few && few.length <= Math.max(room, FEW)) {
    const values = few.filter(scale.inside);
    if (apart(values, scale)) return { ticks: values.map((value) => ({ value, text: written(column, value) })), title: column.label };
  }
  if (log && high - low > 0.7) return { ticks: logTicks(column, low, high, room), title: column.label };
  return linearTicks(column, scale.value(from), scale.value(to), room, log);
}

/** Whether ticks leave room for their texts. */
function apart(values, scale) {
  const places = values.map(scale.place).sort((a, b) => a - b);
  return places.every((place, i) => i === 0 || place - places[i - 1] >= 16);
}

function fewValues(column) {
  if (column.few === undefined) {
    const found = new Set();
    for (const value of column.values) {
      if (!Number.isNaN(value)) found.add(value);
      if (found.size > FEW) break;
    }
    column.few = found.size <= FEW ? [...found].sort((a, b) => a - b) : null;
  }
  return column.few;
}

function categoryTicks(column, { low, high, from, to }) {
  const names = column.categories;
  const first = Math.max(0, Math.ceil(low));
  const last = Math.min(names.length - 1, Math.floor(high));
  const every = Math.max(1, Math.ceil(((last - first + 1) * 15) / Math.abs(to - from)));
  const ticks = [];
  for (let i = first; i <= last; i += every) ticks.push({ value: i, text: names[i] });
  return ticks;
}

function logTicks(column, low, high, room) {
  if (column.style === "bytes") return binaryTicks(column, low, high, room);
  const decades = high - low;
  const factors = decades <= room / 2.2 ? [1, 2, 5] : [1];
  const every = Math.max(1, Math.ceil(decades / room));
  const ticks = [];
  for (let power = Math.floor(low); power <= Math.ceil(high); power += 1) {
    if (((power % every) + every) % every) continue;
    for (const factor of factors) {
      const value = Number(`${factor}e${power}`);
      if (Math.log10(value) >= low && Math.log10(value) <= high) ticks.push({ value, text: written(column, value) });
    }
  }
  return ticks;
}

function binaryTicks(column, low, high, room) {
  const first = Math.ceil(low / Math.log10(2));
  const last = Math.floor(high / Math.log10(2));
  const every = Math.max(1, Math.ceil((last - first + 1) / room));
  const ticks = [];
  for (let power = first; power <= last; power += every) ticks.push({ value: 2 ** power, text: bytesText(2 ** power) });
  return ticks;
}

/** Round steps in one unit for the whole axis, which its title names. */
function linearTicks(column, start, end, room, log) {
  const [low, high] = start < end ? [start, end] : [end, start];
  const { divisor, unit } = axisUnit(column, Math.max(Math.abs(low), Math.abs(high)));
  const step = roundStep((high - low) / divisor / Math.max(2, room));
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = [];
  for (let i = Math.ceil(low / divisor / step - 1e-9); i * step <= high / divisor + step * 1e-9; i += 1) {
    const value = i * step * divisor;
    if (log && value <= 0) continue;
    const text = Math.abs(i * step) >= 1e4 ? significant(i * step, 6) : (i * step).toFixed(decimals).replace("-", MINUS);
    ticks.push({ value, text });
  }
  return { ticks, title: unit ? `${column.label} (${unit})` : column.label };
}

function axisUnit(column, size) {
  if (column.style === "percent") return { divisor: 0.01, unit: "%" };
  if (column.style === "bytes") return { divisor: 1024 ** bytePower(size), unit: BYTES[bytePower(size)] };
  if (column.style !== "si") return { divisor: 1, unit: column.unit };
  const power = prefixPower(size);
  const unit = column.unit ? PREFIXES[power] + column.unit : power ? `×10${superscript(power)}` : "";
  return { divisor: 10 ** power, unit };
}

function superscript(power) {
  return String(power).replace(/./g, (digit) => (digit === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]));
}

function roundStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  const lead = rough / power;
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power;
}

/** The horizontal axis below the plot: ticks that do not touch, and the title. */
function drawAcross(group, scale, bottom, colours, title = scale.title) {
  group.append(line(scale.from, bottom, scale.to, bottom, colours.soft));
  const slot = Math.abs(scale.to - scale.from) / Math.max(1, scale.ticks.length);
  let end = -Infinity;
  for (const tick of scale.ticks) {
    const x = scale.place(tick.value);
    const text = fitted(tick.text, Math.max(44, slot * 0.95), 11);
    const half = textWidth(text, 11) / 2;
    group.append(line(x, bottom, x, bottom + 5, colours.soft));
    if (x - half < end + 6) continue;
    end = x + half;
    group.append(label(x, bottom + 15, text, colours.ink, { "font-size": 11, "text-anchor": "middle" }));
  }
  const middle = (scale.from + scale.to) / 2;
  group.append(label(middle, bottom + 35, title, colours.ink, { "font-size": 13, "text-anchor": "middle" }));
}

/** The vertical axis at `left`, its title turned. */
function drawUp(group, scale, left, colours, titleAt) {
  group.append(line(left, scale.from, left, scale.to, colours.soft));
  for (const tick of scale.ticks) {
    const y = scale.place(tick.value);
    group.append(line(left - 5, y, left, y, colours.soft));
    group.append(label(left - 8, y, fitted(tick.text, 110, 11), colours.ink, { "font-size": 11, "text-anchor": "end" }));
  }
  const middle = (scale.from + scale.to) / 2;
  const turned = { "font-size": 13, "text-anchor": "middle", transform: `rotate(-90 ${titleAt} ${middle})` };
  group.append(label(titleAt, middle, scale.title, colours.ink, turned));
}

function tickRoom(scale) {
  return Math.min(112, Math.max(24, ...scale.ticks.map((tick) => textWidth(tick.text, 11))));
}
