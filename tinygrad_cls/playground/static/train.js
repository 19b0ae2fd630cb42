// The Train screen: one run, its recipe, and everything that is seen of it.

import * as api from "./api.js";
import { Boundary } from "./boundary.js";
import { Panels } from "./panels.js";
import { brief, ladder, odometer, radios } from "./controls.js";
import { counters } from "./loop.js";
import { Network, neuronName } from "./network.js";
import { clearNotice, notice, speak } from "./notice.js";
import { DATA, copy, fromHash, same, toHash } from "./recipe.js";
import { Run } from "./run.js";
import { currentLanguage, onLanguage, t } from "./strings.js";
import { drawThumbnail } from "./thumbnails.js";

const PARTS = ["map", "neurons", "weights", "points", "reference"];
const NUMBERS = ["lr", "momentum", "batch", "seed", "samples", "data_seed", "noise", "test"];
const WORDS = ["loss", "init", "dtype"];
const ASK = 400; // milliseconds between looks at the chosen neuron while training

const $ = (id) => document.getElementById(id);

export class Train {
  constructor({ presets, noise, ownData }) {
    Object.assign(this, { presets, noise, ownData, run: null, playing: false, chosen: null });
    this.opening = 0; // the newest request for a run: older answers are dropped
    this.boundary = new Boundary($("boundary"), { probe: (x) => this.probe(x) });
    this.network = new Network($("network"), {
      changed: (layers) => this.change({ layers }),
      selected: (layer, unit) => this.choose(layer, unit),
    });
    this.panels = new Panels($("charts"));
    this.listen();
    this.addPresets();
    this.addData();
    onLanguage(() => this.relabel());
  }

  // --- The recipe -----------------------------------------------------------------------------

  get recipe() {
    return this.run?.recipe ?? null;
  }

  // What a request about this recipe needs beside it.
  get own() {
    return this.recipe?.data === "csv" ? this.ownData.points : undefined;
  }

  change(edit) {
    const recipe = { ...copy(this.wanted ?? this.recipe), ...edit };
    if (edit.data && edit.data !== "csv" && edit.data !== this.recipe?.data) {
      recipe.noise = this.noise[edit.data]?.[0] ?? recipe.noise;
      if (edit.data === "blobs") recipe.loss = "cross_entropy";
    }
    this.open(recipe);
  }

  // A new run of `recipe`, which goes on playing if this one did.
  async open(recipe, message = null) {
    const turn = ++this.opening;
    this.wanted = recipe;
    let run;
    try {
      run = await Run.open(recipe, this.ownData.points);
    } catch (error) {
      if (turn === this.opening) await this.refused(error, recipe);
      return;
    }
    if (turn !== this.opening) {
      run.close();
      return;
    }
    await this.take(run, message);
  }

  // From now on this is the run. message() tells what the reader should know of it.
  async take(run, message = null) {
    this.wanted = null;
    this.run?.close();
    this.run = run;
    this.us = 0;
    this.show();
    if (message) message();
    else if (run.info.notes.length) notice("info", () => run.info.notes.map((note) => `${note}.`).join(" "));
    else clearNotice();
    await this.look();
  }

  // A recipe with the reader's new points: the server's refusal as a sentence, or nothing.
  async tryOwn() {
    const turn = ++this.opening;
    try {
      const run = await Run.open({ ...copy(this.recipe), data: "csv" }, this.ownData.points);
      if (turn === this.opening) this.take(run);
      return null;
    } catch (error) {
      return error instanceof api.ServerGone ? t("gone") : error.message;
    }
  }

  // The server would not have this recipe: say why, and show the one that is running. At the start
  // none is: a link's recipe gives way to the default one.
  async refused(error, recipe) {
    this.wanted = null;
    const standard = copy(this.presets[1].recipe);
    if (!(error instanceof api.Refused)) this.failed(error);
    else if (this.run || same(recipe, standard)) {
      notice("warning", () => error.message);
      if (this.run) this.fillControls();
    } else {
      await this.open(standard, () =>
        notice("warning", () => t("link.broken", { detail: error.message })));
    }
  }

