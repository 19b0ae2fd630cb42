// The charts under the network: how the run went, layer by layer, and beside PyTorch.

import { Chart } from "./curves.js";
import { t } from "./strings.js";

// How far a run's NumPy and PyTorch are apart.
export function differenceLines({ differences }) {
  const { loss_difference, parameter_difference, gradient_difference } = differences;
  return [
    { name: () => t("difference.loss"), series: loss_difference, style: "c0" },
    { name: () => t("difference.parameters"), series: parameter_difference, style: "c2" },
    { name: () => t("difference.gradients"), series: gradient_difference, style: "c3" },
  ];
}

export class Panels {
  constructor(root) {
    this.loss = new Chart(root, { title: "chart.loss" });
    this.accuracy = new Chart(root, { title: "chart.accuracy", range: [0, 100] });
    this.gradient = new Chart(root, { title: "chart.gradient", log: true });
    this.ratio = new Chart(root, { title: "chart.ratio", log: true });
    this.reference = new Chart(root, { title: "chart.reference" });
    this.difference = new Chart(root, { title: "chart.difference", log: true, peaks: true });
    this.all = [
      this.loss, this.accuracy, this.gradient, this.ratio, this.reference, this.difference,
    ];
    this.turn = 0;
  }

  setRun(run) {
    this.run = run;
    const { loss, test_loss, acc, test_acc } = run.curves;
    const both = (train, test) => [
      { name: () => t("part.train"), series: train, style: "c0" },
      { name: () => t("part.test"), series: test, style: "c1 dashed" },
    ];
    this.loss.setLines(both(loss, test_loss));
    this.accuracy.setLines(both(acc, test_acc));
    const layers = (which) =>
      run.norms.map((norm, i) => ({
        name: () => (i ? String(i + 1) : t("layer", { n: 1 })), series: norm[which], style: `l${i}`,
      }));
    this.gradient.setLines(layers("gradient"));
    this.ratio.setLines(layers("ratio"));
    this.setReference(run.info.reference, run);
    this.draw(true);
  }

  setReference({ kind, tolerance }, run) {
    this.kind = kind;
    const has = kind !== "none";
    this.reference.root.classList.toggle("absent", !has);
    this.difference.root.classList.toggle("absent", !has);
    this.reference.setLines(has ? [
      { name: () => "NumPy", series: run.curves.loss, style: "ours" },
      { name: () => `PyTorch, ${t(`reference.${kind}`)}`, series: run.reference, style: "theirs" },
    ] : []);
    const level = tolerance ? { value: tolerance, name: () => t("chart.tolerance") } : null;
    this.difference.setLines(has ? differenceLines(run) : [], has ? level : null);
  }

  // Every chart, or only the next in turn: a chart is worth a redraw ten times a second.
  draw(all = false) {
    if (all) this.all.forEach((chart) => chart.draw());
    else this.all[this.turn++ % this.all.length].draw();
    if (all || this.turn % this.all.length === 0) this.say();
  }

  say() {
    const { info, last, step } = this.run;
    const { kind, why } = info.reference;
    if (kind === "none") {
      this.reference.say(t("reference.none"));
      this.difference.say("");
      this.reference.root.title = why;
      return;
    }
    this.reference.root.title = info.reference.tolerance_why ?? "";
    const behind = last?.reference?.behind ?? 0;
    this.reference.say(behind > 20 ? t("reference.behind", { n: behind }) : "");
    const lists = Object.values(this.run.differences);
    const equal = step > 0 && lists[0].length > 0 &&
      lists.every(({ ys, length }) => ys.subarray(0, length).every((y) => y === 0));
    this.difference.say(equal ? t("chart.equal") : "");
  }
}
