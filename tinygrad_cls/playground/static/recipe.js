// A recipe: everything that decides a run, so that a link to it is the run. The same codec is in
// recipe.py.

export const VERSION = 1;
export const DATA = ["circles", "blobs", "moons", "xor", "spiral"];
export const ACTIVATIONS = ["relu", "tanh", "sigmoid", "leaky_relu", "none"];
export const MOST_LAYERS = 6;
export const MOST_UNITS = 32;

export const DEFAULT = {
  v: VERSION,
  data: "circles",
  samples: 1000,
  noise: 0.03,
  test: 0.2,
  data_seed: 42,
  seed: 42,
  layers: [
    { units: 10, activation: "relu" },
    { units: 10, activation: "relu" },
  ],
  loss: "bce",
  lr: 0.1,
  momentum: 0,
  batch: 0,
  init: "pytorch",
  dtype: "float32",
};

const WORDS = {
  data: [...DATA, "csv"],
  loss: ["bce", "cross_entropy"],
  init: ["pytorch", "xavier", "he", "zeros"],
  dtype: ["float32", "float64"],
};

export const copy = (recipe) => structuredClone(recipe);
export const same = (a, b) => toHash(a) === toHash(b);

export function toHash(recipe) {
  const fields = Object.keys(DEFAULT).map((key) => {
    const value =
      key === "layers"
        ? recipe.layers.map((layer) => `${layer.units}:${layer.activation}`).join(",")
        : recipe[key];
    return `${key}=${value}`;
  });
  return `#${fields.join("&")}`;
}

// The hash's recipe, or `{problem, detail}`: a key of the string table and what it is about.
export function fromHash(hash) {
  const recipe = copy(DEFAULT);
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const version = fields.get("v");
  if (version === null) return broken("v");
  if (version !== String(VERSION)) return { problem: "link.version", detail: version };
  for (const key of fields.keys()) {
    const [text, ...more] = fields.getAll(key);
    if (!Object.hasOwn(DEFAULT, key) || more.length) return broken(key);
    const value = key === "layers" ? layers(text) : key in WORDS ? word(key, text) : number(text);
    if (value === undefined) return broken(`${key}=${text}`);
    recipe[key] = value;
  }
  return { recipe };
}

const broken = (detail) => ({ problem: "link.broken", detail });

const word = (key, text) => (WORDS[key].includes(text) ? text : undefined);

function number(text) {
  const value = text.trim() === "" ? NaN : Number(text);
  return Number.isFinite(value) ? value : undefined;
}

function layers(text) {
  if (text === "") return [];
  const list = text.split(",").map((part) => {
    const [units, activation] = part.split(":");
    return /^\d+$/.test(units) && ACTIVATIONS.includes(activation)
      ? { units: Number(units), activation }
      : undefined;
  });
  return list.includes(undefined) || list.length > MOST_LAYERS ? undefined : list;
}
