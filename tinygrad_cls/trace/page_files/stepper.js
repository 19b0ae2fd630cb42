// Steps through a recorded backward pass: watch it, predict it, nudge a weight, compare with PyTorch.
//
//   const stepper = mount(root, scene, { strings, lang: "en", mode: "watch", heading: true });
//   stepper.go(3); stepper.setMode("nudge"); stepper.setLanguage("ko"); stepper.destroy();
//
// `scene` is what tinygrad_cls/trace/scene.py makes, `strings` is strings.json. Text of the scene is
// only ever put into text nodes; its picture is parsed as XML.

const MODES = ["watch", "predict", "nudge", "torch"];
const SVG = "http://www.w3.org/2000/svg";
const PACE = 1800; // milliseconds a step when it plays

export function mount(root, scene, options = {}) {
  return new Stepper(root, scene, options);
}

// An element: h("td", {class: "now", onclick: f}, "text", child); null children are left out.
function h(tag, attributes = {}, ...children) {
  const svg = ["svg", "line", "circle", "polyline", "text", "g"].includes(tag);
  const element = svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

// A number of the scene as a JavaScript number: "nan" and "inf" are words there.
function num(x) {
  return typeof x === "string" ? { nan: NaN, inf: Infinity, "-inf": -Infinity }[x] : Number(x);
}

// A number in a few digits, with a real minus sign.
export function format(x, digits = 4) {
  if (typeof x === "boolean") return x ? "1" : "0";
  const value = num(x);
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  let text = String(value);
  if (size && (size < 1e-3 || size >= 1e5)) {
    const [head, tail] = value.toExponential(Math.max(digits - 2, 1)).split("e");
    text = `${head.includes(".") ? head.replace(/\.?0+$/, "") : head}e${Number(tail)}`;
  } else if (!Number.isInteger(value)) {
    text = value.toPrecision(digits).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
  }
  return text.replaceAll("-", "−");
}

// What a learner typed: 0.25, −.5, 1e-3, 0,25 or 1/4; NaN for anything else.
export function typed(text) {
  const plain = text.trim().replaceAll("−", "-").replace(",", ".");
  const parts = plain.split("/");
  if (!parts.every((part) => part.trim()) || parts.length > 2) return NaN;
  return parts.map(Number).reduce((a, b) => a / b);
}

// Whether a guess is good enough: two digits, or the last thousandth of the table's largest.
export function near(guess, answer, largest) {
  return Math.abs(guess - answer) <= Math.max(0.05 * Math.abs(answer), 0.005 * largest);
}

// Where the flat index lies: [2, 0] in shape [4, 10].
function place(flat, shape) {
  const found = [];
  for (const size of [...shape].reverse()) {
    found.unshift(flat % size);
    flat = Math.floor(flat / size);
  }
  return found;
}

class Stepper {
  constructor(root, scene, options) {
    this.root = root;
    this.scene = scene;
    this.strings = options.strings ?? {};
    this.lang = this.strings[options.lang] ? options.lang : "en";
    this.heading = options.heading ?? true;
    this.items = []; // where backward starts, and its steps, in order
    let pass = -1;
    scene.steps.forEach((step, number) => {
      for (; pass < step.backward; pass++) this.start(pass + 1);
      this.items.push({ step, number });
    });
    if (!scene.steps.length) this.start(0);
    if (!this.items.length) this.items.push({ seeds: [] });
    this.index = 0;
    this.mode = MODES.includes(options.mode) ? options.mode : "watch";
    this.cell = null; // the flat index of the cell that is looked at
    this.guesses = new Map(); // by item: {cell, right, shown}
    this.weight = { leaf: 0, entry: null, eps: 2 };
    this.leaf = 0;
    this.keys = (event) => this.key(event);
    document.addEventListener("keydown", this.keys);
    this.draw();
  }

  start(pass) {
    const seeds = this.scene.seeds.filter((seed) => seed.backward === pass);
    if (seeds.length) this.items.push({ seeds });
  }

  t(key, values = {}) {
    const text = this.strings[this.lang]?.[key] ?? this.strings.en?.[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  }

  // A text of the scene: as it is, or {key, ...values} of the strings.
  said(text) {
    return typeof text === "string" ? text : this.t(text.key, text);
  }

  // --- what a host may call -----------------------------------------------------------------------

  go(index) {
    this.index = Math.max(0, Math.min(index, this.items.length - 1));
    this.cell = null;
    if (this.mode === "nudge" || this.mode === "torch") this.setMode("watch");
    else this.show();
  }

  setMode(mode) {
    this.play(false);
    this.mode = mode;
    this.show();
  }

  setLanguage(lang) {
    if (!this.strings[lang]) return;
    this.lang = lang;
    this.draw();
  }

  destroy() {
    this.play(false);
    document.removeEventListener("keydown", this.keys);
    this.root.replaceChildren();
  }

  // --- the frame ------------------------------------------------------------------------------------

  draw() {
    const { scene } = this;
    const tabs = MODES.map((mode, i) =>
      h("button", { class: "st-tab", type: "button", role: "tab", "data-mode": mode,
        "aria-controls": "st-panel", id: `st-tab-${mode}`, title: String(i + 1),
        onclick: () => this.setMode(mode) }, this.t(`mode.${mode}`)));
    this.tabs = h("div", { class: "st-tabs", role: "tablist", "aria-label": this.t("modes"),
      onkeydown: (event) => this.rove(event, tabs, ["ArrowLeft", "ArrowRight"], true) }, tabs);
    const languages = Object.keys(this.strings).map((lang) =>
      h("button", { type: "button", class: "st-lang", lang, "aria-pressed": String(lang === this.lang),
        onclick: () => this.setLanguage(lang) }, this.strings[lang].language));
    const head = this.heading && h("header", { class: "st-head" },
      h("div", {}, h("h1", {}, this.said(scene.title || { key: "title" })),
        h("p", {}, this.said(scene.about || { key: "about", steps: scene.steps.length }))),
      h("div", { class: "st-langs", role: "group", "aria-label": this.t("languages") }, languages));
    this.panel = h("div", { class: "st-panel", id: "st-panel", role: "tabpanel" });
    this.live = h("p", { class: "st-live", "aria-live": "polite", role: "status" });
    const page = h("div", { class: "stepper", lang: this.lang }, head, this.tabs, this.panel, this.live);
    this.root.replaceChildren(page);
    this.stage = null;
    this.show();
  }

  show() {
    for (const tab of this.tabs.children) {
      const on = tab.dataset.mode === this.mode;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
    }
    this.panel.setAttribute("aria-labelledby", `st-tab-${this.mode}`);
    this.panel.dataset.mode = this.mode;
    if (this.mode === "nudge") this.showNudge();
    else if (this.mode === "torch") this.showTorch();
    else this.showStage();
  }

  say(text) {
    this.live.textContent = text;
  }

  // --- moving ---------------------------------------------------------------------------------------

  key(event) {
    const { target } = event;
    const ours = this.root.contains(target) || target === document.body;
    if (!ours || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (target.matches?.("input, select, textarea")) return;
    const staged = this.mode === "watch" || this.mode === "predict";
    const moves = { ArrowRight: this.index + 1, ArrowLeft: this.index - 1, Home: 0, End: this.items.length - 1 };
    if (event.key in moves && staged) this.play(false) || this.go(moves[event.key]);
    else if (event.key === " " && staged && !target.matches?.("button, summary")) this.play();
    else if (MODES[Number(event.key) - 1]) this.setMode(MODES[Number(event.key) - 1]);
    else return;
    event.preventDefault();
  }

  // Arrow keys move the focus among `items`, of which one takes the tab key.
  rove(event, items, [back, forth], press = false, width = 0) {
    const at = items.indexOf(document.activeElement);
    const moves = { [back]: at - 1, [forth]: at + 1, Home: 0, End: items.length - 1 };
    if (width) Object.assign(moves, { ArrowUp: at - width, ArrowDown: at + width });
    const next = items[moves[event.key]];
    if (at < 0 || !(event.key in moves)) return;
    event.preventDefault();
    if (!next) return;
    items[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    if (press) next.click();
  }

  play(on = !this.timer) {
    clearInterval(this.timer);
    this.timer = null;
    if (on) {
      if (this.index === this.items.length - 1) this.go(0);
      this.timer = setInterval(() => {
        if (this.index < this.items.length - 1) this.go(this.index + 1);
        else this.play(false);
      }, PACE);
    }
    if (this.playing) {
      this.playing.textContent = this.t(on ? "pause" : "play");
      this.playing.setAttribute("aria-pressed", String(on));
    }
  }

  // --- the stage: list, picture, event ----------------------------------------------------------------

  showStage() {
    if (!this.stage || !this.panel.contains(this.stage)) this.buildStage();
    const item = this.items[this.index];
    this.buttons.forEach((button, i) => {
      const on = i === this.index;
      button.tabIndex = on ? 0 : -1;
      if (on) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
      button.dataset.done = String(i < this.index);
    });
    const { list } = this;
    const button = this.buttons[this.index];
    const [above, side] = [button.offsetTop - list.clientHeight / 2, button.offsetLeft - list.clientWidth / 2];
    list.scrollTo({ top: above, left: side });
    this.count.textContent = this.t("count", { n: this.index + 1, of: this.items.length });
    this.back.disabled = this.index === 0;
    this.next.disabled = this.index === this.items.length - 1;
    this.light(item);
    this.event.replaceChildren(...(item.seeds ? this.seed(item) : this.step(item)));
    this.say(this.spoken(item));
  }

  buildStage() {
    this.buttons = this.items.map((item, i) =>
      h("button", { type: "button", class: "st-item", onclick: () => this.play(false) || this.go(i) },
        item.seeds
          ? [h("b", {}, this.t("start")), h("span", {}, this.seedText(item))]
          : [h("b", {}, item.step.symbols.split(" = ")[0]), h("span", {}, `${this.label(item.step.value)} → `,
              h("strong", {}, this.label(item.step.receiver)))]));
    this.list = h("nav", { class: "st-list", "aria-label": this.t("steps"),
      onkeydown: (event) => this.rove(event, this.buttons, ["ArrowUp", "ArrowDown"], true) },
      h("ol", {}, this.buttons.map((button) => h("li", {}, button))));
    const press = (name, move) => h("button", { type: "button", class: `st-${name}`, onclick: move }, this.t(name));
    this.back = press("back", () => this.play(false) || this.go(this.index - 1));
    this.next = press("next", () => this.play(false) || this.go(this.index + 1));
    this.playing = press("play", () => this.play());
    this.playing.setAttribute("aria-pressed", "false");
    this.count = h("span", { class: "st-count" });
    this.picture = h("figure", { class: "st-graph", "aria-label": this.t("graph"), tabindex: 0 }, this.drawn());
    this.event = h("section", { class: "st-event", "aria-label": this.t("event") });
    this.stage = h("div", { class: "st-stage" },
      h("div", { class: "st-aside" }, this.list, this.picture),
      h("div", { class: "st-main" },
        h("div", { class: "st-controls" }, this.back, this.playing, this.next, this.count,
          h("span", { class: "st-keys" }, this.t("keys"))),
        this.event));
    this.panel.replaceChildren(this.stage);
  }

  // The picture: its nodes lead to the steps that leave them.
  drawn() {
    const parsed = new DOMParser().parseFromString(this.scene.graph, "image/svg+xml");
    const svg = document.importNode(parsed.documentElement, true);
    this.nodes = new Map([...svg.querySelectorAll("[data-node]")].map((node) => [node.dataset.node, node]));
    this.edges = [...svg.querySelectorAll("[data-from]")];
    svg.style.setProperty("--width", `${parseFloat(svg.getAttribute("width"))}px`);
    for (const [id, node] of this.nodes) {
      const of = (value) => this.scene.values[value]?.node === id;
      const target = this.items.findIndex(({ step, seeds }) =>
        step ? of(step.value) || of(step.receiver) : seeds.some((seed) => of(seed.value)));
      if (target < 0) continue;
      node.classList.add("st-goes");
      node.addEventListener("click", () => this.play(false) || this.go(target));
    }
    return svg;
  }

  light(item) {
    const node = (value) => this.scene.values[value]?.node;
    const passed = this.items.slice(0, this.index + 1).filter(({ step }) => step);
    const seen = new Set(passed.flatMap(({ step }) => [node(step.value), node(step.receiver)]));
    const walked = new Set(passed.map(({ step }) => `${node(step.receiver)}→${node(step.value)}`));
    const now = new Set(item.seeds ? item.seeds.map((seed) => node(seed.value)) : [node(item.step.value)]);
    const to = item.step && node(item.step.receiver);
    for (const [id, element] of this.nodes) {
      element.classList.toggle("st-seen", seen.has(id));
      element.classList.toggle("st-now", now.has(id));
      element.classList.toggle("st-to", id === to && !now.has(id));
    }
    for (const edge of this.edges) {
      const ends = `${edge.dataset.from}→${edge.dataset.to}`;
      edge.classList.toggle("st-seen", walked.has(ends));
      edge.classList.toggle("st-now", Boolean(item.step) && edge.dataset.from === to && now.has(edge.dataset.to));
    }
    const lit = this.nodes.get([...now][0]);
    if (!lit) return;
    const [box, frame] = [lit.getBoundingClientRect(), this.picture.getBoundingClientRect()];
    this.picture.scrollLeft += box.left + box.width / 2 - frame.left - frame.width / 2;
    this.picture.scrollTop += box.top + box.height / 2 - frame.top - frame.height / 2;
  }

  label(value) {
    return this.scene.values[value]?.label ?? value;
  }

  seedText(item) {
    return item.seeds.map((seed) => `d ${this.label(seed.value)} = ${this.first(seed.g)}`).join(", ");
  }

  first(table) {
    const { data } = this.scene.tables[table];
    return data.length === 1 ? format(data[0]) : `[${data.slice(0, 3).map((x) => format(x, 3)).join(", ")}${data.length > 3 ? ", …" : ""}]`;
  }

  spoken(item) {
    const n = { n: this.index + 1, of: this.items.length };
    if (item.seeds) return this.t("said.seed", { ...n, what: this.seedText(item) });
    const { step } = item;
    const hidden = this.mode === "predict" && !this.guesses.get(this.index)?.shown;
    return this.t(hidden ? "said.ask" : "said.step", { ...n, from: this.label(step.value), to: this.label(step.receiver),
      rule: step.symbols, value: hidden ? "" : this.first(step.contribution) });
  }

  seed(item) {
    if (!item.seeds.length) return [h("h2", {}, this.t("none.title")), h("p", { class: "st-words" }, this.t("none.words"))];
    return [h("h2", {}, this.t("seed.title")), h("p", { class: "st-words" }, this.t("seed.words")),
      h("div", { class: "st-flow" }, item.seeds.flatMap((seed) => [
        this.scene.values[seed.value].table == null ? null : this.table(this.scene.values[seed.value].table, this.label(seed.value), this.t("value")),
        this.table(seed.g, `d ${this.label(seed.value)}`, this.t("seed.g"))]))];
  }

  // --- one event --------------------------------------------------------------------------------------

  step(item) {
    const { step } = item;
    const guess = this.guesses.get(this.index);
    const hidden = this.mode === "predict" && !guess?.shown && step.ask.length > 0;
    if (this.cell == null) this.cell = guess?.cell ?? step.ask[0] ?? null;
    const [left, right] = [step.symbols.split(" = ")[0], step.symbols.split(" = ").slice(1).join(" = ")];
    const code = step.line && h("p", { class: "st-line" }, h("span", {}, this.t("line")), h("code", {}, step.line));
    const head = h("div", { class: "st-rule" },
      h("p", { class: "st-way" }, h("span", { class: "st-chip now" }, this.label(step.value)), h("span", { "aria-hidden": "true" }, "→"),
        h("span", { class: "st-chip to" }, this.label(step.receiver)), h("span", { class: "st-op" }, `${step.op} · ${step.source}`)),
      h("h2", {}, h("var", {}, left), " = ", h("var", {}, right)),
      h("p", { class: "st-words" }, `${left} ${this.t("is")} ${step.words[this.lang] ?? step.words.en}`),
      step.hooked && h("p", { class: "st-note" }, this.t("hooked")), code);
    const operands = step.operands.map((x) => x.table == null
      ? h("p", { class: "st-static" }, h("code", {}, `${x.name} = ${x.text}`))
      : this.table(x.table, x.name, x.value ? this.label(x.value) : this.t("operand")));
    const ask = hidden ? this.cell : null;
    const flow = h("div", { class: "st-flow" },
      step.g == null ? null : this.table(step.g, "dy", this.t("incoming", { value: this.label(step.value) }), { role: "g" }),
      operands, step.local == null ? null : this.table(step.local, `∂y/∂${step.input}`, this.t("local")),
      step.raw == null || hidden ? null : this.signed("→", this.table(step.raw, left, this.t("raw"))),
      this.signed(step.raw == null ? "→" : [h("span", { class: "st-axes" }, this.t("summed", { axes: step.summed.join(", ") })), "→"],
        this.table(step.contribution, left, this.t("contribution"), { role: "c", pick: (cell) => this.pick(cell), hidden, ask })));
    return [head, flow, hidden ? this.question(step) : this.worked(item), ...(hidden ? [] : this.sums(step, left))];
  }

  // A table behind its sign: they stay in one line.
  signed(sign, table) {
    return h("div", { class: "st-signed" }, h("span", { class: "st-sign" }, sign), table);
  }

  pick(cell) {
    this.cell = cell;
    this.showStage();
    this.event.querySelector(`[data-role=c] [data-cell="${cell}"]`)?.focus();
  }

  // What was there, what arrived, what is there now.
  sums(step, left) {
    const name = this.label(step.receiver);
    const arrival = this.t(step.arrivals > 1 ? "arrival.many" : "arrival.one", { n: step.arrival, of: step.arrivals, name });
    const last = step.arrival === step.arrivals;
    const rows = [h("h3", {}, this.t("accumulate")), h("p", { class: "st-words" }, arrival),
      h("div", { class: "st-flow" },
        step.before == null
          ? h("p", { class: "st-nothing" }, this.t("nothing"))
          : this.table(step.before, `d ${name}`, this.t("before")),
        this.signed("+", step.before == null ? h("p", { class: "st-nothing" }, left) : this.table(step.contribution, left, this.t("contribution"))),
        this.signed("=", this.table(step.after, step.lands && step.lands.before == null ? `${name}.grad` : `d ${name}`, this.t(last ? "after.last" : "after"))))];
    if (step.lands && step.lands.before != null) {
      rows.push(h("p", { class: "st-note" }, this.t("earlier")), h("div", { class: "st-flow" },
        this.table(step.lands.before, `${name}.grad`, this.t("grad.before")),
        this.signed("+", this.table(step.after, `d ${name}`, this.t("after.last"))),
        this.signed("=", this.table(step.lands.after, `${name}.grad`, this.t("grad.after")))));
    }
    return rows;
  }

  // The cell that is looked at, as the sum of products that it is.
  worked({ step, number }) {
    if (this.cell == null) return null;
    const zero = this.scene.whys[`${number}:${this.cell}`];
    return h("div", { class: "st-worked" }, h("h3", {}, this.t("worked")), this.sum(step, this.cell, true),
      zero && h("button", { type: "button", class: "st-why", onclick: () => this.why(number, this.cell) }, this.t("why")),
      h("div", { class: "st-walk" }));
  }

  sum(step, cell, answer) {
    const shape = this.scene.tables[step.contribution].shape;
    const name = `${step.symbols.split(" = ")[0]}${this.at(cell, shape)}`;
    const terms = step.terms?.[cell];
    if (!terms) return h("p", { class: "st-sum" }, answer ? `${name} = ${format(this.value(step.contribution, cell))}` : step.words[this.lang]);
    const parts = terms.map((term, i) => term.length === 3
      ? h("span", { class: "st-term" }, h("span", {}, i ? this.bracket(term[1]) : format(term[1])), " · ", h("span", { class: "g" }, this.bracket(term[2])))
      : h("span", { class: "st-term" }, this.t("more", { n: term[0], sum: format(term[1]) })));
    const sum = parts.flatMap((part, i) => (i ? [" + ", part] : [part]));
    return h("p", { class: "st-sum" }, h("var", {}, name), " = ", sum.length ? sum : "0",
      answer && [" = ", h("b", {}, format(this.value(step.contribution, cell)))],
      h("small", {}, this.t(sum.length ? "legend" : "legend.none")));
  }

  bracket(x) {
    return num(x) < 0 ? `(${format(x)})` : format(x);
  }

  at(cell, shape) {
    return shape.length ? `[${place(cell, shape).join(", ")}]` : "";
  }

  // The number at a flat index, if the table shows it.
  value(table, cell) {
    const { shape, columns, data } = this.scene.tables[table];
    const width = shape.at(-1) || 1;
    return data[Math.floor(cell / width) * columns + (cell % width)];
  }

  // --- why zero? ----------------------------------------------------------------------------------------

  why(number, cell) {
    const stops = [];
    for (let next = [number, cell]; next && stops.length < 500; ) {
      const link = this.scene.whys[next.join(":")];
      if (!link) break;
      stops.push([next, link]);
      next = link.next;
    }
    const list = h("ol", {}, stops.map(([[n, at], link]) => {
      const step = this.scene.steps[n];
      const name = `${step.symbols.split(" = ")[0]}${this.at(at, this.scene.tables[step.contribution].shape)}`;
      const facts = { ...link, name, from: this.label(step.value), to: this.label(step.receiver), op: step.op,
        at: step.g == null ? "" : `dy${this.at(link.at ?? 0, this.scene.tables[step.g].shape)}`,
        input: format(link.input ?? NaN), output: format(link.output ?? NaN), target: format(link.target ?? NaN),
        value: link.value ? this.label(link.value) : link.operand };
      const key = link.because === "factor" && link.relu ? "because.factor.relu" : `because.${link.because}`;
      return h("li", {}, h("button", { type: "button", onclick: () => { this.goTo(n, at); } }, name),
        ` ${this.t("walk.of", facts)} `, this.t(key, facts));
    }));
    const walk = this.event.querySelector(".st-walk");
    walk.replaceChildren(list);
    this.say([...list.children].map((li) => li.textContent).join(". "));
  }

  goTo(number, cell) {
    this.go(this.items.findIndex((item) => item.number === number));
    this.pick(cell);
  }

  // --- predict first --------------------------------------------------------------------------------------

  question(step) {
    const shape = this.scene.tables[step.contribution].shape;
    const name = `${step.symbols.split(" = ")[0]}${this.at(this.cell, shape)}`;
    const answer = num(this.value(step.contribution, this.cell));
    const largest = Math.max(...this.scene.tables[step.contribution].data.map((x) => Math.abs(num(x))).filter(Number.isFinite));
    const input = h("input", { type: "text", inputmode: "decimal", autocomplete: "off", id: "st-guess", "aria-describedby": "st-verdict" });
    const verdict = h("div", { class: "st-verdict", id: "st-verdict", role: "status" });
    const tries = this.guesses.get(this.index) ?? { tries: 0 };
    const reveal = (right) => {
      this.guesses.set(this.index, { cell: this.cell, right: right && tries.tries === 1, shown: true });
      this.showStage();
      const { n, of } = this.score();
      this.event.querySelector(".st-worked")?.prepend(h("p", { class: right ? "st-right" : "st-note" },
        this.t(right ? "right" : "revealed", { name, answer: format(answer), n, of })));
      if (right) this.say(this.t("right", { name, answer: format(answer), n, of }));
      this.next.focus();
    };
    const check = (event) => {
      event.preventDefault();
      const guess = typed(input.value);
      if (Number.isNaN(guess)) return void verdict.replaceChildren(this.t("not.a.number"));
      tries.tries += 1;
      this.guesses.set(this.index, { ...tries, cell: this.cell });
      if (near(guess, answer, largest)) return reveal(true);
      verdict.replaceChildren(h("p", {}, this.t(guess * answer < 0 && near(-guess, answer, largest) ? "wrong.sign" : "wrong", { guess: format(guess) })),
        h("p", {}, h("var", {}, step.symbols)), this.sum(step, this.cell, false));
      input.select();
    };
    const other = step.ask.length > 1 && h("button", { type: "button", onclick: () => {
      this.pick(step.ask[(step.ask.indexOf(this.cell) + 1) % step.ask.length]);
      this.event.querySelector("#st-guess")?.focus();
    } }, this.t("other"));
    return h("form", { class: "st-question", onsubmit: check },
      h("label", { for: "st-guess" }, this.t("ask"), " ", h("var", {}, name), "?"), input,
      h("button", { type: "submit", class: "st-primary" }, this.t("check")), other,
      h("button", { type: "button", onclick: () => reveal(false) }, this.t("reveal")), verdict);
  }

  score() {
    const done = [...this.guesses.values()].filter((guess) => guess.shown);
    return { n: done.filter((guess) => guess.right).length, of: done.length };
  }

  // --- nudge ------------------------------------------------------------------------------------------------

  showNudge() {
    const { eps, leaves, why } = this.scene.nudge;
    const { weight } = this;
    if (!leaves.length) return this.panel.replaceChildren(h("p", { class: "st-empty" }, this.t(`nudge.${why || "none"}`)));
    const leaf = leaves[weight.leaf];
    const slopes = Object.keys(leaf.losses).map(Number);
    const size = (entry) => Math.abs(num(this.value(leaf.gradient, entry))) || 0;
    const scale = Math.max(...slopes.map(size)) || 1;
    if (!leaf.losses[weight.entry]) weight.entry = slopes.reduce((a, b) => (size(b) > size(a) ? b : a));
    const shape = this.scene.tables[leaf.gradient].shape;
    const name = `${this.label(leaf.value)}${this.at(weight.entry, shape)}`;
    const slope = num(this.value(leaf.gradient, weight.entry));
    const rows = eps.map((e, i) => {
      const [more, less] = leaf.losses[weight.entry][i].map(num);
      return { e, more, less, slope: (more - less) / (2 * e), away: Math.abs((more - less) / (2 * e) - slope) };
    });
    const now = rows[weight.eps];
    const change = (what) => { Object.assign(weight, what); this.showNudge(); };
    const choose = h("select", { id: "st-leaf", onchange: (event) => { change({ leaf: Number(event.target.value), entry: null }); this.panel.querySelector("#st-leaf").focus(); } },
      leaves.map((x, i) => h("option", { value: i, selected: i === weight.leaf }, this.label(x.value))));
    const pick = (entry) => { change({ entry }); this.panel.querySelector(`[data-cell="${entry}"]`)?.focus(); };
    const value = this.scene.values[leaf.value].table;
    const radios = h("fieldset", { class: "st-eps" }, h("legend", {}, this.t("nudge.eps")), rows.map((row, i) =>
      h("label", {}, h("input", { type: "radio", name: "st-eps", value: i, checked: i === weight.eps,
        onchange: () => { change({ eps: i }); this.panel.querySelector("[name=st-eps]:checked").focus(); } }), `1e${Math.round(Math.log10(row.e))}`.replace("-", "−"))));
    const agree = now.away <= 1e-3 * scale;
    const verdict = this.t(agree ? (now.away ? "nudge.agrees" : "nudge.equal") : "nudge.parts",
      { digits: Math.floor(-Math.log10(now.away / scale)), eps: format(now.e) });
    const cell = (...content) => h("td", {}, ...content);
    const every = h("table", { class: "st-rows" }, h("caption", {}, this.t("nudge.every")),
      h("thead", {}, h("tr", {}, ["eps", "nudge.slope", "nudge.away"].map((key) => h("th", { scope: "col" }, this.t(key))))),
      h("tbody", {}, rows.map((row, i) => h("tr", { "aria-current": i === weight.eps ? "true" : null },
        h("th", { scope: "row" }, format(row.e)), cell(format(row.slope, 8)), cell(format(row.away, 3))))));
    this.panel.replaceChildren(h("div", { class: "st-nudge" },
      h("div", { class: "st-side" }, h("p", { class: "st-words" }, this.t("nudge.words")),
        h("p", { class: "st-choose" }, h("label", { for: "st-leaf" }, this.t("nudge.leaf")), choose),
        this.table(leaf.gradient, `${this.label(leaf.value)}.grad`, this.t("nudge.pick"), { pick, chosen: weight.entry, role: "n" }),
        why && h("p", { class: "st-note" }, this.t(`nudge.${why}`))),
      h("div", { class: "st-result" }, radios,
        h("p", { class: "st-sum" }, h("var", {}, name), ` = ${format(this.value(value, weight.entry), 6)} ± ${format(now.e)}`),
        h("p", { class: "st-formula" }, this.t("nudge.plus"), h("b", {}, format(now.more, 12)), this.t("nudge.minus"), h("b", {}, format(now.less, 12))),
        h("div", { class: "st-pair" },
          h("p", {}, h("span", {}, this.t("nudge.numeric")), h("strong", {}, format(now.slope, 7)), h("small", {}, "(L₊ − L₋) / 2ε")),
          h("p", {}, h("span", {}, this.t("nudge.analytic")), h("strong", {}, format(slope, 7)), h("small", {}, `${name}: .grad`))),
        h("p", { class: agree ? "st-right" : "st-note" }, verdict),
        h("div", { class: "st-side-by-side" }, this.chart(rows, weight.eps), every))));
    this.say(`${name}. ${this.t("nudge.numeric")} ${format(now.slope, 7)}. ${this.t("nudge.analytic")} ${format(slope, 7)}. ${verdict}`);
  }

  // The error over eps, both in powers of ten.
  chart(rows, chosen) {
    const sizes = rows.map((row) => Math.max(Math.log10(row.away || 1e-17), -17)).map((y) => (Number.isFinite(y) ? y : 0));
    const [low, high] = [Math.floor(Math.min(...sizes)), Math.max(Math.ceil(Math.max(...sizes)), Math.floor(Math.min(...sizes)) + 2)];
    const x = (i) => 54 + (i * 230) / (rows.length - 1);
    const y = (size) => 16 + ((high - size) * 118) / (high - low);
    const tick = (size) => [h("line", { x1: 48, x2: 290, y1: y(size), y2: y(size), class: "grid" }),
      h("text", { x: 43, y: y(size) + 4, "text-anchor": "end" }, `1e${size}`.replace("-", "−"))];
    const middle = Math.round((low + high) / 2);
    return h("figure", { class: "st-chart" }, h("svg", { viewBox: "0 0 300 172", width: 300, height: 172, role: "img", "aria-label": this.t("nudge.chart") },
      [low, middle, high].flatMap(tick),
      rows.map((row, i) => h("text", { x: x(i), y: 152, "text-anchor": "middle" }, `1e${Math.round(Math.log10(row.e))}`.replace("-", "−"))),
      h("text", { x: 169, y: 168, "text-anchor": "middle" }, "ε"),
      h("polyline", { points: sizes.map((size, i) => `${x(i)},${y(size)}`).join(" ") }),
      sizes.map((size, i) => h("circle", { cx: x(i), cy: y(size), r: i === chosen ? 6 : 3.5, class: i === chosen ? "now" : "" }))),
      h("figcaption", {}, this.t("nudge.caption")));
  }

  // --- torch ------------------------------------------------------------------------------------------------

  showTorch() {
    const { why, text, version, leaves, tolerance } = this.scene.torch;
    if (why) return this.panel.replaceChildren(h("p", { class: "st-empty" }, this.t(`torch.${why}`, { text })));
    const show = (i) => { this.leaf = i; this.showTorch(); this.panel.querySelector("[aria-current] button")?.focus(); };
    const heads = ["torch.leaf", "torch.shape", "torch.away", "torch.ulps", "torch.exact", "torch.agrees"];
    const rows = leaves.map((leaf, i) => h("tr", { "aria-current": i === this.leaf ? "true" : null, onclick: () => show(i) },
      h("th", { scope: "row" }, h("button", { type: "button" }, `${this.label(leaf.value)}.grad`)),
      h("td", {}, `(${this.scene.tables[leaf.ours].shape.join(", ")})`), h("td", {}, format(leaf.largest, 3)), h("td", {}, format(leaf.ulps, 3)),
      h("td", {}, format(leaf.exact, 3)), h("td", { class: leaf.agrees ? "yes" : "no" }, this.t(leaf.agrees ? "yes" : "no"))));
    const leaf = leaves[this.leaf];
    const bad = leaves.filter((x) => !x.agrees).length;
    const verdict = this.t(bad ? "torch.bad" : "torch.good", { n: leaves.length, bad, version });
    this.panel.replaceChildren(h("div", { class: "st-torch" }, h("p", { class: bad ? "st-note" : "st-right" }, verdict),
      h("div", { class: "st-scroll" }, h("table", { class: "st-rows" }, h("caption", {}, this.t("torch.caption")),
        h("thead", {}, h("tr", {}, heads.map((key) => h("th", { scope: "col" }, this.t(key))))), h("tbody", {}, rows))),
      h("p", { class: "st-words" }, this.t("torch.reason", { tolerance: format(tolerance) })),
      leaf && [h("h3", {}, `${this.label(leaf.value)}.grad`), h("div", { class: "st-flow" },
        this.table(leaf.ours, "tinygrad_cls", leaf.dtype),
        this.signed("−", this.table(leaf.theirs, "PyTorch", version)),
        this.signed("=", this.table(leaf.difference, "|Δ|", this.t("torch.difference"))))]));
    this.say(verdict);
  }

  // --- tables -------------------------------------------------------------------------------------------------

  // A table of the scene, coloured by sign and size. `pick` makes its cells buttons.
  table(index, name, caption, { role = "", pick = null, hidden = false, ask = null, chosen = this.cell } = {}) {
    const { shape, dtype, rows, columns, data, norm } = this.scene.tables[index];
    const numbers = data.map(num);
    const largest = Math.max(0, ...numbers.map(Math.abs).filter(Number.isFinite));
    const width = shape.at(-1) || 1;
    const used = role === "g" ? this.sources() : new Set();
    const buttons = [];
    const cell = (r, c) => {
      const [x, flat] = [data[r * columns + c], r * width + c];
      const asked = hidden && flat === ask;
      const text = hidden ? (asked ? "?" : "·") : format(x, 3);
      const kind = [hidden ? "hid" : num(x) > 0 ? "pos" : num(x) < 0 ? "neg" : num(x) === 0 ? "zero" : "odd",
        used.has(flat) && "used", asked && "ask"].filter(Boolean).join(" ");
      const full = `${name}${this.at(flat, shape)} = ${hidden ? "?" : format(x, 8)}`;
      const button = pick && !hidden && h("button", { type: "button", "data-cell": flat, "aria-label": full,
        "aria-pressed": String(flat === chosen), tabindex: flat === chosen || (!buttons.length && chosen == null) ? 0 : -1, onclick: () => pick(flat) }, text);
      if (button) buttons.push(button);
      const td = h("td", { class: kind, title: full }, button || text);
      if (!hidden && largest) td.style.setProperty("--size", Math.min(1, Math.abs(num(x)) / largest || 0).toFixed(3));
      return td;
    };
    const lead = shape.slice(0, -1);
    const each = (n, f) => Array.from({ length: n }, (_, i) => f(i));
    const cut = rows * columns < shape.reduce((a, b) => a * b, 1);
    const size = [shape.length ? `(${shape.join(", ")})` : "()", cut && this.t("cut", { rows, columns }), norm != null && shape.length > 0 && `‖·‖ ${format(norm, 3)}`].filter(Boolean).join(" · ");
    const grid = h("table", {}, h("caption", { class: "st-hide" }, `${name}: ${caption}, ${size}`),
      h("thead", { class: shape.length ? "" : "st-hide" }, h("tr", {}, h("td", {}), each(columns, (c) => h("th", { scope: "col" }, c)))),
      h("tbody", {}, each(rows, (r) => h("tr", {}, h("th", { scope: "row" }, lead.length ? place(r, lead).join(",") : ""), each(columns, (c) => cell(r, c))))));
    if (buttons.length && !buttons.some((button) => button.tabIndex === 0)) buttons[0].tabIndex = 0;
    if (pick) grid.addEventListener("keydown", (event) => this.rove(event, buttons, ["ArrowLeft", "ArrowRight"], false, columns));
    return h("figure", { class: "st-table", "data-role": role || null, "data-kind": dtype === "bool" ? "bool" : null },
      h("figcaption", {}, h("var", {}, name), h("span", {}, caption), h("small", {}, size)), grid);
  }

  // The elements of the incoming gradient that the chosen cell is made of.
  sources() {
    const { step } = this.items[this.index];
    const terms = (this.mode !== "nudge" && step?.terms?.[this.cell]) || [];
    return new Set(terms.filter((term) => term.length === 3).map((term) => term[0]));
  }
}
