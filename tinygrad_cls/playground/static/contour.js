// Lines of equal height on a square grid: marching squares.

// Calls segment(xa, ya, xb, yb), in grid units, for every piece of the line where the n x n values
// cross `level`.
export function contour(values, n, level, segment) {
  for (let row = 0; row < n - 1; row++) {
    for (let column = 0; column < n - 1; column++) {
      const at = row * n + column;
      const a = values[at] - level;
      const b = values[at + 1] - level;
      const c = values[at + n + 1] - level;
      const d = values[at + n] - level;
      const kind = (a > 0) | ((b > 0) << 1) | ((c > 0) << 2) | ((d > 0) << 3);
      if (kind === 0 || kind === 15) continue;
      const sides = [
        [column + a / (a - b), row],
        [column + 1, row + b / (b - c)],
        [column + d / (d - c), row + 1],
        [column, row + a / (a - d)],
      ];
      for (const [from, to] of PIECES[kind]) segment(...sides[from], ...sides[to]);
    }
  }
}

// Which sides of a cell (0 first row, 1 right, 2 second row, 3 left) the line joins, by which
// corners are above the level.
const PIECES = [
  [], [[3, 0]], [[0, 1]], [[3, 1]], [[1, 2]], [[3, 0], [1, 2]], [[0, 2]], [[3, 2]],
  [[2, 3]], [[2, 0]], [[0, 1], [2, 3]], [[2, 1]], [[1, 3]], [[1, 0]], [[0, 3]], [],
];
