// The Step screen: picks a small batch of training points, and mounts the stepper on its backward.

import * as api from "./api.js";
import { Boundary } from "./boundary.js";
import { currentLanguage, onLanguage, t, translate } from "./strings.js";

const MOST = 16; // points in one batch
const FOUR = 4;

export class StepScreen {
  // train: the screen whose run is stepped through.
  constructor({ picker, stage, train }) {
    Object.assign(this, { picker, stage, train, samples: [0, 1, 2, 3], mounted: null, turn: 0 });
    picker.innerHTML = `
      <div class="pick-map boundary"></div>
      <div class="pick-form">
        <p class="pick-help"></p>
        <label><span data-t="step.samples"></span><input class="pick-numbers" inputmode="numeric"></label>
        <div class="actions">
          <button data-pick="four" data-t="step.four"></button>
          <button data-pick="random" data-t="step.random"></button>
          <button data-pick="wrong" data-t="step.wrong"></button>
          <button data-pick="one" data-t="one"></button>
          <button data-pick="go" class="primary" data-t="step.open"></button>
        </div>
        <p class="error" role="alert"></p>
      </div>`;
    translate(picker);
    this.numbers = picker.querySelector(".pick-numbers");
    this.error = picker.querySelector(".error");
    this.map = new Boundary(picker.querySelector(".pick-map"), { probe: async () => null });
    this.map.drawMarks = (context) => this.drawMarks(context);
    this.map.top.addEventListener("click", (event) => this.toggleAt(this.map.fromEvent(event)));
    this.numbers.addEventListener("change", () => this.read());
    this.numbers.addEventListener("keydown", (event) => event.key === "Enter" && this.read());
    picker.addEventListener("click", ({ target }) => this.pick(target.dataset?.pick));
    onLanguage(() => {
      this.mounted?.setLanguage(currentLanguage());
      if (!picker.closest("[hidden]")) this.help();
    });
  }

  get points() {
    return this.train.run.info.points.train;
  }

  // The screen comes up, or its run moved.
  async open() {
    const { run } = this.train;
    if (!run) return;
    this.map.setRun(run.info);
    if (run.last?.arrays.map) this.map.drawMap(run.last.arrays.map);
    if (run.last?.arrays.wrong) this.map.setWrong(run.last.arrays.wrong);
    this.help();
    this.samples = this.samples.filter((i) => i < this.points.length);
    this.write();
    await this.go();
  }

  help() {
    const { step } = this.train.run;
    this.picker.querySelector(".pick-help").textContent = t("step.help", { step });
  }

  // The screen goes: the stepper listens to keys that are now meant for others.
  close() {
    this.turn++;
    this.mode = this.mounted?.mode;
    this.mounted?.destroy();
    this.mounted = null;
  }

  write() {
    this.numbers.value = this.samples.join(", ");
    this.map.drawPoints();
  }

  read() {
    const list = this.numbers.value.split(/[\s,]+/).filter(Boolean).map(Number);
    const count = this.points.length;
    const fine = list.length >= 1 && list.length <= MOST &&
      list.every((i) => Number.isInteger(i) && i >= 0 && i < count);
    this.error.textContent = fine ? "" : t("step.range", { most: count - 1 });
    if (!fine) return;
    this.samples = [...new Set(list)];
    this.write();
    this.go();
  }

  async pick(what) {
    const { run } = this.train;
    if (!what || !run) return;
    const all = this.points.map((_, i) => i);
    this.error.textContent = "";
    if (what === "four") this.samples = all.slice(0, FOUR);
    if (what === "random") this.samples = shuffled(all).slice(0, FOUR);
    if (what === "wrong") {
      const wrong = all.filter((i) => run.last?.arrays.wrong?.[i]);
      if (!wrong.length) this.error.textContent = t("step.wrong.none");
      else this.samples = shuffled(wrong).slice(0, FOUR);
    }
    if (what === "one") {
      await this.train.one();
      await this.open();
      return;
    }
    this.write();
    await this.go();
  }

  // A click on the map takes the nearest point in or out.
  toggleAt(place) {
    if (!place) return;
    const [x0, x1, y0, y1] = this.train.run.info.extent;
    const far = ([x, y]) =>
      ((x - place[0]) / (x1 - x0)) ** 2 + ((y - place[1]) / (y1 - y0)) ** 2;
    const nearest = this.points.reduce(
      (best, point, i) => (far(point) < far(this.points[best]) ? i : best), 0,
    );
    const without = this.samples.filter((i) => i !== nearest);
    if (without.length === this.samples.length) {
      if (this.samples.length === MOST) return;
      this.samples = [...this.samples, nearest];
    } else if (without.length) this.samples = without;
    this.write();
    this.go();
  }

  drawMarks(context) {
    const { map } = this;
    const { ratio } = map.box;
    context.font = `bold ${11 * ratio}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    this.samples.forEach((i, order) => {
      const [x, y] = map.toCanvas(...this.points[i]);
      context.beginPath();
      context.arc(x, y, 8.5 * ratio, 0, 2 * Math.PI);
      context.fillStyle = map.tables.ink;
      context.fill();
      context.fillStyle = map.tables.paper;
      context.fillText(order + 1, x, y + 0.5 * ratio);
    });
  }

  async go() {
    const turn = ++this.turn;
    try {
      const [scene, { mount, strings }] = await Promise.all([
        api.trace(this.train.run.id, this.samples), loadStepper(),
      ]);
      if (turn !== this.turn) return;
      const mode = this.mounted?.mode ?? this.mode;
      this.mounted?.destroy();
      const lang = currentLanguage();
      this.mounted = mount(this.stage, scene, { strings, lang, mode, heading: false });
    } catch (error) {
      if (turn !== this.turn) return;
      if (error instanceof api.Refused) this.error.textContent = error.message;
      else if (error instanceof api.RunLost || error instanceof api.ServerGone) {
        this.train.failed(error);
      } else this.error.textContent = t("step.missing", { why: String(error) });
    }
  }
}

let loading = null;

// The stepper's code, texts and look, fetched when they are first wanted.
function loadStepper() {
  loading ??= Promise.all([
    import("./stepper.js"), api.stepperTexts(), addStyle("/static/stepper.css"),
  ])
    .then(([{ mount }, strings]) => ({ mount, strings }))
    .catch((error) => {
      loading = null;
      throw error;
    });
  return loading;
}

function addStyle(href) {
  return new Promise((done, failed) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
    link.addEventListener("load", done);
    link.addEventListener("error", () => failed(new Error(`${href} does not load`)));
    document.head.append(link);
  });
}

function shuffled(list) {
  const mixed = [...list];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [mixed[i], mixed[j]] = [mixed[j], mixed[i]];
  }
  return mixed;
}
