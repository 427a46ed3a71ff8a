// The phase diagram: how descents with every rate and momentum go; a click sets both.

const LOOKS = { // colour, pattern, and words of each regime
  monotone: ["--monotone", "", "converged, monotone"],
  oscillating: ["--oscillating", "", "converged, oscillating"],
  slow: ["--slow", "", "still on its way"],
  cycling: ["--cycling", "dots", "oscillating, no progress"],
  growing: ["--growing", "lines", "growing"],
  diverged: ["--diverged", "cross", "diverged"],
};

class PhaseDiagram {
  constructor(canvas) {
    this.surface = new Surface(canvas);
    this.key = null;
    this.cells = null; // regimes and iterations, row by row
    this.sweep = null;
  }

  // Take the diagram of a state: the one that came with the page, or one swept here.
  follow(state, problem) {
    const key = phaseKey(state);
    if (key === this.key) return;
    this.key = key;
    this.axes = phaseAxes(problem.about.rates[state.selected]);
    this.cells = embeddedPhase(state, problem.about);
    this.sweep = this.cells ? null : phaseSweep(state, problem, this.axes);
    this.cells = this.cells || this.sweep;
    this.picture = null;
  }

  // Go on sweeping for a while; whether something has changed.
  work(milliseconds) {
    if (!this.sweep) return false;
    if (!this.sweep.work(milliseconds)) this.sweep = null;
    this.picture = null;
    return true;
  }

  draw(state) {
    const resized = this.surface.fit(), { rates, momenta } = this.axes;
    const c = this.surface.ready();
    this.box = boxOf(this.surface);
    const { box } = this, edge = Math.sqrt(rates[1] / rates[0]);
    this.x = logarithmic(rates[0] / edge, rates[rates.length - 1] * edge, box.left, box.right);
    this.y = linear(-0.015, 1.005, box.bottom, box.top);
    if (resized || !this.picture) this.paint();
    c.save();
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.drawImage(this.picture.canvas, 0, 0);
    c.restore();
    drawAxes(c, box, this.x, this.y, ["learning rate", "momentum"], false);
    this.pointer(c, state);
  }

  paint() {
    this.picture = layerLike(this.surface);
    const c = this.picture.ready(), { box } = this, { rates } = this.axes;
    const wide = (box.right - box.left) / rates.length;
    const edgeX = (i) => Math.round(box.left + i * wide);
    const edgeY = (j) => Math.round(this.y(0.03 * j - 0.015));
    const most = Math.log(Math.max(2, ...this.cells.iterations.flat()));
    this.axes.momenta.forEach((_, j) => rates.forEach((_, i) => {
      const code = this.cells.regimes[this.rowOf(j)][i];
      if (!code) return;
      const regime = REGIMES[code], x = edgeX(i), y = edgeY(j + 1);
      const swift = regime === "monotone" || regime === "oscillating";
      const share = swift ? Math.log(Math.max(1, this.cells.iterations[this.rowOf(j)][i])) / most : 0;
      paintCell(c, regime, x, y, edgeX(i + 1) - x, edgeY(j) - y, 1 - 0.75 * share);
    }));
  }

  // The row of numbers of a momentum: optimizers without momentum have one for all.
  rowOf(row) {
    return Math.min(row, this.cells.regimes.length - 1);
  }

  pointer(c, state) {
    const x = this.x(state.rates[state.selected]);
    const single = METHODS[state.selected].momentum < 0, y = this.y(single ? 0.5 : state.momenta[state.selected]);
    if (x < this.box.left - 1 || x > this.box.right + 1) return;
    c.setLineDash([]);
    for (const [colour, width] of [[ink("--halo"), 5], [ink("--ink"), 2]]) {
      c.strokeStyle = colour;
      c.lineWidth = width;
      c.beginPath();
      if (single) {
        c.moveTo(x, this.box.top);
        c.lineTo(x, this.box.bottom);
      } else {
        c.arc(x, y, 7, 0, 2 * Math.PI);
      }
      c.stroke();
    }
  }

  // Row and column under a pointer.
  cellAt(event) {
    const frame = this.surface.canvas.getBoundingClientRect(), { rates, momenta } = this.axes;
    const nearest = (value, count) => Math.max(0, Math.min(count - 1, Math.round(value)));
    const decades = Math.log10(this.x.inverse(event.clientX - frame.left) / rates[0]);
    return {
      column: nearest(decades * 16, rates.length),
      row: nearest(this.y.inverse(event.clientY - frame.top) / 0.03, momenta.length),
    };
  }

  // The cell nearest to what the sliders say.
  cellOf(state) {
    const { rates, momenta } = this.axes, rate = state.rates[state.selected];
    const nearest = (values, gap) => values.reduce((best, _, k) => (gap(values[k]) < gap(values[best]) ? k : best), 0);
    return {
      column: nearest(rates, (each) => Math.abs(Math.log(each / rate))),
      row: nearest(momenta, (each) => Math.abs(each - state.momenta[state.selected])),
    };
  }

  // Whether the sliders say just what a cell says.
  isCell({ row, column }, { selected, rates, momenta }) {
    const { axes } = this, single = METHODS[selected].momentum < 0;
    return axes.rates[column] === rates[selected] && (single || axes.momenta[row] === momenta[selected]);
  }

  said({ row, column }, state) {
    const single = METHODS[state.selected].momentum < 0, place = this.rowOf(row);
    const regime = REGIMES[this.cells.regimes[place][column]], n = this.cells.iterations[place][column].toLocaleString("en-US");
    const at = `rate ${this.axes.rates[column]}${single ? "" : `, momentum ${this.axes.momenta[row]}`}`;
    if (!regime) return at;
    if (regime === "diverged") return `${at}: diverged at ${n}`;
    const swift = regime === "monotone" || regime === "oscillating";
    return `${at}: ${swift ? `converged at ${n}${regime === "oscillating" ? ", oscillating" : ""}` : LOOKS[regime][2]}`;
  }
}

function paintCell(c, regime, x, y, wide, high, alpha) {
  const [colour, pattern] = LOOKS[regime];
  c.globalAlpha = alpha;
  c.fillStyle = ink(colour);
  c.fillRect(x, y, wide, high);
  c.globalAlpha = 1;
  c.strokeStyle = c.fillStyle = ink("--hatch");
  c.lineWidth = 0.7;
  if (pattern === "dots") c.fillRect(x + wide / 2 - 0.8, y + high / 2 - 0.8, 1.6, 1.6);
  if (pattern === "lines" || pattern === "cross") stroke(c, [[x, y + high], [x + wide, y]]);
  if (pattern === "cross") stroke(c, [[x, y], [x + wide, y + high]]);
}
