// One descent, update by update: the loop of fastgd.engines.reference.sweeps for a single run.
//
// A problem has `n`, `slopes(x, g)` and `loss(x)`; a method is what fastgd.explorer.methods says of an optimizer;
// a setting has its `rate` and `momentum`, and `rateAt(step)` where the rate changes.

const LOOKAHEAD = "momentum"; // the rule of a method that takes gradients ahead of the point

function descend(problem, method, setting, limits, path) {
  const n = problem.n, x = Float64Array.from(setting.start), g = new Float64Array(n);
  const at = new Float64Array(n), old = new Float64Array(n), moved = new Float64Array(n);
  const turns = new Int32Array(n), before = new Float64Array(n);
  const step = new Stepper(method, setting, n);
  const most = limits.maxIter;
  let status = RUNNING, t = 0;
  if (path) path.record(x);
  for (;; t++) {
    if (t === 0 || (t < most && (most - t) % WINDOW === 0)) before.set(x);
    problem.slopes(x, g);
    status = STOPS.status(true, STOPS.converged(step.steepest(x, g), limits.tol), t === most,
      RUNNING, CONVERGED, MAX_ITER, DIVERGED);
    if (status !== RUNNING) break;
    old.set(x);
    step.prepareNumbers(t + 1);
    if (method.lookahead) {
      step.lookAhead(x, at);
      problem.slopes(at, g);
    }
    step.update(x, method.lookahead ? at : x, g);
    let within = true;
    for (let i = 0; i < n; i++) {
      const move = x[i] - old[i];
      turns[i] = STOPS.remembered(turns[i], STOPS.turned(move, moved[i], 0));
      moved[i] = move;
      within = within && STOPS.inside(x[i], limits.bound);
    }
    if (path) path.record(x);
    if (!within) {
      status = DIVERGED;
      t += 1;
      break;
    }
  }
  return { status, iterations: t, x, regime: regimeOf(problem, setting, status, t, x, before, turns) };
}

// An optimizer's numbers and state.
class Stepper {
  constructor(method, setting, n) {
    this.method = method;
    this.rule = RULES[method.lookahead ? LOOKAHEAD : method.rule];
    this.numbersOf = COEFFICIENTS[method.coefficients];
    this.hyper = Float64Array.from(method.hyper);
    this.hyper[0] = setting.rate;
    if (method.momentum >= 0) this.hyper[method.momentum] = setting.momentum;
    this.rateAt = setting.rateAt;
    this.carry = 1;
    const rate = setting.rateAt ? setting.rateAt(0) : setting.rate; // some states begin with it
    this.state = method.state.map((first) => new Float64Array(n).fill(first === "lr" ? rate : first));
    this.numbers = null;
  }

  // The coefficients of update number t.
  prepareNumbers(t) {
    if (this.numbers !== null && this.method.steady && !this.rateAt) return;
    if (this.rateAt) this.hyper[0] = this.rateAt(t - 1);
    const numbers = this.numbersOf(t, this.hyper, this.carry);
    if (this.method.carries) this.carry = numbers.shift();
    this.numbers = numbers;
  }

  lookAhead(x, at) {
    for (let i = 0; i < x.length; i++) at[i] = x[i] - this.numbers[0] * this.state[0][i];
  }

  // The rule; where a weight decays, what precedes it too.
  update(x, at, g) {
    if (this.method.shared) {
      const shared = COEFFICIENTS.prepare(0, [this.hyper[0], ...this.method.shared]);
      for (let i = 0; i < x.length; i++) {
        g[i] = prepare(at[i], g[i], ...shared)[1];
        x[i] = shared[SHARED - 1] * x[i];
      }
    }
    this.rule(x, g, this.state, this.numbers);
  }

  // The largest slope, by which a run converges.
  steepest(x, g) {
    let largest = 0;
    for (let i = 0; i < x.length; i++) {
      const slope = this.method.minimized ? steepness(x[i], g[i], ...this.method.minimized, 0)[0] : g[i];
      largest = STOPS.largest(largest, slope);
    }
    return largest;
  }
}

// As in a SweepResult: how a run went (fastgd.sweeps.regimes).
function regimeOf(problem, setting, status, t, x, before, turns) {
  if (status === DIVERGED) return "diverged";
  if (status === CONVERGED) {
    const oscillates = turns.some((bits) => STOPS.oscillating(ones(bits), t, MEMORY));
    return oscillates ? "oscillating" : "monotone";
  }
  const first = problem.loss(setting.start), now = problem.loss(x);
  if (!(now <= first + 1e-9 * Math.abs(first))) return "growing";
  return now < problem.loss(before) ? "slow" : "cycling";
}

function ones(bits) {
  let count = 0;
  for (; bits; bits &= bits - 1) count++;
  return count;
}

// The points of a run, two numbers each (or one), so that nothing is allocated at an update.
class Path {
  constructor(n, most) {
    this.n = n;
    this.points = new Float64Array(n * (most + 1));
    this.length = 0;
  }

  record(x) {
    this.points.set(x, this.n * this.length++);
  }

  at(k) {
    const place = this.n * Math.min(k, this.length - 1);
    return this.points.subarray(place, place + this.n);
  }
}
