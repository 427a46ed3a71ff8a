// What the state computes: a run of every optimizer shown.

const BOUND = 1e100; // of a parameter: beyond it a run has diverged

function settingOf(state, name) {
  const rate = state.rates[name];
  return {
    start: state.start,
    rate,
    momentum: state.momenta[name],
    rateAt: rateAt(state.schedule, state.total, rate),
  };
}

const limitsOf = (state, about) => ({ maxIter: state.updates, tol: about.tol, bound: BOUND });

// Where a run went, how it ended, and its loss at every update.
function runOf(state, problem, name) {
  const path = new Path(problem.n, state.updates);
  const found = descend(problem, METHODS[name], settingOf(state, name), limitsOf(state, problem.about), path);
  const losses = new Float64Array(path.length);
  for (let k = 0; k < path.length; k++) losses[k] = problem.loss(path.at(k));
  return { name, path, losses, ...found };
}

// What is said of a run after `step` updates.
function badgeOf(run, step) {
  const n = run.iterations.toLocaleString("en-US");
  if (step < run.iterations) return { kind: "running", text: `update ${step.toLocaleString("en-US")}` };
  switch (run.regime) {
    case "monotone": return { kind: "converged", text: `converged at ${n}` };
    case "oscillating": return { kind: "oscillating", text: `converged at ${n}, oscillating` };
    case "diverged": return { kind: "diverged", text: `diverged at ${n}` };
    case "growing": return { kind: "growing", text: "growing" };
    case "cycling": return { kind: "cycling", text: "oscillating" };
    default: return { kind: "slow", text: `on its way at ${n}` };
  }
}

// --- phase diagrams: fastgd.explorer.phases makes the same -------------------------------------------

function phaseAxes(rate) {
  const first = Math.floor(Math.log10(rate)) - 2;
  const rates = Array.from({ length: 65 }, (_, k) => Number((10 ** (first + k / 16)).toPrecision(3)));
  return { rates, momenta: Array.from({ length: 34 }, (_, k) => Number((0.03 * k).toFixed(2))) };
}

function phaseKey(state) {
  const { problem, start, updates, schedule, total, selected } = state;
  return JSON.stringify([problem, start, updates, schedule, schedule === PLAIN ? 0 : total, selected]);
}

// The diagram that the page came with, if it is of this state.
function embeddedPhase(state, about) {
  const found = about.phases[state.selected];
  const own = found && state.schedule === PLAIN && state.updates === about.updates
    && state.start.every((value, k) => value === about.start[k]);
  return own ? { regimes: found.regimes.map((row) => [...row].map(Number)), iterations: found.iterations } : null;
}

// Sweeps a diagram part by part: `work(milliseconds)` goes on, and says whether there is more to do.
function phaseSweep(state, problem, axes) {
  const method = METHODS[state.selected], limits = limitsOf(state, problem.about);
  const momenta = method.momentum < 0 ? [0] : axes.momenta;
  const regimes = momenta.map(() => new Array(axes.rates.length).fill(0));
  const iterations = momenta.map(() => new Array(axes.rates.length).fill(0));
  const cells = momenta.length * axes.rates.length;
  let next = 0;
  function work(milliseconds) {
    const end = performance.now() + milliseconds;
    for (; next < cells && performance.now() < end; next++) {
      const row = Math.floor(next / axes.rates.length), column = next % axes.rates.length;
      const rate = axes.rates[column];
      const setting = {
        start: state.start, rate, momentum: momenta[row], rateAt: rateAt(state.schedule, state.total, rate),
      };
      const run = descend(problem, method, setting, limits, null);
      regimes[row][column] = REGIMES.indexOf(run.regime);
      iterations[row][column] = run.iterations;
    }
    return next < cells;
  }
  return { regimes, iterations, work };
}
