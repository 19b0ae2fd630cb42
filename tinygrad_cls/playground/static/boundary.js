// The decision map: probabilities as colours, the boundary, the points, and a probe.

import { classColor, paintProbabilities } from "./colors.js";
import { contour } from "./contour.js";
import { t } from "./strings.js";

const SIDE = 64; // cells of the server's map, each way
const PADDED = SIDE + 2; // with a copy of the outermost cells, so that lines reach the edge
const MARGIN = { left: 30, bottom: 18, top: 2, right: 2 }; // CSS pixels
const FEW_RINGS = 40; // more of them are paler, lest they hide the points
const REST = 150; // milliseconds until a resting probe asks the server for the exact number

export class Boundary {
  // probe([x, y]) gives the exact probabilities, or null where that is not to be had now.
  constructor(root, { probe }) {
    Object.assign(this, { root, probe, part: "train", wrong: null, segments: null, info: null });
    this.map = canvas(root);
    this.top = canvas(root);
    this.top.tabIndex = 0;
    this.top.setAttribute("role", "application");
    this.top.dataset.label = "map";
    this.top.setAttribute("aria-label", t("map"));
    this.readout = document.createElement("div");
    this.readout.className = "readout";
    this.readout.setAttribute("role", "status");
    this.readout.hidden = true;
    root.append(this.readout);

    this.cells = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    this.image = this.cells.getContext("2d").createImageData(SIDE, SIDE);
    this.lead = new Float32Array(PADDED * PADDED);
    this.values = null;
    new ResizeObserver(() => this.resize()).observe(root);
    this.listen();
  }

  setRun(info) {
    this.info = info;
    Object.assign(this, { wrong: null, segments: null, values: null, sprites: null });
    this.map.getContext("2d").clearRect(0, 0, this.map.width, this.map.height);
    this.drawPoints();
  }

  setTables(tables) {
    Object.assign(this, { tables, sprites: null });
    this.redraw();
  }

  setPart(part) {
    this.part = part;
    this.drawPoints();
  }

  // The places where a neuron's sum is 0, [[xa, ya, xb, yb], ...] in the data's units, or null.
  setSegments(segments) {
    this.segments = segments;
    this.redraw();
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.root;
    if (!width || !height) return;
    for (const one of [this.map, this.top]) {
      one.width = Math.round(width * ratio);
      one.height = Math.round(height * ratio);
    }
    this.box = {
      ratio,
      left: MARGIN.left * ratio,
      top: MARGIN.top * ratio,
      width: (width - MARGIN.left - MARGIN.right) * ratio,
      height: (height - MARGIN.top - MARGIN.bottom) * ratio,
    };
    this.sprites = null;
    this.redraw();
  }

  redraw() {
    if (this.values) this.drawMap(this.values);
    this.drawPoints();
  }

  toCanvas(x, y) {
    const [x0, x1, y0, y1] = this.info.extent;
    const { left, top, width, height } = this.box;
    return [left + (width * (x - x0)) / (x1 - x0), top + (height * (y1 - y)) / (y1 - y0)];
  }

  drawMap(values) {
    this.values = values;
    if (!this.box || !this.tables) return;
    const planes = values.length / (SIDE * SIDE);
    paintProbabilities(this.image, values, planes, this.tables);
    this.cells.getContext("2d").putImageData(this.image, 0, 0);
    const { left, top, width, height, ratio } = this.box;
    const context = this.map.getContext("2d", { alpha: false });
    context.fillStyle = this.tables.paper;
    context.fillRect(0, 0, this.map.width, this.map.height);
    context.imageSmoothingEnabled = true;
    context.drawImage(this.cells, left, top, width, height);
    context.lineWidth = 1.5 * ratio;
    context.strokeStyle = this.tables.ink;
    context.setLineDash([]);
    this.strokeBoundary(context, values, planes);
    if (this.segments) this.strokeSegments(context);
  }

