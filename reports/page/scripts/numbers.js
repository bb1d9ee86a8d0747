// Quantities as people write them.

const MISSING = "–";
const PREFIXES = { "-18": "a", "-15": "f", "-12": "p", "-9": "n", "-6": "µ", "-3": "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E" };
const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const MINUS = "−";

function known(value) {
  return value !== null && value !== undefined && Number.isFinite(value);
}

/** `digits` significant digits without an exponent where that is short. */
function significant(value, digits = 3) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(digits - 1).replace("e+", "e").replaceAll("-", MINUS);
  const text = Number(value.toPrecision(digits));
  if (size >= 10 ** digits) return Math.round(value).toLocaleString("en").replace("-", MINUS);
  return String(text).replace("-", MINUS);
}

/** The power of 1000 whose prefix suits `size`. */
function prefixPower(size) {
  if (!(size > 0)) return 0;
  const rounded = Number(size.toPrecision(3));
  return Math.min(18, Math.max(-18, 3 * Math.floor(Math.floor(Math.log10(rounded) + 1e-12) / 3)));
}

/** As 1.23 ms: a prefix before the unit. */
function engineering(value, unit, digits = 3) {
  if (value === 0) return spaced("0", unit);
  const power = prefixPower(Math.abs(value));
  const scaled = value / 10 ** power;
  return spaced(significant(scaled, digits), PREFIXES[power] + unit);
}

function spaced(number, unit) {
  return unit ? `${number} ${unit}` : number;
}

function bytePower(size) {
  if (!(size >= 1)) return 0;
  return Math.min(BYTES.length - 1, Math.floor(Math.log2(size) / 10 + 1e-9));
}

function bytesText(value, digits = 3) {
  const power = bytePower(Math.abs(value));
  return `${significant(value / 1024 ** power, digits)} ${BYTES[power]}`;
}

/** A value of a column with its unit. */
function written(column, value, digits = 3) {
  if (column.style === "text") return known(value) ? column.categories[value] : MISSING;
  if (!known(value)) return MISSING;
  if (column.style === "si") return engineering(value, column.unit, digits);
  if (column.style === "bytes") return bytesText(value, digits);
  if (column.style === "percent") return `${significant(100 * value, digits)} %`;
  return spaced(significant(value, column.role === "axis" ? 6 : digits), column.unit);
}

/** A share of a whole. */
function share(part, whole) {
  return whole > 0 ? `${((100 * part) / whole).toFixed(1)} %` : "";
}

function counted(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}
