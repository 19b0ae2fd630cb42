// The Compare screen: two runs in lock step, side by side, and in one chart.

import * as api from "./api.js";
import { Boundary } from "./boundary.js";
import { brief, ladder, odometer, radios } from "./controls.js";
import { Chart } from "./curves.js";
import { counters } from "./loop.js";
import { differenceLines } from "./panels.js";
import { clearNotice, notice, speak } from "./notice.js";
import { ACTIVATIONS, DATA, copy } from "./recipe.js";
import { Run } from "./run.js";
import { onLanguage, t, translate } from "./strings.js";

const PARTS = ["map", "points", "reference"];
const PAIRS = ["linear", "engine", "lr", "mine"];

const PANE = `
  <div class="head">
    <h2 class="pane-title"></h2>
    <label><span data-t="pane.activation"></span><select data-edit="activation"></select></label>
    <label><span data-t="lr"></span><input data-edit="lr" type="number" min="0" step="any"></label>
  </div>
  <div class="boundary"></div>
  <div class="pane-apart"></div>
  <p class="pane-score"></p>`;

const BAR = `
  <div class="drive">
    <button class="round" data-do="reset" data-label="reset" data-title="reset.key"></button>
    <button class="round big" data-do="play" data-label="play" data-title="play.key"></button>
    <button class="round" data-do="one" data-label="one" data-title="one.key"></button>
  </div>
  <div class="count"><span class="name" data-t="count"></span><output>000,000</output></div>
  <label><span data-t="speed"></span><select data-edit="speed"></select></label>
  <div class="toggle pairs" role="radiogroup" data-label="compare.pairs">
    ${PAIRS.map((pair) => `<button role="radio" aria-checked="${pair === "linear"}" data-value="${pair}" data-t="compare.${pair}"></button>`).join("")}
  </div>
  <label><span data-t="compare.data"></span><select data-edit="data"></select></label>
  <label><span data-t="seed"></span><input data-edit="seed" type="number" min="0" step="1"></label>`;

export class Compare {
  constructor({ root, presets, noise, train }) {
    Object.assign(this, { root, presets, noise, train, playing: false, pair: "linear", turn: 0 });
    this.runs = [];
    this.build();
    this.chart = new Chart(root.querySelector(".compare-charts"), { title: "chart.loss" });
    this.second = new Chart(root.querySelector(".compare-charts"), {
      title: "chart.accuracy", range: [0, 100],
    });
    // How far apart two engines are takes the place of the second map, which would look the same.
    this.difference = new Chart(this.panes[1].find(".pane-apart"), {
      title: "chart.difference", log: true, peaks: true,
    });
    this.listen();
    onLanguage(() => this.runs.length && this.label());
  }

  build() {
    this.root.innerHTML = `<div class="bar">${BAR}</div>
      <div class="compare-panes"><section class="card pane">${PANE}</section>
      <section class="card pane">${PANE}</section></div><div class="compare-charts charts"></div>`;
    for (const id of ["reset", "play", "one"]) {
      this.find(`[data-do="${id}"]`).append(document.querySelector(`#${id} svg`).cloneNode(true));
    }
    this.panes = [...this.root.querySelectorAll(".pane")].map((node) => ({
      node,
      boundary: new Boundary(node.querySelector(".boundary"), { probe: async () => null }),
      find: (what) => node.querySelector(what),
    }));
    for (const pane of this.panes) {
      for (const name of ACTIVATIONS) {
        const option = new Option("", name);
        option.dataset.t = `activation.${name}`;
        pane.find('[data-edit="activation"]').add(option);
      }
    }
    for (const name of [...DATA, "csv"]) {
      const option = new Option("", name);
      option.dataset.t = `data.${name}`;
      option.disabled = name === "csv"; // only shown: it comes with Train's recipe
      this.find('[data-edit="data"]').add(option);
    }
    this.find('[data-edit="speed"]').innerHTML = document.getElementById("speed").innerHTML;
    translate(this.root);
  }

  find(what) {
    return this.root.querySelector(what);
  }

  listen() {
    this.find('[data-do="play"]').addEventListener("click", () => this.toggle());
    this.find('[data-do="one"]').addEventListener("click", () => this.one());
    this.find('[data-do="reset"]').addEventListener("click", () => this.reset());
    this.setPair = radios(this.find(".pairs"), (pair) => this.choose(pair));
    for (const key of ["data", "seed"]) {
      this.find(`.bar [data-edit="${key}"]`).addEventListener("change", ({ target }) => {
        const value = key === "seed" ? Number(target.value) || 0 : target.value;
        this.open(this.recipes.map((recipe) => this.edited(recipe, key, value)));
      });
    }
    this.panes.forEach((pane, side) => {
      const lr = pane.find('[data-edit="lr"]');
      ladder(lr);
      lr.addEventListener("change", () => Number(lr.value) > 0 && this.edit(side, "lr", Number(lr.value)));
      const activation = pane.find('[data-edit="activation"]');
      activation.addEventListener("change", () => this.edit(side, "activation", activation.value));
    });
    window.addEventListener("pagehide", () => this.runs.forEach((run) => run.close()));
  }

