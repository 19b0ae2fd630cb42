// The line above the screen that says what happened and what can be done; and a spoken one, for
// what is plain to see but not to hear.

import { onLanguage, t } from "./strings.js";

const root = document.getElementById("notice");
const textNode = document.getElementById("notice-text");
const actionsNode = document.getElementById("notice-actions");
const live = document.getElementById("live");

let shown = null;

// `text` is a function, so that it can be said again in the other language; actions are
// [{text, act}] with functions alike; kind: "info", "warning" or "error".
export function notice(kind, text, actions = []) {
  shown = { kind, text, actions };
  draw();
}

export function clearNotice(...kinds) {
  if (kinds.length && !kinds.includes(shown?.kind)) return;
  shown = null;
  draw();
}

function draw() {
  root.hidden = !shown;
  if (!shown) return;
  root.className = `notice ${shown.kind}`;
  textNode.textContent = shown.text();
  actionsNode.replaceChildren(
    ...[...shown.actions, { text: () => "×", act: () => {}, close: true }].map((action) => {
      const node = document.createElement("button");
      node.textContent = action.text();
      if (action.close) {
        node.className = "dismiss";
        node.setAttribute("aria-label", t("close"));
      }
      node.addEventListener("click", () => {
        clearNotice();
        action.act();
      });
      return node;
    }),
  );
}

export function speak(text) {
  live.textContent = text;
}

onLanguage(draw);