  strokeBoundary(context, values, planes) {
    const { left, top, width, height } = this.box;
    const [across, down] = [width / SIDE, height / SIDE];
    context.beginPath();
    const segment = (xa, ya, xb, yb) => {
      context.moveTo(left + (xa - 0.5) * across, top + (ya - 0.5) * down);
      context.lineTo(left + (xb - 0.5) * across, top + (yb - 0.5) * down);
    };
    context.save();
    context.rect(left, top, width, height);
    context.clip();
    context.beginPath();
    for (let k = 0; k < planes; k++) {
      this.fillLead(values, planes, k);
      contour(this.lead, PADDED, 0, segment);
    }
    context.stroke();
    context.restore();
  }

  // How far class k is ahead of the best other one. One plane alone is against its complement.
  fillLead(values, planes, k) {
    const size = SIDE * SIDE;
    const inside = (i) => Math.min(SIDE - 1, Math.max(0, i - 1));
    for (let row = 0, to = 0; row < PADDED; row++) {
      for (let column = 0; column < PADDED; column++, to++) {
        const i = inside(row) * SIDE + inside(column);
        let other = planes === 1 ? 1 - values[i] : -1;
        for (let j = 0; j < planes; j++) {
          if (j !== k && values[j * size + i] > other) other = values[j * size + i];
        }
        this.lead[to] = values[k * size + i] - other;
      }
    }
  }

  strokeSegments(context) {
    const { ratio } = this.box;
    for (const [color, wide] of [[this.tables.paper, 6], [this.tables.ink, 3]]) {
      context.beginPath();
      for (const [xa, ya, xb, yb] of this.segments) {
        context.moveTo(...this.toCanvas(xa, ya));
        context.lineTo(...this.toCanvas(xb, yb));
      }
      context.strokeStyle = color;
      context.lineWidth = wide * ratio;
      context.stroke();
    }
  }

  // The points change only when one becomes right or wrong, so they are drawn only then.
  setWrong(wrong) {
    const before = this.wrong;
    if (before?.length === wrong.length && wrong.every((one, i) => one === before[i])) return;
    this.wrong = wrong;
    this.drawPoints();
  }

  drawPoints() {
    if (!this.info || !this.box || !this.tables) return;
    const context = this.top.getContext("2d");
    context.clearRect(0, 0, this.top.width, this.top.height);
    this.drawAxes(context);
    const { ratio, left, top, width, height } = this.box;
    context.save();
    context.beginPath();
    context.rect(left, top, width, height);
    context.clip();
    this.sprites ??= this.info.classes.map((_, number) => sprite(classColor(number), ratio));
    const points = this.info.points[this.part];
    const from = this.part === "train" ? 0 : this.info.points.train.length;
    const half = this.sprites[0].width / 2;
    points.forEach(([x, y, number]) => {
      const [across, down] = this.toCanvas(x, y);
      context.drawImage(this.sprites[number], across - half, down - half);
    });
    if (this.wrong) {
      const wrong = points.filter((_, i) => this.wrong[from + i]);
      context.strokeStyle = this.tables.ink;
      context.globalAlpha = Math.max(0.3, Math.min(1, FEW_RINGS / wrong.length));
      context.lineWidth = ratio;
      context.beginPath();
      wrong.forEach(([x, y]) => {
        const [across, down] = this.toCanvas(x, y);
        context.moveTo(across + 5 * ratio, down);
        context.arc(across, down, 5 * ratio, 0, 2 * Math.PI);
      });
      context.stroke();
    }
    context.restore();
    this.drawMarks?.(context);
    if (this.cross) this.drawCross(context);
  }