  edited(recipe, key, value) {
    const next = copy(recipe);
    if (key === "activation") next.layers.forEach((layer) => (layer.activation = value));
    else next[key] = value;
    if (key === "data") {
      next.noise = this.noise[value][0];
      next.loss = value === "blobs" ? "cross_entropy" : "bce";
    }
    return next;
  }

  edit(side, key, value) {
    const sides = this.single ? [0, 1] : [side];
    this.open(this.recipes.map((recipe, i) =>
      (sides.includes(i) ? this.edited(recipe, key, value) : recipe)));
  }

  // One of the ready-made pairs.
  choose(pair) {
    this.pair = pair;
    const [linear, relu] = this.presets.map(({ recipe }) => copy(recipe));
    const mine = copy(this.train.recipe ?? relu);
    const data = this.find('[data-edit="data"]').value;
    const pairs = {
      linear: [linear, relu],
      engine: [relu, copy(relu)],
      lr: [relu, { ...copy(relu), lr: 0.3 }],
      mine: [mine, { ...copy(mine), lr: Number((3 * mine.lr).toPrecision(12)) }],
    };
    const chosen = pairs[pair];
    const keep = this.runs.length > 0 && pair !== "mine" && data !== chosen[0].data && DATA.includes(data);
    return this.open(keep ? chosen.map((recipe) => this.edited(recipe, "data", data)) : chosen);
  }

  // NumPy beside PyTorch is one run and its reference.
  get single() {
    return this.pair === "engine";
  }

  async open(recipes) {
    const turn = ++this.turn;
    const wanted = this.single ? recipes.slice(0, 1) : recipes;
    let runs;
    try {
      runs = await Promise.all(wanted.map((recipe) => Run.open(recipe, this.train.ownData.points)));
    } catch (error) {
      if (turn === this.turn) this.failed(error);
      return;
    }
    if (turn !== this.turn) {
      runs.forEach((run) => run.close());
      return;
    }
    this.runs.forEach((run) => run.close());
    this.runs = runs;
    this.recipes = this.single ? [runs[0].recipe, runs[0].recipe] : runs.map((run) => run.recipe);
    clearNotice();
    this.show();
    await this.guard(() => this.pull(0));
  }

  // The screen comes up.
  start() {
    return this.runs.length ? null : this.choose(this.pair);
  }

  runOf(side) {
    return this.runs[this.single ? 0 : side];
  }

  show() {
    this.panes.forEach((pane, side) => {
      const run = this.runOf(side);
      pane.boundary.setRun(run.info);
      pane.find('[data-edit="activation"]').value = run.recipe.layers[0]?.activation ?? "none";
      pane.find('[data-edit="lr"]').value = run.recipe.lr;
    });
    this.find('.bar [data-edit="data"]').value = this.recipes[0].data;
    this.find('.bar [data-edit="seed"]').value = this.recipes[0].seed;
    this.label();
  }

  label() {
    const names = [0, 1].map((side) => () => this.name(side));
    this.panes.forEach((pane, side) => (pane.find(".pane-title").textContent = names[side]()));
    const [left, right] = [this.runOf(0), this.runOf(1)];
    const styles = this.single ? ["ours", "theirs"] : ["c0", "c1 dashed"];
    const line = (side, series) => ({ name: names[side], series, style: styles[side] });
    this.chart.setLines([
      line(0, left.curves.loss), line(1, this.single ? left.reference : right.curves.loss),
    ]);
    this.second.setLines(this.single ? [line(0, left.curves.acc)] : [
      line(0, left.curves.acc), line(1, right.curves.acc),
    ]);
    const { tolerance } = left.info.reference;
    this.panes[1].find(".boundary").hidden = this.single;
    this.panes[1].find(".pane-apart").hidden = !this.single;
    this.difference.setLines(this.single ? differenceLines(left) : [], this.single && tolerance ? { value: tolerance, name: () => t("chart.tolerance") } : null);
    this.score();
  }

