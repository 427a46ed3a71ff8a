// The small pictures: losses, rows with lines, and the schedule.

function lowestLoss(problem) {
  return Math.min(...problem.about.marks.map((mark) => problem.loss(mark)));
}

const sameRuns = (some, others) => some.length === others.length && some.every((run, k) => run === others[k]);

// All losses lie on two layers, faint and strong; the strong one is shown up to the update.
class LossChart {
  constructor(canvas) {
    this.surface = new Surface(canvas);
    this.runs = null;
  }

  renew() {
    this.runs = null;
  }

  draw(problem, runs, step) {
    if (this.surface.fit() || !this.runs || !sameRuns(this.runs, runs)) this.prepare(problem, runs);
    const c = this.surface.ready(), { box } = this, here = this.x(step);
    c.drawImage(this.faint.canvas, 0, 0, this.surface.width, this.surface.height);
    clipped(c, { ...box, right: here + 1 }, () => c.drawImage(this.strong.canvas, 0, 0, this.surface.width, this.surface.height));
    c.setLineDash([3, 3]);
    c.strokeStyle = ink("--quiet");
    stroke(c, [[here, box.top], [here, box.bottom]]);
  }

  prepare(problem, runs) {
    this.runs = [...runs];
    this.box = boxOf(this.surface);
    const { box } = this, lowest = lowestLoss(problem);
    const longest = Math.max(10, ...runs.map((run) => run.iterations));
    const first = problem.loss(runs.length ? runs[0].path.at(0) : problem.about.start) - lowest;
    const top = Math.max(first, 1e-12) * 30, floor = top * 1e-10;
    this.x = linear(0, longest, box.left, box.right);
    const y = logarithmic(floor, top, box.bottom, box.top);
    this.faint = layerLike(this.surface);
    this.strong = layerLike(this.surface);
    const below = this.faint.ready(), above = this.strong.ready();
    drawAxes(below, box, this.x, y, ["update", "loss − lowest loss"]);
    for (const [c, alpha] of [[below, 0.28], [above, 1]]) {
      c.globalAlpha = alpha;
      clipped(c, box, () => {
        for (const run of runs) this.line(c, run, (loss) => tame(y(Math.max(loss - lowest, floor * 0.1))));
      });
    }
  }

  line(c, run, heightOf) {
    const every = Math.max(1, Math.floor(run.losses.length / 1200));
    c.strokeStyle = colourOf(run.name);
    c.lineWidth = 1.8;
    c.setLineDash(dashOf(run.name));
    c.beginPath();
    for (let n = 0; n < run.losses.length && Number.isFinite(run.losses[n]); n += every) {
      c.lineTo(this.x(n), heightOf(run.losses[n]));
    }
    c.stroke();
  }
}

class RowsChart {
  constructor(canvas) {
    this.surface = new Surface(canvas);
    this.rows = null;
  }

  renew() {
    this.rows = null;
  }

  draw(problem, runs, step) {
    const { rows } = problem.about;
    if (this.surface.fit() || this.rows !== rows) this.prepare(rows);
    const c = this.surface.ready(), { box, x, y } = this;
    c.drawImage(this.back.canvas, 0, 0, this.surface.width, this.surface.height);
    clipped(c, box, () => {
      for (const run of runs) {
        const [w, b] = run.path.at(step);
        const ends = [box.left, box.right].map((place) => [place, tame(y(w * (x.inverse(place) - rows.low) / rows.span + b))]);
        c.strokeStyle = colourOf(run.name);
        c.setLineDash(dashOf(run.name));
        c.lineWidth = 2;
        stroke(c, ends);
      }
    });
  }

  prepare(rows) {
    this.rows = rows;
    this.box = boxOf(this.surface);
    this.back = layerLike(this.surface);
    const { box } = this, c = this.back.ready();
    const around = (values) => {
      const low = least(values), high = most(values), room = 0.12 * (high - low || 1);
      return [low - room, high + room];
    };
    this.x = linear(...around(rows.x), box.left, box.right);
    this.y = linear(...around(rows.y), box.bottom, box.top);
    drawAxes(c, box, this.x, this.y, rows.names);
    c.fillStyle = ink("--quiet");
    rows.x.forEach((value, k) => {
      c.beginPath();
      c.arc(this.x(value), this.y(rows.y[k]), 3, 0, 2 * Math.PI);
      c.fill();
    });
  }
}

// The rate over the updates of the schedule, without axes.
class Spark {
  constructor(canvas) {
    this.surface = new Surface(canvas);
  }

  draw(state) {
    this.surface.fit();
    const c = this.surface.ready(), { width, height } = this.surface;
    const rate = rateAt(state.schedule, state.total, 1) || (() => 1);
    const shown = Math.max(2, Math.min(state.updates, state.total * 1.2));
    const x = linear(0, shown, 2, width - 2), y = linear(0, 1, height - 3, 4);
    c.strokeStyle = ink("--accent");
    c.lineWidth = 2;
    c.beginPath();
    for (let place = 2; place <= width - 2; place++) c.lineTo(place, y(rate(Math.round(x.inverse(place)))));
    c.stroke();
  }
}
