// Colours of classes, signs and maps. Classes have Okabe & Ito's palette, as the figures do, and two
// more, since a CSV may have ten. The sign of a number has the colours of the first two classes: warm
// is positive, cool is negative.

export const CLASSES = [
  "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999", "#f0e442",
  "#7b4fb5", "#8c5a3c",
];
export const classColor = (number) => CLASSES[number % CLASSES.length];

const LEVELS = 256;

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

// A table of 256 packed pixels, for a Uint32Array over an ImageData's bytes.
function ramp(color) {
  const pixels = new Uint8ClampedArray(4 * LEVELS);
  for (let i = 0; i < LEVELS; i++) pixels.set([...color(i / (LEVELS - 1)), 255], 4 * i);
  return new Uint32Array(pixels.buffer);
}

const mix = (from, to, share) => from.map((value, i) => value + (to[i] - value) * share);

// The tables for a page whose paper has this colour.
export function palette(paperHex) {
  const paper = rgb(paperHex);
  const [cool, warm] = [CLASSES[0], CLASSES[1]].map(rgb);
  const pale = (color, certainty) => mix(paper, color, 0.05 + 0.4 * certainty);
  return {
    paper: paperHex,
    binary: ramp((p) => pale(p < 0.5 ? cool : warm, Math.abs(2 * p - 1))),
    classes: CLASSES.map((hex) => ramp((certainty) => pale(rgb(hex), certainty))),
    positive: ramp((x) => mix(paper, warm, x ** 0.8)),
    signed: ramp((x) => mix(paper, x < 0.5 ? cool : warm, Math.abs(2 * x - 1) ** 0.8)),
  };
}

// Probabilities into pixels: (1, n, n) of class 1, or (classes, n, n); the first row is the top.
export function paintProbabilities(image, values, classes, tables) {
  const pixels = new Uint32Array(image.data.buffer);
  const size = pixels.length;
  for (let i = 0; i < size; i++) {
    if (classes === 1) {
      pixels[i] = tables.binary[(values[i] * (LEVELS - 1)) | 0];
      continue;
    }
    let best = 0;
    for (let k = 1; k < classes; k++) {
      if (values[k * size + i] > values[best * size + i]) best = k;
    }
    const certainty = (values[best * size + i] * classes - 1) / (classes - 1);
    pixels[i] = tables.classes[best % CLASSES.length][(certainty * (LEVELS - 1)) | 0];
  }
}

// One neuron's map into pixels: bytes from `start`, which go from its lowest to its highest value.
export function paintNeuron(image, bytes, start, signed, tables) {
  const pixels = new Uint32Array(image.data.buffer);
  const table = signed ? tables.signed : tables.positive;
  for (let i = 0; i < pixels.length; i++) pixels[i] = table[bytes[start + i]];
}
