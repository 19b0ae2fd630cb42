// A run on the server, and what the page remembers of its course.

import * as api from "./api.js";
import { Series } from "./series.js";

const CURVES = ["loss", "test_loss", "acc", "test_acc"];
const DIFFERENCES = ["loss_difference", "parameter_difference", "gradient_difference"];

export class Run {
  // Gives a new run; `own` holds the reader's own points, if the recipe says so.
  static async open(recipe, own) {
    const answer = await api.openRun(recipe, recipe.data === "csv" ? own : undefined);
    return new Run(answer);
  }

  constructor(answer) {
    this.curves = Object.fromEntries(CURVES.map((name) => [name, new Series()]));
    this.differences = Object.fromEntries(DIFFERENCES.map((name) => [name, new Series()]));
    this.reference = new Series();
    this.adopt(answer);
  }

  adopt(answer) {
    this.info = answer;
    this.id = answer.id;
    this.recipe = answer.recipe;
    this.step = 0;
    this.referenceStep = 0;
    this.state = "ready";
    this.last = null; // the last frame
    this.norms = answer.layers.map(({ name }) => ({
      name, gradient: new Series(), ratio: new Series(),
    }));
    const kept = [...Object.values(this.curves), ...Object.values(this.differences)];
    for (const series of [...kept, this.reference]) series.clear();
  }

  // Whether PyTorch still has steps to catch up.
  get behind() {
    return (this.last?.reference?.behind ?? 0) > 0;
  }

  get hidden() {
    return this.info.layers.slice(0, -1);
  }

  async reset() {
    this.adopt(await api.resetRun(this.id));
  }

  async frame(steps, parts) {
    const [since, reference_since] = [this.step, this.referenceStep];
    const frame = await api.frame(this.id, { steps, parts, since, reference_since });
    this.remember(frame);
    return frame;
  }

  remember(frame) {
    const fresh = frame.new;
    for (const name of CURVES) this.curves[name].extend(fresh.step, fresh[name]);
    if (frame.step > this.step) {
      frame.norms.forEach(({ gradient, update_ratio }, i) => {
        this.norms[i].gradient.push(frame.step, gradient);
        this.norms[i].ratio.push(frame.step, update_ratio);
      });
    }
    const { reference } = frame;
    if (reference) {
      this.reference.extend(reference.step, reference.loss);
      this.referenceStep = reference.step.at(-1) ?? this.referenceStep;
      this.differences.loss_difference.extend(reference.step, reference.loss_difference);
      if (reference.at !== null && reference.step.length) {
        for (const name of DIFFERENCES.slice(1)) {
          this.differences[name].push(reference.at, reference[name]);
        }
      }
    }
    this.step = frame.step;
    this.state = frame.state;
    this.last = frame;
  }

  close() {
    return api.closeRun(this.id);
  }
}
