// A curve of any length in bounded memory.

const CAPACITY = 512;

// Points in order of x. When it is full, every four points become their lowest and highest, so that
// a spike stays visible however long the run.
export class Series {
  constructor() {
    this.xs = new Float64Array(CAPACITY);
    this.ys = new Float64Array(CAPACITY);
    this.clear();
  }

  clear() {
    this.length = 0;
    this.version = 0;
    this.last = null;
    this.every = 1; // how many pushes one kept point stands for
    this.bucket = [];
  }

  push(x, y) {
    this.last = y;
    if (y === null || !Number.isFinite(y)) return;
    this.version++;
    if (this.every === 1) {
      this.keep(x, y);
      return;
    }
    this.bucket.push([x, y]);
    if (this.bucket.length < 2 * this.every) return;
    for (const point of extremes(this.bucket)) this.keep(...point);
    this.bucket.length = 0;
  }

  keep(x, y) {
    this.xs[this.length] = x;
    this.ys[this.length] = y;
    if (++this.length === CAPACITY) this.thin();
  }

  thin() {
    let to = 0;
    for (let from = 0; from < CAPACITY; from += 4) {
      const four = [0, 1, 2, 3].map((i) => [this.xs[from + i], this.ys[from + i]]);
      for (const [x, y] of extremes(four)) {
        this.xs[to] = x;
        this.ys[to] = y;
        to++;
      }
    }
    this.length = to;
    this.every *= 2;
  }

  // Lists as frames bring them: all of one length.
  extend(xs, ys) {
    for (let i = 0; i < xs.length; i++) this.push(xs[i], ys[i]);
  }
}

// The lowest and the highest point, in order of x.
function extremes(points) {
  let [low, high] = [points[0], points[0]];
  for (const point of points) {
    if (point[1] < low[1]) low = point;
    if (point[1] >= high[1]) high = point;
  }
  return low[0] < high[0] ? [low, high] : [high, low];
}