  drawAxes(context) {
    const [x0, x1, y0, y1] = this.info.extent;
    const { ratio, left, top, width, height } = this.box;
    context.fillStyle = this.tables.muted;
    context.font = `${11 * ratio}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const value of round(x0, x1)) {
      context.fillText(label(value), this.toCanvas(value, y0)[0], top + height + 4 * ratio);
    }
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const value of round(y0, y1)) {
      context.fillText(label(value), left - 5 * ratio, this.toCanvas(x0, value)[1]);
    }
    context.strokeStyle = this.tables.line;
    context.lineWidth = ratio;
    context.strokeRect(left, top, width, height);
  }

  drawCross(context) {
    const { ratio, left, top, width, height } = this.box;
    const [across, down] = this.toCanvas(...this.cross);
    context.strokeStyle = this.tables.ink;
    context.lineWidth = ratio;
    context.setLineDash([2 * ratio, 3 * ratio]);
    context.beginPath();
    context.moveTo(across, top);
    context.lineTo(across, top + height);
    context.moveTo(left, down);
    context.lineTo(left + width, down);
    context.stroke();
    context.setLineDash([]);
  }

  listen() {
    this.top.addEventListener("pointermove", (event) => this.look(this.fromEvent(event), false));
    this.top.addEventListener("pointerleave", () => this.look(null));
    this.top.addEventListener("blur", () => this.look(null));
    this.top.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      if (!(event.key in move) || !this.info) return;
      event.preventDefault();
      const [x0, x1, y0, y1] = this.info.extent;
      const [x, y] = this.cross ?? [(x0 + x1) / 2, (y0 + y1) / 2];
      const [dx, dy] = this.cross ? move[event.key] : [0, 0];
      const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
      const far = event.shiftKey ? 0.1 : 0.02;
      const next = [
        clamp(x + dx * far * (x1 - x0), x0, x1), clamp(y + dy * far * (y1 - y0), y0, y1),
      ];
      this.look(next, true);
    });
  }

  // The event's place in the data's units, or null outside of the map.
  fromEvent(event) {
    if (!this.info || !this.box) return null;
    const { ratio, left, top, width, height } = this.box;
    const across = (event.offsetX * ratio - left) / width;
    const down = (event.offsetY * ratio - top) / height;
    if (across < 0 || across > 1 || down < 0 || down > 1) return null;
    const [x0, x1, y0, y1] = this.info.extent;
    return [x0 + across * (x1 - x0), y1 - down * (y1 - y0)];
  }

  look(place, cross = false) {
    clearTimeout(this.resting);
    const had = this.cross;
    this.cross = cross ? place : null;
    this.place = place;
    if (had || this.cross) this.drawPoints();
    this.tell();
    if (!place) return;
    this.resting = setTimeout(async () => {
      const exact = await this.probe(place);
      if (exact && place === this.place) this.show(place, exact);
    }, REST);
  }

  // The map's own number at the probe, as frames come in.
  tell() {
    this.readout.hidden = !this.place || !this.values;
    if (this.readout.hidden) return;
    const [x0, x1, y0, y1] = this.info.extent;
    const [x, y] = this.place;
    const cell = (share) => Math.min(SIDE - 1, Math.max(0, Math.floor(share * SIDE)));
    const at = cell((y1 - y) / (y1 - y0)) * SIDE + cell((x - x0) / (x1 - x0));
    const planes = this.values.length / (SIDE * SIDE);
    const list = Array.from({ length: planes }, (_, k) => this.values[k * SIDE * SIDE + at]);
    this.show(this.place, planes === 1 ? [1 - list[0], list[0]] : list);
  }

  show([x, y], probabilities) {
    const list = probabilities
      .map((p, k) => [p, className(this.info.classes[k])])
      .sort((a, b) => b[0] - a[0])
      .slice(0, 3)
      .map(([p, name]) => `${name} ${(100 * p).toFixed(p > 0.0005 && p < 0.9995 ? 1 : 2)} %`)
      .join(", ");
    this.readout.textContent = t("probability", { x: x.toFixed(2), y: y.toFixed(2), list });
  }
}

export const className = (name) => (/^-?\d+$/.test(name) ? t("class", { name }) : name);

function canvas(root) {
  const node = document.createElement("canvas");
  root.append(node);
  return node;
}

// A point with its white edge, drawn once and stamped many times.
function sprite(color, ratio) {
  const side = Math.ceil(9 * ratio);
  const node = Object.assign(document.createElement("canvas"), { width: side, height: side });
  const context = node.getContext("2d");
  context.beginPath();
  context.arc(side / 2, side / 2, 3.2 * ratio, 0, 2 * Math.PI);
  context.fillStyle = color;
  context.fill();
  context.strokeStyle = "#fff";
  context.lineWidth = ratio;
  context.stroke();
  return node;
}

const label = (value) => String(Number(value.toPrecision(6))).replace("-", "−");

// A few round numbers between low and high.
function round(low, high) {
  const unit = 10 ** Math.floor(Math.log10((high - low) / 2));
  const step = [1, 2, 5, 10].map((k) => k * unit).find((width) => (high - low) / width <= 6);
  const list = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) list.push(k * step);
  return list;
}
