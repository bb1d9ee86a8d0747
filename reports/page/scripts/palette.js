// Colours. Categories: Okabe and Ito, "Color Universal Design" (2008). Quantities: viridis (van der Walt and Smith).

const CATEGORIES = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999"];
/** Of the two sides of a comparison: the first two categories. */
const FRONT_STROKES = [CATEGORIES[0], CATEGORIES[1]];
const MARKS = ["circle", "square", "triangle", "diamond", "down", "plus", "star", "hexagon"];

const VIRIDIS = [
  [68, 1, 84], [72, 26, 108], [71, 47, 125], [65, 68, 135], [57, 86, 140], [49, 104, 142], [42, 120, 142], [35, 136, 142],
  [31, 152, 139], [34, 168, 132], [53, 183, 121], [84, 197, 104], [122, 209, 81], [165, 219, 54], [210, 226, 27], [253, 231, 37],
];
const SHADES = 256;

const LIGHT = {
  name: "light", paper: "#ffffff", ink: "#1c1f24", soft: "#5b6470", faint: "#d5dae1", grid: "#e8ebef", muted: "#d3d7dd",
  front: "#c1272d", ring: "#16181d", from: 0, to: 0.93,
};
const DARK = {
  name: "dark", paper: "#15181d", ink: "#e8eaee", soft: "#a3acb8", faint: "#3d444e", grid: "#262b33", muted: "#3a414b",
  front: "#ff8a65", ring: "#ffffff", from: 0.1, to: 1,
};

/** Viridis at `at` (0 to 1) as [r, g, b]. */
function viridis(at) {
  const place = Math.min(1, Math.max(0, at)) * (VIRIDIS.length - 1);
  const low = Math.min(VIRIDIS.length - 2, Math.floor(place));
  return [0, 1, 2].map((i) => Math.round(VIRIDIS[low][i] + (place - low) * (VIRIDIS[low + 1][i] - VIRIDIS[low][i])));
}

/** The part of viridis that stands out from the paper, in SHADES steps. */
function shades(palette) {
  return Array.from({ length: SHADES }, (_, i) =>
    viridis(palette.from + ((palette.to - palette.from) * i) / (SHADES - 1)),
  );
}

function rgb(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

function css([red, green, blue]) {
  return `rgb(${red}, ${green}, ${blue})`;
}

const dark = matchMedia("(prefers-color-scheme: dark)");
let themeChosen = null;

function palette() {
  return (themeChosen ?? (dark.matches ? "dark" : "light")) === "dark" ? DARK : LIGHT;
}

/** Ink that can be read on a fill. */
function inkOn([red, green, blue]) {
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#16181d" : "#ffffff";
}

/** The colour of each of `names`, always the same for what recurs on every page. */
const FIXED = { compute: 0, mac: 0, dram: 1, glb: 2, vector: 3, network: 4, leakage: 5, idle: 7, link: 4, latency: 6 };

function namedColours(names) {
  const colours = new Map();
  const taken = new Set();
  for (const name of names) {
    const fixed = FIXED[name.replace("waiting for ", "")];
    if (fixed !== undefined && !taken.has(fixed)) {
      colours.set(name, fixed);
      taken.add(fixed);
    }
  }
  for (const name of names) {
    if (colours.has(name)) continue;
    const free = CATEGORIES.findIndex((_, i) => !taken.has(i));
    const chosen = free < 0 ? colours.size % CATEGORIES.length : free;
    colours.set(name, chosen);
    taken.add(chosen);
  }
  return new Map([...colours].map(([name, i]) => [name, CATEGORIES[i]]));
}