  // What the address bar says, at the start and when it is edited.
  openHash(hash) {
    const standard = copy(this.presets[1].recipe);
    if (hash.replace("#", "") === "") return this.open(standard);
    const { recipe, problem, detail } = fromHash(hash);
    if (problem) return this.open(standard, () => notice("warning", () => t(problem, { detail })));
    if (this.run && same(recipe, this.recipe)) return null;
    if (recipe.data === "csv" && !this.ownData.points) {
      return this.open({ ...recipe, data: "circles" }, () =>
        notice("warning", () => t("link.csv"), [
          { text: () => t("own"), act: () => this.ownData.open() },
        ]),
      );
    }
    return this.open(recipe);
  }

  show() {
    const { info } = this.run;
    history.replaceState(null, "", toHash(this.recipe));
    this.chosen = null;
    this.boundary.setRun(info);
    this.network.setRun(info);
    this.panels.setRun(this.run);
    this.fillControls();
    this.tellNeuron();
    this.score();
  }

  fillControls() {
    const { recipe } = this;
    for (const key of [...NUMBERS, ...WORDS]) $(key).value = recipe[key];
    $("noise").max = this.noise[recipe.data]?.[1] ?? 1;
    $("noise").value = recipe.noise;
    for (const key of ["noise", "samples", "data_seed"]) $(key).disabled = recipe.data === "csv";
    this.sliders();
    this.setData(recipe.data);
    $("loss").options[0].disabled = this.run.info.classes.length > 2;
    for (const button of $("presets").children) {
      const preset = this.presets.find(({ name }) => name === button.dataset.value);
      button.setAttribute("aria-pressed", String(same(preset.recipe, recipe)));
    }
  }

  sliders() {
    $("noise-value").textContent = Number($("noise").value).toFixed(2);
    $("test-value").textContent = `${Math.round(100 * $("test").value)} %`;
  }

  // --- Controls -------------------------------------------------------------------------------

  listen() {
    $("play").addEventListener("click", () => this.toggle());
    $("one").addEventListener("click", () => this.one());
    $("reset").addEventListener("click", () => this.reset());
    for (const key of NUMBERS) {
      $(key).addEventListener("change", (event) => {
        const value = event.target.value.trim() === "" ? NaN : Number(event.target.value);
        if (Number.isFinite(value)) this.change({ [key]: value });
        else this.fillControls();
      });
    }
    for (const key of WORDS) {
      $(key).addEventListener("change", (event) => this.change({ [key]: event.target.value }));
    }
    for (const key of ["noise", "test"]) $(key).addEventListener("input", () => this.sliders());
    ladder($("lr"));
    radios($("edges"), (kind) => this.network.setKind(kind));
    radios($("part"), (part) => this.boundary.setPart(part));
    this.setData = radios($("datasets"), (data) => {
      if (data === "csv" && !this.ownData.points) this.ownData.open();
      else this.change({ data });
    });
    window.addEventListener("hashchange", () => this.openHash(location.hash));
    window.addEventListener("pagehide", () => this.run?.close());
    window.addEventListener("pageshow", (event) => event.persisted && this.open(this.recipe));
  }

  addPresets() {
    this.presets.forEach(({ name, number, recipe }) => {
      const button = document.createElement("button");
      button.dataset.value = name;
      button.innerHTML = "<b></b> <span></span>";
      button.firstChild.textContent = number;
      button.lastChild.dataset.t = `preset.${name}`;
      button.addEventListener("click", () => this.open(copy(recipe)));
      $("presets").append(button);
    });
  }

  addData() {
    for (const name of [...DATA, "csv"]) {
      const button = document.createElement("button");
      button.setAttribute("role", "radio");
      button.dataset.value = name;
      if (name === "csv") button.append(Object.assign(document.createElement("i"), { textContent: "csv" }));
      else {
        const canvas = Object.assign(document.createElement("canvas"), { width: 80, height: 80 });
        drawThumbnail(canvas, name);
        button.append(canvas);
      }
      const caption = document.createElement("span");
      caption.dataset.t = `data.${name}`;
      button.append(caption);
      $("datasets").append(button);
    }
  }

