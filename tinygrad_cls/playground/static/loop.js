// The pull loop: one request per animation frame, never two at a time, none while the tab is
// hidden. Whoever is on screen is its client: `wants()` says whether to pull, `pull()` does, and
// `failed(error)` hears of a failure.

const WINDOW = 60; // frames that the rate is measured over

// For those who measure: `window.playground`.
export const counters = { frames: 0, fps: 0, inFlight: 0, mostInFlight: 0, drawMs: 0, waitMs: 0 };
window.playground = counters;

const times = new Float64Array(WINDOW);
let client = null;
let busy = false;
let due = false; // an animation frame went by while the last answer was under way
let streak = 0; // frames since the loop last rested

export function setClient(next) {
  client = next;
}

function tick() {
  requestAnimationFrame(tick);
  if (busy) due = true;
  else next();
}

// An answer that comes late is followed at once, so that 20 ms of waiting do not cost 33.
function next() {
  if (document.hidden || !client?.wants()) {
    streak = 0;
    return;
  }
  busy = true;
  due = false;
  pull(client).finally(() => {
    busy = false;
    if (due) next();
  });
}

async function pull(whose) {
  counters.inFlight++;
  counters.mostInFlight = Math.max(counters.mostInFlight, counters.inFlight);
  try {
    await whose.pull();
    count();
  } catch (error) {
    whose.failed(error);
  } finally {
    counters.inFlight--;
  }
}

function count() {
  const now = performance.now();
  const first = times[streak % WINDOW];
  times[streak % WINDOW] = now;
  const seen = Math.min(streak, WINDOW);
  if (streak >= WINDOW) counters.fps = (1000 * WINDOW) / (now - first);
  else if (seen > 1) counters.fps = (1000 * seen) / (now - times[0]);
  streak++;
  counters.frames++;
}

requestAnimationFrame(tick);
