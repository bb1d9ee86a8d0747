// The record that the page was made with: unpacked once, when the page opens.

/** The record with its arrays as typed arrays; columns get `values` (Float64Array, NaN where there is none). */
async function readRecord() {
  const text = document.getElementById("record").textContent;
  if (typeof DecompressionStream === "undefined") throw new Error("this browser is too old to unpack the record");
  const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const block = new Uint8Array(await new Response(stream).arrayBuffer());
  document.getElementById("record").remove();
  const length = new DataView(block.buffer).getUint32(0, true);
  const record = JSON.parse(new TextDecoder().decode(block.subarray(4, 4 + length)));
  const bytes = block.subarray(4 + length);
  for (const name of ["index", "reason", "feasible"]) record[name] = unpacked(record[name], bytes);
  for (const front of record.fronts) front.rows = unpacked(front.rows, bytes);
  record.columns.forEach((column, place) => Object.assign(column, columnValues(column, record.points, bytes), { place }));
  return record;
}

const ARRAYS = { u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, f64: Float64Array };

/** An array whose bytes stand plane by plane: all first bytes, all second bytes, and so on. */
function unpacked({ type, offset, length }, bytes) {
  const Kind = ARRAYS[type];
  const array = new Kind(length);
  const width = Kind.BYTES_PER_ELEMENT;
  const target = new Uint8Array(array.buffer);
  for (let plane = 0; plane < width; plane += 1) {
    const start = offset + plane * length;
    for (let i = 0; i < length; i += 1) target[i * width + plane] = bytes[start + i];
  }
  return array;
}

function columnValues(column, points, bytes) {
  const stored = column.values;
  let values;
  if (stored.array) values = unpacked(stored.array, bytes);
  else if (stored.codes) {
    const distinct = unpacked(stored.distinct, bytes);
    values = Float64Array.from(unpacked(stored.codes, bytes), (code) => distinct[code]);
  } else values = new Float64Array(points).fill(stored.constant ?? NaN);
  // Texts that are quantities are drawn where their numbers lie, and written as they were given.
  const { categories, positions } = column;
  const given = positions ? { texts: categories, codes: values, categories: null } : {};
  if (positions) values = values.map((code) => (Number.isNaN(code) ? NaN : positions[code]));
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < points; i += 1) {
    const value = values[i];
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { values, low, high, ...given };
}

/** A value as it was given: a text, or a number with all its digits; null where there is none. */
function exact(column, row) {
  const value = column.texts ? column.codes[row] : column.values[row];
  if (Number.isNaN(value)) return null;
  return column.texts ? column.texts[value] : column.categories ? column.categories[value] : value;
}
