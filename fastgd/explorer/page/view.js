// The large picture: the ground, the paths up to an update, and where every optimizer is.

class View {
  constructor(canvas) {
    this.surface = new Surface(canvas);
    this.stale = true;
    this.drawn = null; // runs whose paths are on the layer of paths, and up to where
  }

  // Draw anew: another problem, size or theme.
  renew() {
    this.stale = true;
  }

  draw(problem, state, runs, step) {
    if (this.surface.fit() || this.stale) this.ground(problem);
    this.paths(runs, step);
    const c = this.surface.ready();
    c.save();
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.drawImage(this.back.canvas, 0, 0);
    c.drawImage(this.trails.canvas, 0, 0);
    c.restore();
    clipped(c, this.box, () => this.start(c, state.start));
    this.heads(c, runs, step);
  }

  ground(problem) {
    this.problem = problem;
    this.back = layerLike(this.surface);
    this.trails = layerLike(this.surface);
    this.drawn = null;
    this.stale = false;
    this.box = boxOf(this.surface);
    const c = this.back.ready(), { box } = this, [x0, x1, ...rest] = problem.about.view;
    this.x = linear(x0, x1, box.left, box.right);
    if (problem.n === 2) {
      this.y = linear(...rest, box.bottom, box.top);
      drawGround(c, box, problem);
      drawAxes(c, box, this.x, this.y, problem.about.names, false);
    } else {
      this.curve(c, problem);
    }
    for (const mark of problem.about.marks) this.mark(c, mark);
  }

  curve(c, problem) {
    const points = curveOf(problem), heights = points.map(([, y]) => y);
    const low = Math.min(...heights), high = Math.max(...heights), room = 0.07 * (high - low);
    this.y = linear(low - room, high + room, this.box.bottom, this.box.top);
    drawAxes(c, this.box, this.x, this.y, [problem.about.names[0], "loss"]);
    c.strokeStyle = ink("--contour");
    c.lineWidth = 2.5;
    clipped(c, this.box, () => stroke(c, points.map(([x, y]) => [this.x(x), this.y(y)])));
  }

  // Where a point of the parameters is drawn.
  place(point, loss) {
    return [tame(this.x(point[0])), tame(this.y(this.problem.n === 2 ? point[1] : loss))];
  }

  mark(c, point) {
    const [x, y] = this.place(point, this.problem.loss(point));
    c.strokeStyle = ink("--ink");
    c.lineWidth = 1.5;
    stroke(c, [[x - 5, y], [x + 5, y]]);
    stroke(c, [[x, y - 5], [x, y + 5]]);
  }

  start(c, point) {
    const [x, y] = this.place(point, this.problem.loss(point));
    c.strokeStyle = ink("--ink");
    c.lineWidth = 1.5;
    c.setLineDash([]);
    c.strokeRect(x - 5, y - 5, 10, 10);
  }

  // Paths grow as the player goes on; they are drawn anew where a run has changed or the player goes back.
  paths(runs, step) {
    const same = this.drawn && step >= this.drawn.step && sameRuns(this.drawn.runs, runs);
    const c = same ? this.trails.context : this.trails.ready();
    if (!same) this.drawn = { runs: [...runs], step: 0, lengths: runs.map(() => 0) };
    clipped(c, this.box, () => runs.forEach((run, k) => this.path(c, run, k, step)));
    this.drawn.step = step;
  }

  path(c, run, k, step) {
    const last = Math.min(step, run.path.length - 1);
    if (this.drawn.step >= last) return;
    c.strokeStyle = c.fillStyle = colourOf(run.name);
    c.lineWidth = 1.8;
    c.lineJoin = "round";
    c.globalAlpha = 0.9;
    c.setLineDash(dashOf(run.name));
    c.lineDashOffset = this.drawn.lengths[k];
    let [x, y] = this.place(run.path.at(this.drawn.step), run.losses[this.drawn.step]);
    const dots = [];
    c.beginPath();
    c.moveTo(x, y);
    for (let n = this.drawn.step + 1; n <= last; n++) {
      const [nextX, nextY] = this.place(run.path.at(n), run.losses[n]);
      if (!Number.isFinite(nextX + nextY)) break;
      const length = Math.hypot(nextX - x, nextY - y);
      this.drawn.lengths[k] += length;
      c.lineTo(nextX, nextY);
      if (length > 4) dots.push(nextX, nextY);
      [x, y] = [nextX, nextY];
    }
    c.stroke();
    for (let d = 0; d < dots.length; d += 2) c.fillRect(dots[d] - 1.7, dots[d + 1] - 1.7, 3.4, 3.4);
    c.globalAlpha = 1;
  }

  heads(c, runs, step) {
    const { box } = this, heads = [];
    for (const run of runs) {
      const n = Math.min(step, run.path.length - 1), [x, y] = this.place(run.path.at(n), run.losses[n]);
      if (x < box.left || x > box.right || !(y >= box.top && y <= box.bottom)) continue;
      heads.push({ name: run.name, x, y });
    }
    c.setLineDash([]);
    for (const { name, x, y } of heads) {
      c.beginPath();
      c.arc(x, y, 5.5, 0, 2 * Math.PI);
      c.fillStyle = colourOf(name);
      c.fill();
      c.lineWidth = 2;
      c.strokeStyle = ink("--halo");
      c.stroke();
    }
    this.names(c, heads);
  }

  // Names beside the heads, one below the other where heads lie together.
  names(c, heads) {
    const taken = [];
    for (const { name, x, y } of [...heads].sort((a, b) => a.y - b.y)) {
      const width = c.measureText(name).width, right = x + 12 + width < this.box.right;
      const left = right ? x + 11 : x - 11 - width;
      let line = Math.max(this.box.top + 8, y);
      const hit = (other) => Math.abs(other.line - line) < 15 && left < other.right && left + width > other.left;
      while (taken.some(hit)) line += 3;
      if (line > this.box.bottom) continue;
      taken.push({ line, left, right: left + width });
      label(c, name, left, line, colourOf(name));
    }
  }

  // The parameters under a pointer.
  pointAt(event) {
    const frame = this.surface.canvas.getBoundingClientRect();
    const inside = (value, low, high) => Math.max(low, Math.min(high, value));
    const x = this.x.inverse(inside(event.clientX - frame.left, this.box.left, this.box.right));
    const y = this.y.inverse(inside(event.clientY - frame.top, this.box.top, this.box.bottom));
    const [x0, x1, y0, y1] = this.problem.about.view;
    const point = [rounded(x, x1 - x0)];
    if (this.problem.n === 2) point.push(rounded(y, y1 - y0));
    return point;
  }
}

// A number with as many digits as a picture of that width shows.
function rounded(value, width) {
  const digits = Math.max(0, 3 - Math.floor(Math.log10(width)));
  return Number(value.toFixed(Math.min(digits, 12)));
}
