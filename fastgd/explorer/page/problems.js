// Problems as a descent takes them, from what fastgd.explorer.described says of them.

const KINDS = {
  quadratic(about) {
    const n = about.linear.length, h = about.hessian, b = about.linear, deepest = about.solution;
    return {
      n,
      slopes(x, g) {
        for (let i = 0; i < n; i++) g[i] = GRADIENTS.quadratic(i, n, h, b, x);
      },
      loss(x) { // counted from the lowest point, where x'Hx / 2 - b'x would cancel
        let bowl = 0;
        for (let i = 0; i < n; i++) {
          for (let j = 0; j < n; j++) bowl += h[i][j] * (x[i] - deepest[i]) * (x[j] - deepest[j]);
        }
        return about.lowest + bowl / 2;
      },
    };
  },

  polynomial(about) {
    const slope = about.derivative, curve = about.coefficients;
    return {
      n: 1,
      slopes(x, g) {
        g[0] = GRADIENTS.polynomial(slope.length, slope, x);
      },
      loss: (x) => GRADIENTS.polynomial(curve.length, curve, x),
    };
  },

  function(about) {
    const value = FUNCTIONS[about.function], unused = new Float64Array(about.n);
    return { n: about.n, slopes: value, loss: (x) => value(x, unused) };
  },
};

function problemOf(about) {
  return { about, ...KINDS[about.kind](about) };
}

// The largest curvature of a quadratic in two parameters.
function largestOf([[a, b], [, d]]) {
  const half = (a + d) / 2;
  return half + Math.sqrt(half * half - (a * d - b * b));
}

// The least and the largest of many numbers.
const least = (values) => values.reduce((a, b) => Math.min(a, b));
const most = (values) => values.reduce((a, b) => Math.max(a, b));

// Least squares of a line through two columns, as fastgd.LeastSquares(x, y) has it: cost 1/2m, inputs scaled to [0, 1].
function lineThrough(x, y) {
  const m = x.length, low = least(x), span = most(x) - low;
  const scaled = x.map((value) => (value - low) / span);
  let sx = 0, sxx = 0, sy = 0, sxy = 0;
  for (let i = 0; i < m; i++) {
    sx += scaled[i];
    sxx += scaled[i] * scaled[i];
    sy += y[i];
    sxy += scaled[i] * y[i];
  }
  const hessian = [[sxx / m, sx / m], [sx / m, 1]], linear = [sxy / m, sy / m];
  const determinant = hessian[0][0] - hessian[0][1] * hessian[0][1];
  const w = (linear[0] - hessian[0][1] * linear[1]) / determinant;
  const solution = [w, linear[1] - hessian[0][1] * w];
  let squares = 0;
  for (let i = 0; i < m; i++) squares += (solution[0] * scaled[i] + solution[1] - y[i]) ** 2;
  return { hessian, linear, solution, lowest: squares / (2 * m), low, span };
}