  relabel() {
    this.sliders();
    if (!this.run) return;
    const { chosen } = this;
    this.network.setRun(this.run.info);
    if (this.run.last) this.network.draw(this.run.last, true);
    this.network.choose(chosen);
    this.chosen = chosen;
    this.tellNeuron();
    this.score();
    this.setPlaying(this.playing);
  }

  // --- Driving --------------------------------------------------------------------------------

  setPlaying(playing) {
    this.playing = playing;
    const button = $("play");
    button.classList.toggle("playing", playing);
    button.setAttribute("aria-label", t(playing ? "pause" : "play"));
    counters.playing = playing;
  }

  toggle() {
    if (!this.run) return;
    if (this.run.state === "diverged") {
      this.diverged();
      return;
    }
    this.setPlaying(!this.playing);
    speak(this.playing ? t("state.playing") : this.summary());
  }

  summary() {
    const { step } = this.run;
    return `${t("state.paused", { step })}. ${t("loss")} ${$("train-loss").textContent}, ` +
      `${t("accuracy")} ${$("train-acc").textContent}`;
  }

  async one() {
    if (!this.run) return;
    this.setPlaying(false);
    await this.guard(() => this.pull(1));
    speak(this.summary());
  }

  async reset() {
    if (!this.run) return;
    this.setPlaying(false);
    const { run } = this;
    await this.guard(async () => {
      await this.waiting;
      await run.reset();
      this.told = null;
      this.show();
      clearNotice();
      await this.pull(0);
    });
  }

  look() {
    return this.guard(() => this.pull(0));
  }

  async guard(act) {
    try {
      await act();
    } catch (error) {
      this.failed(error);
    }
  }

  wants() {
    if (!this.run || this.waiting) return false;
    return this.run.behind || (this.playing && this.run.state !== "diverged");
  }

  // One request at a time, whoever asks.
  async pull(steps = this.playing ? Number($("speed").value) : 0) {
    while (this.waiting) await this.waiting.catch(() => {});
    const { run } = this;
    const sent = performance.now();
    this.waiting = run.frame(steps, PARTS);
    let frame;
    try {
      frame = await this.waiting;
    } finally {
      this.waiting = null;
    }
    if (run !== this.run) return;
    const drawn = performance.now();
    this.draw(frame);
    counters.waitMs += 0.1 * (drawn - sent - counters.waitMs);
    counters.drawMs += 0.1 * (performance.now() - drawn - counters.drawMs);
  }

  // --- Seeing ---------------------------------------------------------------------------------

  draw(frame) {
    const { map, wrong } = frame.arrays;
    if (map) this.boundary.drawMap(map);
    if (wrong) this.boundary.setWrong(wrong);
    this.network.draw(frame, !this.playing);
    this.panels.draw(!this.playing);
    this.boundary.tell();
    this.score(frame);
    if (this.chosen) this.askNeuron();
    else if (this.deadCount !== frame.dead.length) this.tellNeuron();
    if (frame.state === "diverged" && this.told !== this.run) this.diverged();
    Object.assign(counters, {
      step: frame.step, state: frame.state, run: this.run.id, dead: frame.dead.length,
    });
  }

  score(frame = this.run.last) {
    const { curves } = this.run;
    const text = (value) => (value === null && this.run.step ? t("state.diverged") : brief(value));
    const percent = (value) => (value === null ? "–" : `${value.toFixed(1)} %`);
    $("train-loss").textContent = text(curves.loss.last);
    $("test-loss").textContent = text(curves.test_loss.last);
    $("train-acc").textContent = percent(curves.acc.last);
    $("test-acc").textContent = percent(curves.test_acc.last);
    $("count").textContent = odometer(this.run.step);
    if (frame?.us_per_step) this.us = Math.round(frame.us_per_step);
    $("cost").textContent = this.us
      ? t("cost", { us: this.us.toLocaleString("en") }) +
        (this.playing && counters.fps ? t("cost.fps", { fps: Math.round(counters.fps) }) : "")
      : "";
  }

