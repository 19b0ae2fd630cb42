// Starts the page: language, light, tabs, keys, and the three screens.

import * as api from "./api.js";
import { Compare } from "./compare.js";
import { typing } from "./controls.js";
import { palette } from "./colors.js";
import { OwnData, Scripts, copyText } from "./dialogs.js";
import { counters, setClient } from "./loop.js";
import { notice } from "./notice.js";
import { copy } from "./recipe.js";
import { StepScreen } from "./step.js";
import { preferredLanguage, setLanguage, t } from "./strings.js";
import { Train } from "./train.js";

const $ = (id) => document.getElementById(id);
const SCREENS = ["train", "step", "compare"];

let train;
let stepScreen;
let compare;
let screen = "train";

// --- Light and dark -----------------------------------------------------------------------------

const dark = matchMedia("(prefers-color-scheme: dark)");

function setTheme() {
  const wish = localStorage.getItem("theme");
  document.documentElement.dataset.theme = wish ?? (dark.matches ? "dark" : "light");
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const tables = {
    ...palette(color("--paper")), ink: color("--ink"), muted: color("--muted"), line: color("--line"),
  };
  const boundaries = [train?.boundary, stepScreen?.map, ...(compare?.panes ?? []).map((p) => p.boundary)];
  for (const view of [...boundaries, train?.network]) view?.setTables(tables);
}

function switchTheme() {
  const { theme } = document.documentElement.dataset;
  localStorage.setItem("theme", theme === "dark" ? "light" : "dark");
  setTheme();
}

// --- Tabs ---------------------------------------------------------------------------------------

function show(name) {
  screen = name;
  counters.screen = name;
  for (const one of SCREENS) {
    const tab = $(`tab-${one}`);
    tab.setAttribute("aria-selected", String(one === name));
    tab.tabIndex = one === name ? 0 : -1;
    $(one).hidden = one !== name;
  }
  if (name !== "train") train.setPlaying(false);
  if (name !== "compare") compare.setPlaying(false);
  setClient({ train, step: null, compare }[name]);
  if (name === "step") stepScreen.open();
  else stepScreen.close();
  if (name === "compare") compare.start();
}

function listenToTabs() {
  for (const name of SCREENS) $(`tab-${name}`).addEventListener("click", () => show(name));
  document.querySelector('[role="tablist"]').addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = SCREENS[(SCREENS.indexOf(screen) + by + SCREENS.length) % SCREENS.length];
    show(next);
    $(`tab-${next}`).focus();
  });
}

// --- Keys ---------------------------------------------------------------------------------------

function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    const active = { train, compare }[screen];
    if (!active || typing(event) || event.repeat) return;
    const act = { " ": "toggle", s: "one", r: "reset" }[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    active[act]();
  });
}

// All that is seen of a hidden tab is its title: training waits there.
const TITLE = document.title;
function tellHidden() {
  const waits = document.hidden && counters.playing;
  document.title = waits ? `${t("state.hidden")} · ${TITLE}` : TITLE;
}

async function copyLink() {
  const copied = await copyText(location.href);
  notice(copied ? "info" : "warning", () => (copied ? t("link.copied") : location.href));
}

// --- The start ----------------------------------------------------------------------------------

async function start() {
  $("language").addEventListener("change", ({ target }) => {
    localStorage.setItem("language", target.value);
    setLanguage(target.value);
  });
  setLanguage(preferredLanguage());
  $("language").value = document.documentElement.lang;
  try {
    build(await api.presets());
  } catch (error) {
    if (!(error instanceof api.ServerGone)) throw error;
    notice("error", () => t("gone"), [{ text: () => t("retry"), act: () => location.reload() }]);
    return;
  }
  await train.openHash(location.hash);
  counters.ready = true;
}

function build({ presets, noise }) {
  const ownData = new OwnData({
    use: async (points) => {
      const before = ownData.points;
      ownData.points = points;
      const refusal = await train.tryOwn();
      if (refusal) ownData.points = before;
      return refusal;
    },
    closed: () => train.run && train.fillControls(),
  });
  train = new Train({ presets, noise, ownData });
  stepScreen = new StepScreen({ picker: $("picker"), stage: $("stepper"), train });
  compare = new Compare({ root: $("compare"), presets, noise, train });
  new Scripts({
    current: () =>
      train.run && { recipe: copy(train.recipe), steps: train.run.step, own: train.own },
  });
  listenToTabs();
  listenToKeys();
  $("copy-link").addEventListener("click", copyLink);
  $("theme").addEventListener("click", switchTheme);
  dark.addEventListener("change", setTheme);
  document.addEventListener("visibilitychange", tellHidden);
  setLanguage(document.documentElement.lang);
  setTheme();
  show("train");
}

start();
