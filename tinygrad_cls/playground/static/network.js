// The network: a heat map for every neuron, an edge for every weight, and the layers' controls.

import { classColor, paintNeuron, paintProbabilities } from "./colors.js";
import { svg } from "./curves.js";
import { ACTIVATIONS, MOST_LAYERS, MOST_UNITS, copy } from "./recipe.js";
import { t } from "./strings.js";

const SIDE = 24; // cells of a neuron's map, each way
const HEAD = 60; // pixels above the neurons, for a layer's controls
const BODY = 300; // pixels for the neurons
const WIDEST = 7; // pixels of the thickest edge
const MANY = 600; // edges that are too many to redraw in every frame

export class Network {
  // changed(layers): the reader wants other hidden layers. selected(layer, unit): one was clicked.
  constructor(root, { changed, selected }) {
    Object.assign(this, { root, changed, selected, kind: "weights", frames: 0, columns: [] });
    new ResizeObserver(() => this.place()).observe(root);
    root.addEventListener("pointerover", (event) => this.tellEdge(event.target));
  }

  setTables(tables) {
    this.tables = tables;
    this.drawInputs();
    if (this.frame) this.draw(this.frame, true);
  }

  setKind(kind) {
    this.kind = kind;
    if (this.frame) this.draw(this.frame, true);
  }

  // A new run: everything is built anew, since anything may have changed.
  setRun(info) {
    const focus = document.activeElement?.dataset?.keep;
    Object.assign(this, { info, frame: null, chosen: null, deadKey: null });
    this.root.replaceChildren();
    this.lines = svg("svg", { class: "edges", "aria-hidden": "true" }, this.root);
    this.heads = info.layers.slice(0, -1).map((layer, l) => this.addHead(layer, l));
    if (this.heads.length < MOST_LAYERS) this.heads.push(this.addPlus());
    this.columns = [
      info.features.map((name) => this.addInput(name)),
      ...info.layers.map((layer, l) =>
        Array.from({ length: layer.units }, (_, unit) => this.addNeuron(l, unit)),
      ),
    ];
    this.addEdges();
    this.place();
    this.drawInputs();
    this.root.querySelector(`[data-keep="${focus}"]`)?.focus();
  }

  get outputLayer() {
    return this.info.layers.length - 1;
  }

  addInput(name) {
    const node = cell("div", "unit input");
    node.append(Object.assign(document.createElement("span"), { textContent: name }));
    this.root.append(node);
    return node;
  }

  addNeuron(layer, unit) {
    const output = layer === this.outputLayer;
    const node = cell("button", output ? "unit output" : "unit", output ? 64 : SIDE);
    const name = neuronName(this.info, layer, unit);
    node.setAttribute("aria-label", t("show.neuron", { name }));
    node.setAttribute("aria-pressed", "false");
    node.title = name;
    node.dataset.keep = `neuron-${layer}-${unit}`;
    node.addEventListener("click", () => this.selected(layer, unit));
    if (output) node.style.borderColor = classColor(this.info.layers[layer].units > 1 ? unit : 1);
    this.root.append(node);
    return node;
  }

  addHead({ units, activation }, l) {
    const n = l + 1;
    const head = Object.assign(document.createElement("div"), { className: "layer-head" });
    const change = (edit) => {
      const layers = this.info.recipe.layers.map((layer) => copy(layer));
      edit(layers);
      this.changed(layers);
    };
    const resize = (to) =>
      change((layers) => (layers[l].units = Math.min(MOST_UNITS, Math.max(1, to || 1))));
    const fewer = button("−", t("units.fewer", { n }), `fewer-${l}`, () => resize(units - 1));
    const more = button("+", t("units.more", { n }), `more-${l}`, () => resize(units + 1));
    fewer.disabled = units <= 1;
    more.disabled = units >= MOST_UNITS;
    const number = Object.assign(document.createElement("input"), {
      type: "number", min: 1, max: MOST_UNITS, value: units,
    });
    number.setAttribute("aria-label", t("units", { n }));
    number.dataset.keep = `units-${l}`;
    number.addEventListener("change", () => resize(Math.round(Number(number.value))));
    const select = document.createElement("select");
    select.setAttribute("aria-label", t("activation", { n }));
    select.dataset.keep = `activation-${l}`;
    for (const value of ACTIVATIONS) select.add(new Option(t(`activation.${value}`), value));
    select.value = activation;
    select.addEventListener("change", () =>
      change((layers) => (layers[l].activation = select.value)),
    );
    const remove = button("×", t("remove.layer", { n }), `remove-${l}`, () =>
      change((layers) => layers.splice(l, 1)),
    );
    remove.className = "remove";
    const row = Object.assign(document.createElement("div"), { className: "units" });
    row.append(fewer, number, more);
    head.append(row, select, remove);
    this.root.append(head);
    return head;
  }

