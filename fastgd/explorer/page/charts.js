// The small pictures: losses, rows with lines, and the schedule.

function lowestLoss(problem) {
  return Math.min(...problem.about.marks.map((mark) => problem.loss(mark)));
}

class LossChart {
  constructor(canvas) {
    this.surface = new Surface(canvas);
  }

  draw(problem, runs, step) {
    this.surface.fit();
    const c = this.surface.ready(), box = boxOf(this.surface), lowest = lowestLoss(problem);
    const longest = Math.max(10, ...runs.map((run) => run.iterations));
    const first = problem.loss(runs.length ? runs[0].path.at(0) : problem.about.start) - lowest;
    const top = Math.max(first, 1e-12) * 30, floor = top * 1e-10;
    const x = linear(0, longest, box.left, box.right), y = logarithmic(floor, top, box.bottom, box.top);
    drawAxes(c, box, x, y, ["update", "loss − lowest loss"]);
    clipped(c, box, () => {
      for (const run of runs) {
        this.line(c, run, run.losses.length - 1, 0.28, x, y, lowest, floor);
        this.line(c, run, Math.min(step, run.losses.length - 1), 1, x, y, lowest, floor);
      }
      c.globalAlpha = 1;
      c.setLineDash([3, 3]);
      c.strokeStyle = ink("--quiet");
      c.lineWidth = 1;
      stroke(c, [[x(step), box.top], [x(step), box.bottom]]);
    });
  }

  line(c, run, last, alpha, x, y, lowest, floor) {
    const every = Math.max(1, Math.floor(run.losses.length / 1200));
    c.strokeStyle = colourOf(run.name);
    c.globalAlpha = alpha;
    c.lineWidth = 1.8;
    c.setLineDash(dashOf(run.name));
    c.beginPath();
    for (let n = 0; n <= last; n += every) {
      const above = run.losses[n] - lowest;
      if (!Number.isFinite(above)) break;
      c.lineTo(x(n), tame(y(Math.max(above, floor * 0.1))));
    }
    c.stroke();
  }
}

class RowsChart {
  constructor(canvas) {
    this.surface = new Surface(canvas);
  }

  draw(problem, runs, step) {
    const { rows } = problem.about;
    this.surface.fit();
    const c = this.surface.ready(), box = boxOf(this.surface);
    const span = (values) => {
      const low = Math.min(...values), high = Math.max(...values), room = 0.12 * (high - low || 1);
      return [low - room, high + room];
    };
    const [x0, x1] = span(rows.x), [y0, y1] = span(rows.y);
    const x = linear(x0, x1, box.left, box.right), y = linear(y0, y1, box.bottom, box.top);
    drawAxes(c, box, x, y, rows.names);
    clipped(c, box, () => {
      c.fillStyle = ink("--quiet");
      rows.x.forEach((value, k) => {
        c.beginPath();
        c.arc(x(value), y(rows.y[k]), 3, 0, 2 * Math.PI);
        c.fill();
      });
      for (const run of runs) {
        const [w, b] = run.path.at(step), at = (value) => tame(y(w * (value - rows.low) / rows.span + b));
        c.strokeStyle = colourOf(run.name);
        c.setLineDash(dashOf(run.name));
        c.lineWidth = 2;
        stroke(c, [[x(x0), at(x0)], [x(x1), at(x1)]]);
      }
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
