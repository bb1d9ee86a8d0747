// Many points and many lines as pixels: typed arrays, so that a hundred thousand of them take milliseconds on any
// machine, with or without a graphics card, and look the same on all.

const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

function packed([red, green, blue]) {
  return (LITTLE_ENDIAN ? (255 << 24) | (blue << 16) | (green << 8) | red : (red << 24) | (green << 16) | (blue << 8) | 255) >>> 0;
}

/** Pixels of one canvas, filled with the colour of the paper. */
function makeRaster(canvas, width, height, paper) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d", { alpha: false });
  const image = context.createImageData(width, height);
  const words = new Uint32Array(image.data.buffer);
  words.fill(packed(paper));
  return { width, height, bytes: image.data, words, show: () => context.putImageData(image, 0, 0) };
}

function rasterGrid(raster, across, up, colour, thick) {
  const word = packed(colour);
  for (const x of across) {
    const first = Math.round(x - thick / 2);
    for (let i = first; i < first + thick; i += 1) {
      if (i >= 0 && i < raster.width) for (let y = 0; y < raster.height; y += 1) raster.words[y * raster.width + i] = word;
    }
  }
  for (const y of up) {
    const first = Math.round(y - thick / 2);
    for (let j = first; j < first + thick; j += 1) {
      if (j >= 0 && j < raster.height) raster.words.fill(word, j * raster.width, (j + 1) * raster.width);
    }
  }
}

/** How much of each pixel a disc of this radius covers, from 0 to 255, by rows of `size`. */
function discMask(radius) {
  const half = Math.ceil(radius + 0.5);
  const size = 2 * half + 1;
  const cover = new Uint8Array(size * size);
  for (let y = -half; y <= half; y += 1) {
    for (let x = -half; x <= half; x += 1) {
      const inside = radius + 0.5 - Math.hypot(x, y);
      cover[(y + half) * size + x + half] = Math.round(255 * Math.min(1, Math.max(0, inside)));
    }
  }
  return { half, size, cover };
}

/**
 * Discs at (xs, ys) of `rows`, the last ones on top; `words` gives each row's colour. Discs that another one of the
 * list covers wholly are left out, which bounds the work by the number of pixels.
 */
function paintDiscs(raster, rows, xs, ys, words, radius) {
  const { width, height } = raster;
  const mask = discMask(radius);
  const taken = new Uint8Array(width * height);
  const kept = new Uint32Array(rows.length);
  let count = 0;
  for (let i = rows.length - 1; i >= 0; i -= 1) {
    const x = Math.round(xs[rows[i]]);
    const y = Math.round(ys[rows[i]]);
    if (!(x >= -mask.half && x < width + mask.half && y >= -mask.half && y < height + mask.half)) continue;
    if (x >= 0 && x < width && y >= 0 && y < height) {
      const place = y * width + x;
      if (taken[place]) continue;
      taken[place] = 1;
    }
    kept[count] = rows[i];
    count += 1;
  }
  for (let i = count - 1; i >= 0; i -= 1) {
    const row = kept[i];
    stamp(raster, mask, Math.round(xs[row]), Math.round(ys[row]), words[row]);
  }
}

function stamp(raster, { half, size, cover }, x, y, word) {
  const { width, height, words, bytes } = raster;
  const left = Math.max(0, x - half);
  const right = Math.min(width - 1, x + half);
  const red = LITTLE_ENDIAN ? word & 255 : word >>> 24;
  const green = LITTLE_ENDIAN ? (word >>> 8) & 255 : (word >>> 16) & 255;
  const blue = LITTLE_ENDIAN ? (word >>> 16) & 255 : (word >>> 8) & 255;
  for (let j = Math.max(0, y - half); j <= Math.min(height - 1, y + half); j += 1) {
    let at = (j - y + half) * size + left - x + half;
    for (let i = left; i <= right; i += 1, at += 1) {
      const alpha = cover[at];
      if (alpha === 255) words[j * width + i] = word;
      else if (alpha) {
        const place = 4 * (j * width + i);
        bytes[place] += ((red - bytes[place]) * alpha) / 255;
        bytes[place + 1] += ((green - bytes[place + 1]) * alpha) / 255;
        bytes[place + 2] += ((blue - bytes[place + 2]) * alpha) / 255;
      }
    }
  }
}

/** A sum of lines: how many cross each pixel, and the sum of their shades. */
function makeDensity(width, height) {
  return { width, height, count: new Float32Array(width * height), shade: new Float32Array(width * height) };
}

/**
 * Add lines from (left, from[row]) to (right, to[row]) of `rows`. Lines between the same two places, in steps of
 * `coarse` pixels, are drawn as one with their number and mean shade: their work does not grow with the points.
 */
function addLines(density, rows, left, right, from, to, shadeOf, coarse) {
  const steps = Math.ceil(density.height / coarse) + 1;
  const count = new Float32Array(steps * steps);
  const shade = new Float32Array(steps * steps);
  for (const row of rows) {
    const start = from[row];
    const end = to[row];
    if (start !== start || end !== end) continue;
    const bin = Math.round(start / coarse) * steps + Math.round(end / coarse);
    count[bin] += 1;
    shade[bin] += shadeOf[row];
  }
  for (let start = 0; start < steps; start += 1) {
    for (let end = 0; end < steps; end += 1) {
      const bin = start * steps + end;
      if (count[bin]) addLine(density, left, start * coarse, right, end * coarse, count[bin], shade[bin]);
    }
  }
}

function addLine({ width, height, count, shade }, x1, y1, x2, y2, weight, shades) {
  const steps = Math.max(Math.abs(x2 - x1), Math.abs(y2 - y1), 1);
  const stepX = (x2 - x1) / steps;
  const stepY = (y2 - y1) / steps;
  let x = x1 + 0.5;
  let y = y1 + 0.5;
  for (let i = 0; i < steps; i += 1, x += stepX, y += stepY) {
    const place = Math.min(height - 1, y | 0) * width + (x | 0);
    count[place] += weight;
    shade[place] += shades;
  }
}

/** Lay the density over the raster: the more lines, the stronger (logarithmically), in the colour of their mean shade. */
function layDensity(raster, density, colours, strongest = 1) {
  const { count, shade } = density;
  let most = 0;
  for (let i = 0; i < count.length; i += 1) if (count[i] > most) most = count[i];
  const full = Math.log1p(most);
  for (let i = 0; i < count.length; i += 1) {
    if (!count[i]) continue;
    const alpha = strongest * Math.max(0.16, Math.log1p(count[i]) / full);
    const colour = colours[Math.min(colours.length - 1, Math.round(shade[i] / count[i]))];
    const place = 4 * i;
    for (let k = 0; k < 3; k += 1) raster.bytes[place + k] += (colour[k] - raster.bytes[place + k]) * alpha;
  }
}
