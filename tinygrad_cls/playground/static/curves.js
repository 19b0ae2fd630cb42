// Line charts in SVG: a few series on a linear or a logarithmic axis.

import { onLanguage, t } from "./strings.js";

const SVG = "http://www.w3.org/2000/svg";
const NEAR = 4; // pixels
const MARGIN = { left: 40, right: 8, top: 6, bottom: 16 };

export function svg(name, attributes = {}, parent = null) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  parent?.append(node);
  return node;
}

export class Chart {
  // title: a key of the string table. range: fixed [low, high]. peaks: of points that are closer
  // than the eye can tell only the highest counts. A logarithmic axis leaves zeros at its bottom.
  constructor(parent, { title, log = false, range = null, peaks = false }) {
    Object.assign(this, { log, range, peaks, title, lines: [], drawn: "" });
    this.root = document.createElement("figure");
    this.root.className = "card chart";
    this.root.innerHTML = '<figcaption><h3></h3><span class="legend"></span></figcaption>';
    this.plot = svg("svg", { role: "img" }, this.root);
    this.axes = svg("g", { class: "axes" }, this.plot);
    this.paths = svg("g", { class: "lines" }, this.plot);
    this.ends = svg("text", { class: "tick", "text-anchor": "end" }, this.plot);
    this.note = document.createElement("p");
    this.note.className = "chart-note";
    this.root.append(this.note);
    parent.append(this.root);
    new ResizeObserver(() => this.resize()).observe(this.plot);
    onLanguage(() => this.label());
    this.label();
    this.resize();
  }

  // lines: [{name: () => text, series, style: class name}]; level: {value, name} is a fixed line.
  setLines(lines, level = null) {
    this.lines = lines;
    this.level = level;
    this.paths.replaceChildren();
    for (const line of lines) line.path = svg("path", { class: `line ${line.style}` }, this.paths);
    this.label();
    this.resize();
  }

  label() {
    this.axesKey = "";
    this.root.querySelector("h3").textContent = t(this.title);
    const legend = this.root.querySelector(".legend");
    legend.replaceChildren();
    for (const { name, style } of this.lines) {
      const entry = document.createElement("span");
      const sample = svg("svg", { viewBox: "0 0 16 8", class: "sample", "aria-hidden": "true" });
      svg("path", { d: "M0 4H16", class: `line ${style}` }, sample);
      entry.append(sample, name());
      legend.append(entry);
    }
  }

  resize() {
    this.width = this.plot.clientWidth || 300;
    this.height = this.plot.clientHeight || 120;
    this.plot.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.ends.setAttribute("x", this.width - MARGIN.right);
    this.ends.setAttribute("y", this.height - 3);
    this.drawn = "";
    this.draw();
  }

  say(text) {
    if (this.note.textContent !== text) this.note.textContent = text;
  }

  draw() {
    let [last, low, high] = [0, Infinity, -Infinity];
    let version = "";
    for (const { series } of this.lines) {
      version += `${series.version},`;
      if (series.length) last = Math.max(last, series.xs[series.length - 1]);
      for (let i = 0; i < series.length; i++) {
        const y = series.ys[i];
        if (y < low && (y > 0 || !this.log)) low = y;
        if (y > high) high = y;
      }
    }
    if (version === this.drawn) return;
    this.drawn = version;
    if (this.level && low <= high) {
      low = Math.min(low, this.level.value);
      high = Math.max(high, this.level.value);
    }
    const domain = low <= high ? this.domain(low, high) : (this.range ?? [this.log ? 0.1 : 0, 1]);
    this.drawAxes(domain);
    const first = this.lines.length ? 1 : 0;
    const text = last > 0 ? String(last) : "";
    if (this.ends.textContent !== text) this.ends.textContent = text;
    const x = (step) =>
      MARGIN.left +
      ((step - first) / Math.max(last - first, 1)) * (this.width - MARGIN.left - MARGIN.right);
    const y = this.scale(domain);
    for (const { series, path } of this.lines) {
      let d = "";
      let points = 0;
      for (let i = 0; i < series.length; points++) {
        const across = x(series.xs[i]);
        let value = series.ys[i++];
        while (this.peaks && i < series.length && x(series.xs[i]) < across + NEAR) {
          value = Math.max(value, series.ys[i++]);
        }
        d += `${points ? "L" : "M"}${across.toFixed(1)} ${y(value).toFixed(1)}`;
      }
      if (points === 1) d += "h1";
      path.setAttribute("d", d);
    }
  }

  domain(low, high) {
    if (this.range) return this.range;
    if (this.log) {
      const bottom = Math.floor(Math.log10(low) + 1e-9);
      const top = Math.ceil(Math.log10(high) - 1e-9);
      return [10 ** bottom, 10 ** Math.max(top, bottom + 1)];
    }
    const top = high <= 0 ? 1 : high;
    const unit = 10 ** Math.floor(Math.log10(top));
    return [0, [1, 1.5, 2, 3, 4, 5, 7.5, 10].find((step) => step * unit >= top * 0.999) * unit];
  }

  scale([low, high]) {
    const bottom = this.height - MARGIN.bottom;
    const span = bottom - MARGIN.top;
    if (!this.log) return (value) => bottom - (span * (value - low)) / (high - low);
    const decades = Math.log10(high / low);
    return (value) =>
      bottom - (span * Math.max(0, Math.log10(value / low))) / decades;
  }

  drawAxes(domain) {
    const key = `${domain} ${this.width} ${this.height} ${this.level?.value}`;
    if (key === this.axesKey) return;
    this.axesKey = key;
    this.axes.replaceChildren();
    const y = this.scale(domain);
    for (const value of this.log ? decades(domain) : quarters(domain)) {
      const at = y(value).toFixed(1);
      svg("path", { d: `M${MARGIN.left} ${at}H${this.width - MARGIN.right}` }, this.axes);
      const label = svg("text", {
        class: "tick", x: MARGIN.left - 4, y: Number(at) + 3.5, "text-anchor": "end",
      }, this.axes);
      label.textContent = this.log ? power(value) : plain(value);
    }
    if (this.level) {
      const at = y(this.level.value).toFixed(1);
      const d = `M${MARGIN.left} ${at}H${this.width - MARGIN.right}`;
      svg("path", { d, class: "line level" }, this.axes);
      svg("text", {
        class: "tick level-name", x: this.width - MARGIN.right, y: Number(at) + 11,
        "text-anchor": "end",
      }, this.axes).textContent = this.level.name();
    }
  }
}

const plain = (value) =>
  value < 1e5 ? String(Number(value.toPrecision(3))) : value.toPrecision(2).replace("e+", "e");

const quarters = ([low, high]) => [0, 0.5, 1].map((share) => low + share * (high - low));

// At most four powers of ten.
function decades([low, high]) {
  const [from, to] = [Math.round(Math.log10(low)), Math.round(Math.log10(high))];
  const every = Math.max(1, Math.ceil((to - from) / 3));
  const list = [];
  for (let exponent = to; exponent >= from; exponent -= every) list.push(10 ** exponent);
  return list;
}

const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";
function power(value) {
  const exponent = Math.round(Math.log10(value));
  if (exponent === 0) return "1";
  if (exponent === 1) return "10";
  const digits = [...String(Math.abs(exponent))].map((digit) => SUPERSCRIPT[digit]).join("");
  return `10${exponent < 0 ? "⁻" : ""}${digits}`;
}
