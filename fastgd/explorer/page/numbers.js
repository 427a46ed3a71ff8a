// What the translated rules call and no rule defines: the bits of a number, and pow, sin and cos.
//
// + - * / and square roots are exactly rounded by every browser. Browsers' own pow and sin are not, and differ from
// one another; these are plain arithmetic and the same everywhere. `pow` is computed with twice the digits and
// rounded once, `sin` and `cos` stay within 1 unit in the last place.

// --- Python's ---------------------------------------------------------------------------------------

const min = (a, b) => (b < a ? b : a);
const max = (a, b) => (b > a ? b : a);
const copysign = (size, signed) =>
  (signed < 0 || Object.is(signed, -0) ? -Math.abs(size) : Math.abs(size));

// --- the bits of a number: see fastgd.rules.elementary ------------------------------------------------

const $real = new Float64Array(1);
const $word = new BigUint64Array($real.buffer);
const $half = 0x3fe6a09e667f3bcdn; // the square root of 1/2

function pow2(k) {
  $real[0] = k;
  $word[0] <<= 52n;
  return $real[0];
}

function exponent(x) {
  $real[0] = x;
  return Number(($word[0] + (1023n << 52n) - $half) >> 52n) - 1023;
}

function mantissa(x) {
  $real[0] = x;
  $word[0] = (($word[0] - $half) & 0xfffffffffffffn) + $half;
  return $real[0];
}

// --- twice the digits: a number is a sum [high, low] (Dekker 1971) ------------------------------------

function $sum(a, b) {
  const s = a + b, t = s - a;
  return [s, (a - (s - t)) + (b - t)];
}

function $product(a, b) {
  const p = a * b, u = 134217729 * a, v = 134217729 * b;
  const ah = u - (u - a), al = a - ah, bh = v - (v - b), bl = b - bh;
  return [p, ((ah * bh - p) + ah * bl + al * bh) + al * bl];
}

function $add(a, b) {
  const [s, e] = $sum(a[0], b[0]);
  return $sum(s, e + a[1] + b[1]);
}

function $times(a, b) {
  const [p, e] = $product(a[0], b[0]);
  return $sum(p, e + a[0] * b[1] + a[1] * b[0]);
}

function $over(a, b) {
  const q = a[0] / b[0];
  const [p, e] = $product(q, b[0]);
  return $sum(q, (((a[0] - p) - e) + a[1] - q * b[1]) / b[0]);
}

const $log2 = [0.6931471805599453, 2.3190468138462996e-17];

const $inverse = []; // 1 / k
for (let k = 1; k < 50; k++) $inverse[k] = $over([1, 0], [k, 0]);

const $logs = new Map();

function $log(x) {
  if (!$logs.has(x)) {
    if ($logs.size > 200) $logs.clear();
    $logs.set(x, $freshLog(x));
  }
  return $logs.get(x);
}

function $freshLog(x) { // 2 atanh(f) + e log(2), f = (m - 1) / (m + 1), of a positive normal number
  const m = mantissa(x), e = exponent(x);
  const f = $over($sum(m, -1), $sum(m, 1)), s = $times(f, f);
  let q = [0, 0];
  for (let k = 49; k > 1; k -= 2) q = $times(s, $add(q, $inverse[k]));
  const atanh = $times(f, $add([1, 0], q));
  return $add([2 * atanh[0], 2 * atanh[1]], $times([e, 0], $log2));
}

function $exp(y) { // 2^k exp(r), |r| <= log(2) / 2
  const k = Math.round(y[0] / $log2[0]);
  const r = $add(y, $times([-k, 0], $log2));
  let q = [1, 0];
  for (let n = 26; n > 0; n--) q = $add([1, 0], $times($times(r, q), $inverse[n]));
  return (q[0] + q[1]) * 2 ** k;
}

// --- powers -------------------------------------------------------------------------------------------

const $powers = new Map(); // base -> its powers so far: an optimizer asks for beta^1, beta^2, beta^3, ...
const $longest = 100000;

function pow(x, y) {
  if (y === 0 || x === 1) return 1;
  if (!(x > 1e-300 && x < 1e300 && Math.abs(y) < 1e300)) return Math.pow(x, y);
  if (Number.isInteger(y) && y > 0 && y <= $longest && x < 1) return $wholePower(x, y);
  const exact = $times([y, 0], $log(x));
  return Math.abs(exact[0]) < 690 ? $exp(exact) : Math.pow(x, y);
}

function $wholePower(x, n) {
  let known = $powers.get(x);
  if (known === undefined) {
    if ($powers.size > 200) $powers.clear();
    known = { values: [1], last: [1, 0] };
    $powers.set(x, known);
  }
  while (known.values.length <= n) {
    known.last = known.last[0] < 1e-280 ? [0, 0] : $times(known.last, [x, 0]);
    known.values.push(known.last[0]);
  }
  return known.values[n];
}

// --- sine and cosine ----------------------------------------------------------------------------------

const $quarter = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21]; // of a turn, in parts of 33 bits
const $sines = [], $cosines = []; // of the series, without the first terms
for (let k = 3, f = 1; k < 22; k++) {
  f *= k === 3 ? 6 : k;
  ((k % 2 ? $sines : $cosines)).push((((k >> 1) % 2) ? -1 : 1) / f);
}

function $series(coefficients, s) {
  let q = 0;
  for (let k = coefficients.length - 1; k >= 0; k--) q = q * s + coefficients[k];
  return q;
}

function $turned(x, quarters) { // sin(x + quarters pi / 2)
  if (!(Math.abs(x) < 1e6)) return Math.sin(x + quarters * Math.PI / 2);
  const k = Math.round(x / (Math.PI / 2));
  const coarse = x - k * $quarter[0], middle = k * $quarter[1];
  const near = $sum(coarse, -middle), [r, lost] = $sum(near[0], near[1] - k * $quarter[2]);
  const s = r * r, turn = ((k + quarters) % 4 + 4) % 4;
  let value;
  if (turn % 2 === 0) {
    value = r + (r * s * $series($sines, s) + lost * (1 - s / 2));
  } else {
    const h = s / 2, w = 1 - h;
    value = w + (((1 - w) - h) + (s * s * $series($cosines, s) - r * lost));
  }
  return turn < 2 ? value : -value;
}

const sin = (x) => $turned(x, 0);
const cos = (x) => $turned(x, 1);

const NUMBERS = { pow2, exponent, mantissa, copysign };
const math = { pow, sin, cos };