  addPlus() {
    const add = button(t("add.layer"), t("add.layer.label"), "add", () =>
      this.changed([...this.info.recipe.layers, { units: 4, activation: "relu" }]),
    );
    add.classList.add("add-layer");
    this.root.append(add);
    return add;
  }

  // One path a weight, in the order of the server's flat list: W row by row, then b, a layer at a
  // time. `edges[i].at` is the place in that list.
  addEdges() {
    this.edges = [];
    let at = 0;
    this.info.layers.forEach(({ inputs, units }, l) => {
      for (let unit = 0; unit < units; unit++) {
        for (let input = 0; input < inputs; input++, at++) {
          const path = svg("path", { "data-edge": this.edges.length }, this.lines);
          this.edges.push({ path, at, l, input, unit, width: -1, sign: 0 });
        }
      }
      at += units;
    });
  }

  place() {
    if (!this.info) return;
    const width = this.root.clientWidth || 600;
    const most = Math.max(...this.columns.map((column) => column.length));
    const side = Math.max(9, Math.min(38, Math.floor(BODY / most) - (most > 16 ? 1 : 4)));
    const pitch = Math.min(BODY / most, side + 12);
    const gap = (width - side - 8) / (this.columns.length - 1);
    this.root.style.height = `${HEAD + BODY}px`;
    this.lines.setAttribute("viewBox", `0 0 ${width} ${HEAD + BODY}`);
    this.spots = this.columns.map((column, c) => {
      const x = 4 + c * gap;
      return column.map((node, i) => {
        const y = HEAD + BODY / 2 + (i - (column.length - 1) / 2) * pitch;
        node.style.left = `${x}px`;
        node.style.top = `${y - side / 2}px`;
        node.style.width = node.style.height = `${side}px`;
        return [x, y];
      });
    });
    this.side = side;
    this.heads.forEach((head, i) => {
      if (i === this.info.layers.length - 1) return; // the button for one more stays at the right
      head.style.left = `${4 + (i + 1) * gap + side / 2}px`;
      head.style.setProperty("--room", `${Math.max(40, Math.min(92, gap - 6))}px`);
    });
    for (const edge of this.edges) {
      const [x0, y0] = this.spots[edge.l][edge.input];
      const [x1, y1] = this.spots[edge.l + 1][edge.unit];
      const [from, to] = [x0 + side, x1];
      const bend = (to - from) * 0.45;
      edge.path.setAttribute("d", `M${from} ${y0}C${from + bend} ${y0} ${to - bend} ${y1} ${to} ${y1}`);
    }
  }

  // An input's map is its own value: rising from left to right, or from bottom to top.
  drawInputs() {
    if (!this.info || !this.tables) return;
    const bytes = new Uint8Array(SIDE * SIDE);
    this.columns[0].slice(0, 2).forEach((node, which) => {
      for (let i = 0; i < bytes.length; i++) {
        const place = which === 0 ? i % SIDE : SIDE - 1 - Math.floor(i / SIDE);
        bytes[i] = (255 * (place + 0.5)) / SIDE;
      }
      paintNeuron(node.image, bytes, 0, true, this.tables);
      node.context.putImageData(node.image, 0, 0);
    });
  }

