// The server: JSON requests, and frames, which are binary.

const META = 'meta[name="token"]';

let token = document.querySelector(META).content;

// The server did not answer at all.
export class ServerGone extends Error {
  name = "ServerGone";
}
// The server answers, but no longer has this run.
export class RunLost extends Error {
  name = "RunLost";
}
// The server refused, with a sentence for the reader.
export class Refused extends Error {
  name = "Refused";
}

async function send(method, path, body, options = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { "Content-Type": "application/json", "X-Token": token },
      body: body === undefined ? undefined : JSON.stringify(body),
      ...options,
    });
  } catch (error) {
    throw new ServerGone(String(error));
  }
  if (response.ok) return response;
  const text = await response.text().catch(() => "");
  let sentence = text;
  try {
    sentence = JSON.parse(text).error ?? text;
  } catch {
    // not JSON: the text itself is the message
  }
  throw new (response.status === 404 ? RunLost : Refused)(sentence || `HTTP ${response.status}`);
}

// A broken connection shows while the body is read, too.
async function read(response, how) {
  try {
    return await response[how]();
  } catch (error) {
    throw new ServerGone(String(error));
  }
}

const ask = async (method, path, body) => read(await send(method, path, body), "json");

export const stepperTexts = () => ask("GET", "/static/strings.json");
export const presets = () => ask("GET", "/presets");
// `own` holds the reader's own points, `{csv, csv_name}`, or nothing.
export const openRun = (recipe, own) => ask("POST", "/runs", { recipe, ...own });
export const resetRun = (id) => ask("POST", `/runs/${id}/reset`, {});
export const neuron = (id, layer, unit) => ask("POST", `/runs/${id}/neuron`, { layer, unit });
export const probability = (id, x) => ask("POST", `/runs/${id}/probability`, { x });
export const trace = (id, samples) => ask("POST", `/runs/${id}/trace`, { samples });
export const scripts = (recipe, steps, own) =>
  ask("POST", "/export", { recipe, steps, ...own });

// Also sent while the page closes, when nobody waits for the answer.
export const closeRun = (id) =>
  send("DELETE", `/runs/${id}`, undefined, { keepalive: true }).catch(() => {});

// A server that was restarted knows another token.
export async function renewToken() {
  const page = await read(await send("GET", "/"), "text");
  token = new DOMParser().parseFromString(page, "text/html").querySelector(META).content;
}

// Train as many `steps` as the request says. Gives the header, with `arrays` turned into typed arrays by name: views of
// the response's own bytes, nothing is copied.
export async function frame(id, request) {
  const response = await send("POST", `/runs/${id}/frame`, request);
  return parseFrame(await read(response, "arrayBuffer"));
}

const KINDS = { u1: Uint8Array, i4: Int32Array, f4: Float32Array };

export function parseFrame(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const start = Math.ceil((4 + length) / 8) * 8;
  const arrays = {};
  for (const { name, dtype, shape, offset } of header.arrays) {
    const count = shape.reduce((product, size) => product * size, 1);
    arrays[name] = new KINDS[dtype](buffer, start + offset, count);
  }
  return { ...header, arrays };
}
