// Small pictures of the data sets, drawn from formulas: they only need to be recognised.

import { CLASSES } from "./colors.js";

const COUNT = 46;

// Points in [-1, 1] and their class, for i of COUNT.
const SHAPES = {
  circles: (i) => polar((2 * Math.PI * i) / COUNT * 2, i % 2 ? 0.42 : 0.85, i % 2),
  blobs: (i) => {
    const [x, y] = [[-0.55, 0.5], [0.5, 0.55], [-0.5, -0.55], [0.55, -0.45]][i % 4];
    const angle = i * 2.4;
    const far = 0.28 * Math.sqrt((i % 12) / 12);
    return [x + far * Math.cos(angle), y + far * Math.sin(angle), i % 4];
  },
  moons: (i) => {
    const angle = (Math.PI * Math.floor(i / 2)) / (COUNT / 2 - 1);
    return i % 2
      ? [0.3 - 0.6 * Math.cos(angle), 0.22 - 0.62 * Math.sin(angle), 1]
      : [-0.3 + 0.6 * Math.cos(angle), -0.22 + 0.62 * Math.sin(angle), 0];
  },
  xor: (i) => {
    const x = 0.85 * (((i * 0.618034) % 1) * 2 - 1);
    const y = 0.85 * (((i * 0.754878) % 1) * 2 - 1);
    const [px, py] = [x + 0.1 * Math.sign(x), y + 0.1 * Math.sign(y)];
    return [px, py, px * py > 0 ? 1 : 0];
  },
  spiral: (i) => {
    const share = (Math.floor(i / 2) + 1) / (COUNT / 2);
    return polar(share * 1.6 * Math.PI + (i % 2) * Math.PI, 0.9 * share, i % 2);
  },
};

function polar(angle, radius, kind) {
  return [radius * Math.cos(angle), radius * Math.sin(angle), kind];
}

export function drawThumbnail(canvas, name) {
  const { width } = canvas;
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, width);
  for (let i = 0; i < COUNT; i++) {
    const [x, y, kind] = SHAPES[name](i);
    context.beginPath();
    context.arc((width * (1 + 0.92 * x)) / 2, (width * (1 - 0.92 * y)) / 2, width / 26, 0, 7);
    context.fillStyle = CLASSES[kind];
    context.fill();
  }
}
