// Small helpers for controls that the screens share.

// A group of radio buttons made of <button role=radio>: arrows move, `changed(value)` hears of it.
export function radios(root, changed) {
  const buttons = () => [...root.querySelectorAll('[role="radio"]')];
  const choose = (button, say = true) => {
    for (const one of buttons()) {
      one.setAttribute("aria-checked", String(one === button));
      one.tabIndex = one === button ? 0 : -1;
    }
    if (say && button) changed(button.dataset.value);
  };
  root.addEventListener("click", (event) => {
    const button = event.target.closest('[role="radio"]');
    if (button && !button.disabled) choose(button);
  });
  root.addEventListener("keydown", (event) => {
    const list = buttons().filter((one) => !one.disabled);
    const at = list.indexOf(document.activeElement);
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by || at < 0) return;
    event.preventDefault();
    const next = list[(at + by + list.length) % list.length];
    next.focus();
    choose(next);
  });
  const set = (value) =>
    choose(buttons().find((one) => one.dataset.value === value) ?? null, false);
  set(root.querySelector('[aria-checked="true"]')?.dataset.value);
  return set;
}

// The next number up or down the ladder 0.1, 0.3, 1, 3, 10 ...
export function rung(value, by) {
  if (!(value > 0)) return 0.001;
  const unit = 10 ** Math.floor(Math.log10(value) + 1e-9);
  const [up, down] = [[1, 3, 10], [3, 1, 0.3]];
  const next = by > 0
    ? up.find((k) => k * unit > value * 1.001)
    : down.find((k) => k * unit < value * 0.999);
  return Number((next * unit).toPrecision(1));
}

// Arrow keys in a number field climb that ladder.
export function ladder(input) {
  input.addEventListener("keydown", (event) => {
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    input.value = rung(Number(input.value), by);
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

// Whether a key press belongs to the thing that has the focus.
export function typing(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) {
    return true;
  }
  const { target } = event;
  if (target.closest("input, select, textarea, [contenteditable]")) return true;
  return event.key === " " && target.closest("button, a, summary, [role=radio]") !== null;
}

// A loss in four decimals, or with a power of ten; a dash where there is none.
export function brief(value) {
  if (value === null) return "–";
  return Math.abs(value) < 1e4 ? value.toFixed(4) : value.toExponential(1).replace("e+", "e");
}

// "000,123", as wide as a count usually gets.
export const odometer = (step) =>
  String(step).padStart(6, "0").replace(/(\d)(?=(\d{3})+$)/g, "$1,");