  diverged() {
    this.told = this.run;
    this.setPlaying(false);
    const { step, recipe } = this.run;
    const lr = Number((recipe.lr > 0.5 ? 0.1 : recipe.lr / 10).toPrecision(2));
    this.panels.draw(true);
    // The server's sentence is in English, and says more.
    const { message } = this.run.last;
    const what = () =>
      currentLanguage() === "en"
        ? `${message[0].toUpperCase()}${message.slice(1)}.`
        : t("diverged", { step });
    notice("error", () => `${what()} ${t("diverged.kept")}`, [
      { text: () => t("diverged.lower", { lr }), act: () => this.change({ lr }) },
      { text: () => t("reset"), act: () => this.reset() },
    ]);
  }

  async probe(x) {
    if (this.playing || !this.run || this.run.state === "diverged") return null;
    try {
      return (await api.probability(this.run.id, x)).probabilities;
    } catch {
      return null; // the map's own number stays
    }
  }

  choose(layer, unit) {
    const off = this.chosen?.layer === layer && this.chosen.unit === unit;
    this.chosen = off ? null : { layer, unit };
    this.network.choose(this.chosen);
    this.boundary.setSegments(null);
    this.tellNeuron();
    if (this.chosen) this.askNeuron(true);
  }

  // Asks for the chosen neuron's formula, now and then while it trains.
  async askNeuron(now = false) {
    const { chosen, run } = this;
    if (this.asking || (!now && this.playing && performance.now() - this.asked < ASK)) return;
    this.asking = true;
    this.asked = performance.now();
    try {
      const answer = await api.neuron(run.id, chosen.layer, chosen.unit);
      if (chosen === this.chosen && run === this.run) {
        this.tellNeuron(answer);
        this.boundary.setSegments(answer.segments);
      }
    } catch (error) {
      this.failed(error);
    } finally {
      this.asking = false;
    }
    if (chosen !== this.chosen && this.chosen) this.askNeuron(true);
  }

  tellNeuron(answer = null) {
    const root = $("neuron");
    const dead = this.run?.last?.dead ?? [];
    this.deadCount = dead.length;
    root.replaceChildren();
    const add = (tag, className, text) =>
      root.append(Object.assign(document.createElement(tag), { className, textContent: text }));
    if (!this.chosen || !answer) {
      add("p", "hint", this.chosen ? neuronName(this.run.info, this.chosen.layer, this.chosen.unit) : t("neuron.hint"));
    } else {
      add("b", "", neuronName(this.run.info, this.chosen.layer, this.chosen.unit));
      add("code", "", answer.formula);
      const { active, of } = answer;
      const line = answer.segments.length ? "neuron.line" : "neuron.noline";
      const isDead = dead.some(([l, u]) => l === this.chosen.layer && u === this.chosen.unit);
      if (isDead) add("span", "badge", t("dead", { of }));
      add("p", "hint", `${isDead ? "" : `${t("active", { active, of })}; `}${t(line)}`);
    }
    if (dead.length && !(this.chosen && answer)) {
      const of = this.run.hidden.reduce((sum, { units }) => sum + units, 0);
      add("span", "badge", t("dead.count", { n: dead.length, of }));
    }
  }

  // --- Trouble --------------------------------------------------------------------------------

  failed(error) {
    this.setPlaying(false);
    counters.trouble = error.name;
    if (error instanceof api.RunLost) {
      notice("warning", () => t("run.lost"), [
        { text: () => t("restart"), act: () => this.open(this.recipe ?? this.wanted) },
      ]);
    } else if (error instanceof api.ServerGone) {
      notice("error", () => t("gone"), [{ text: () => t("retry"), act: () => this.retry() }]);
    } else if (error instanceof api.Refused) notice("warning", () => error.message);
    else {
      notice("error", () => String(error));
      throw error;
    }
  }

  // The server may be another one by now, with another token and without this run.
  async retry() {
    await this.guard(async () => {
      await api.renewToken();
      clearNotice();
      if (this.run) await this.pull(0);
      else await this.openHash(location.hash);
    });
  }
}