  // What sets a side apart.
  name(side) {
    if (this.single) return ["NumPy", "PyTorch"][side];
    const [mine, other] = [this.recipes[side], this.recipes[1 - side]];
    const kinds = (recipe) => [...new Set(recipe.layers.map((layer) => layer.activation))];
    const parts = [];
    if (String(kinds(mine)) !== String(kinds(other)) || mine.lr === other.lr) {
      const words = kinds(mine).map((kind) => (kind === "none" ? t("linear") : t(`activation.${kind}`)));
      parts.push(words.join(" + ") || t("linear"));
    }
    if (mine.lr !== other.lr) parts.push(`lr ${mine.lr}`);
    return parts.join(", ");
  }

  score() {
    this.panes.forEach((pane, side) => {
      const run = this.runOf(side);
      const theirs = this.single && side === 1;
      const loss = theirs ? run.reference.last : run.curves.loss.last;
      const { acc, test_acc } = run.curves;
      const score = pane.find(".pane-score");
      if (theirs) {
        const { kind } = run.info.reference;
        score.textContent = kind === "none"
          ? t("reference.none")
          : `${t("loss")} ${brief(loss)} · ${t(`reference.${kind}`)}`;
      } else {
        const shown = run.state === "diverged" ? t("state.diverged") : brief(loss);
        const percent = (series) => (series.last === null ? "–" : `${series.last.toFixed(1)} %`);
        score.textContent = `${t("loss")} ${shown} · ${t("accuracy")} ${percent(acc)} · ` +
          `${t("part.test")} ${percent(test_acc)}`;
      }
    });
    this.find(".count output").textContent = odometer(Math.max(...this.runs.map((run) => run.step)));
  }

  setPlaying(playing) {
    this.playing = playing;
    const button = this.find('[data-do="play"]');
    button.classList.toggle("playing", playing);
    button.setAttribute("aria-label", t(playing ? "pause" : "play"));
    counters.playing = playing;
  }

  toggle() {
    if (!this.runs.length) return;
    this.setPlaying(!this.playing);
    const { step } = this.runs[0];
    speak(this.playing ? t("state.playing") : t("state.paused", { step }));
  }

  one() {
    if (!this.runs.length) return;
    this.setPlaying(false);
    this.guard(() => this.pull(1));
  }

  async reset() {
    if (!this.runs.length) return;
    this.setPlaying(false);
    await this.guard(async () => {
      await this.waiting;
      await Promise.all(this.runs.map((run) => run.reset()));
      this.show();
      await this.pull(0);
    });
  }

  async guard(act) {
    try {
      await act();
    } catch (error) {
      this.failed(error);
    }
  }

  wants() {
    return this.playing && this.runs.length > 0 && !this.waiting &&
      this.runs.some((run) => run.state !== "diverged");
  }

  async pull(steps = Number(this.find('[data-edit="speed"]').value)) {
    while (this.waiting) await this.waiting.catch(() => {});
    const { runs } = this;
    // A server that is short of time does fewer steps than asked: the one ahead waits.
    const furthest = Math.min(...runs.filter((run) => run.state !== "diverged").map((run) => run.step));
    this.waiting = Promise.all(runs.map((run) =>
      run.frame(Math.max(0, steps - Math.max(0, run.step - furthest)), PARTS)));
    let frames;
    try {
      frames = await this.waiting;
    } finally {
      this.waiting = null;
    }
    if (runs === this.runs) this.draw(frames);
  }

  draw(frames) {
    frames.forEach(({ arrays }, side) => {
      const { boundary } = this.panes[side];
      if (arrays.map) boundary.drawMap(arrays.map);
      if (arrays.wrong) boundary.setWrong(arrays.wrong);
      boundary.tell();
    });
    this.chart.draw();
    this.second.draw();
    if (this.single) this.difference.draw();
    this.score();
    const [first] = this.runs;
    if (this.runs.every((run) => run.state === "diverged")) this.setPlaying(false);
    Object.assign(counters, { step: first.step, state: first.state, run: first.id });
  }

  failed(error) {
    this.setPlaying(false);
    counters.trouble = error.name;
    const again = () => this.open(this.recipes ?? []);
    if (error instanceof api.RunLost) {
      notice("warning", () => t("run.lost"), [{ text: () => t("restart"), act: again }]);
    } else if (error instanceof api.ServerGone) {
      notice("error", () => t("gone"), [{
        text: () => t("retry"),
        act: () => this.guard(async () => {
          await api.renewToken();
          await (this.runs.length ? this.pull(0) : this.choose(this.pair));
        }),
      }]);
    } else if (error instanceof api.Refused) {
      notice("warning", () => error.message);
      if (this.runs.length) this.show();
    } else {
      notice("error", () => String(error));
      throw error;
    }
  }
}