  draw(frame, all = false) {
    this.frame = frame;
    if (!this.tables) return;
    const { neurons, neuron_range: range, map } = frame.arrays;
    const hidden = this.columns.slice(1, -1).flat();
    if (neurons) {
      hidden.forEach((node, i) => {
        paintNeuron(node.image, neurons, i * SIDE * SIDE, range[2 * i] < 0, this.tables);
        node.context.putImageData(node.image, 0, 0);
      });
    }
    const few = this.edges.length < MANY;
    if (all || few || this.frames % 8 === 0) this.drawEdges(frame.arrays[this.kind]);
    if (map && (all || this.frames % 4 === 0)) this.drawOutputs(map);
    this.drawDead(frame);
    this.frames++;
  }

  drawOutputs(map) {
    const size = 64 * 64;
    this.columns.at(-1).forEach((node, k, { length }) => {
      if (length === 1) paintProbabilities(node.image, map, 1, this.tables);
      else {
        const pixels = new Uint32Array(node.image.data.buffer);
        const table = this.tables.classes[k % this.tables.classes.length];
        for (let i = 0; i < size; i++) pixels[i] = table[(map[k * size + i] * 255) | 0];
      }
      node.context.putImageData(node.image, 0, 0);
    });
  }

  // Widths in quarters of a pixel, and only those that changed: this is most of a frame's work.
  drawEdges(values) {
    if (!values) return;
    let largest = 1e-30;
    for (const { at } of this.edges) largest = Math.max(largest, Math.abs(values[at]));
    for (const edge of this.edges) {
      const value = values[edge.at];
      const width = Math.max(1, Math.round((4 * WIDEST * Math.abs(value)) / largest));
      const sign = value < 0 ? -1 : 1;
      if (width !== edge.width) edge.path.setAttribute("stroke-width", width / 4);
      if (sign !== edge.sign) edge.path.setAttribute("class", sign < 0 ? "cool" : "warm");
      Object.assign(edge, { width, sign });
    }
  }

  drawDead({ dead }) {
    const key = JSON.stringify(dead);
    if (key === this.deadKey) return;
    this.deadKey = key;
    this.root.querySelectorAll(".dead").forEach((node) => node.classList.remove("dead"));
    for (const [layer, unit] of dead) this.columns[layer + 1]?.[unit]?.classList.add("dead");
  }

  // Marks a neuron as the one that is looked at; null: none.
  choose(chosen) {
    for (const node of this.root.querySelectorAll('[aria-pressed="true"]')) {
      node.setAttribute("aria-pressed", "false");
    }
    this.chosen = chosen;
    if (chosen) this.columns[chosen.layer + 1][chosen.unit].setAttribute("aria-pressed", "true");
  }

  tellEdge(target) {
    const edge = this.edges?.[target.dataset?.edge];
    if (!edge || !this.frame) return;
    const { weights, gradients } = this.frame.arrays;
    let title = edge.path.querySelector("title");
    title ??= svg("title", {}, edge.path);
    const number = (array) => Number(array[edge.at].toPrecision(4));
    title.textContent =
      `${t("edge.weight")} ${number(weights)}, ${t("edge.gradient")} ${number(gradients)}`;
  }
}

// "Layer 1, neuron 3", counted from 1, or the output of a class.
export function neuronName(info, layer, unit) {
  return layer === info.layers.length - 1
    ? t("neuron.output", { unit: unit + 1 })
    : t("neuron", { layer: layer + 1, unit: unit + 1 });
}

function cell(tag, className, side = SIDE) {
  const node = Object.assign(document.createElement(tag), { className });
  const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
  node.append(canvas);
  node.context = canvas.getContext("2d");
  node.image = node.context.createImageData(side, side);
  return node;
}

function button(text, name, keep, act) {
  const node = Object.assign(document.createElement("button"), { textContent: text, title: name });
  node.setAttribute("aria-label", name);
  node.dataset.keep = keep;
  node.addEventListener("click", act);
  return node;
}
