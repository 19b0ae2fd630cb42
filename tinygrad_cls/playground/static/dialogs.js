// The two dialogs: the reader's own points, and the run as a script.

import * as api from "./api.js";
import { radios } from "./controls.js";
import { t } from "./strings.js";

const $ = (id) => document.getElementById(id);
const KEPT = "own-data"; // in this tab's storage, so that a reload keeps the points
const EXAMPLE_POINTS = 60;

// A click beside the dialog closes it, as the escape key does.
function closable(dialog, ...buttons) {
  for (const button of buttons) button.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}

export class OwnData {
  // use(points) tries them; it gives the server's refusal as a sentence, or nothing.
  // closed() hears that the dialog went away.
  constructor({ use, closed }) {
    this.points = JSON.parse(sessionStorage.getItem(KEPT) ?? "null") ?? undefined;
    this.dialog = $("own-dialog");
    this.name = "";
    closable(this.dialog, $("own-cancel"));
    this.dialog.addEventListener("close", closed);
    $("own").addEventListener("click", () => this.open());
    $("own-example").addEventListener("click", () => this.fill(example(), "example.csv"));
    $("own-text").addEventListener("input", () => (this.name = ""));
    $("own-file").addEventListener("change", async ({ target }) => {
      const [file] = target.files;
      if (file) this.fill(await file.text(), file.name);
      target.value = ""; // the same file can be chosen again after an edit
    });
    $("own-use").addEventListener("click", async () => {
      const points = { csv: $("own-text").value, ...(this.name ? { csv_name: this.name } : {}) };
      const refusal = await use(points);
      $("own-error").textContent = refusal ?? "";
      if (refusal) return;
      this.points = points;
      sessionStorage.setItem(KEPT, JSON.stringify(points));
      this.dialog.close();
    });
  }

  open() {
    $("own-error").textContent = "";
    if (!$("own-text").value && this.points) this.fill(this.points.csv, this.points.csv_name ?? "");
    this.dialog.showModal();
    $("own-text").focus();
  }

  fill(text, name) {
    $("own-text").value = text;
    this.name = name;
    $("own-error").textContent = "";
  }
}

// Two arcs, written as a file would be.
function example() {
  const lines = Array.from({ length: EXAMPLE_POINTS }, (_, i) => {
    const angle = (Math.PI * i) / EXAMPLE_POINTS;
    const upper = i % 2 === 0;
    const x = upper ? Math.cos(angle) : 1 - Math.cos(angle);
    const y = upper ? Math.sin(angle) : 0.4 - Math.sin(angle);
    return `${x.toFixed(3)},${y.toFixed(3)},${upper ? "left" : "right"}`;
  });
  return ["x1,x2,class", ...lines].join("\n");
}

export class Scripts {
  // current() gives {recipe, steps, own} of what is on the page.
  constructor({ current }) {
    this.dialog = $("script-dialog");
    this.engine = "tinygrad_cls";
    closable(this.dialog, $("script-close"));
    radios($("script-engine"), (engine) => {
      this.engine = engine;
      this.show();
    });
    $("open-script").addEventListener("click", () => this.open(current()));
    $("script-copy").addEventListener("click", async () => {
      $("script-copied").textContent = t((await copyText(this.text)) ? "copied" : "copied.not");
    });
    $("script-download").addEventListener("click", () => this.download());
  }

  async open(what) {
    if (!what) return;
    this.scripts = null;
    this.show();
    this.dialog.showModal();
    $("script-error").textContent = "";
    try {
      this.scripts = await api.scripts(what.recipe, what.steps, what.own);
    } catch (error) {
      $("script-error").textContent =
        error instanceof api.ServerGone ? t("gone") : error.message;
    }
    this.show();
  }

  get text() {
    return this.scripts?.[this.engine] ?? "";
  }

  show() {
    $("script-text").textContent = this.text;
    $("script-copied").textContent = "";
  }

  download() {
    const url = URL.createObjectURL(new Blob([this.text], { type: "text/x-python" }));
    Object.assign(document.createElement("a"), {
      href: url, download: `${this.engine}_run.py`,
    }).click();
    URL.revokeObjectURL(url);
  }
}

// Whether it worked: a browser may forbid it.
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
