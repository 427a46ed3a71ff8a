// Canvases, scales and axes.

const INKS = OPTIMIZERS.map((_, k) => `--c${k % 7}`);
const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]];
const dashOf = (name) => DASHES[lookOf(name) < 7 ? lookOf(name) % 4 : (lookOf(name) + 2) % 4];
const lookOf = (name) => OPTIMIZERS.indexOf(name);
const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif';

let inks = new Map(); // colours of the style sheet, read once for each theme

function ink(name) {
  if (!inks.has(name)) inks.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return inks.get(name);
}

const colourOf = (name) => ink(INKS[lookOf(name)]);

// A canvas as large as it is shown, in device pixels; `ready` gives a context that draws in CSS pixels.
class Surface {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.width = this.height = 0;
  }

  // Whether the size has changed.
  fit() {
    const { clientWidth: width, clientHeight: height } = this.canvas, ratio = window.devicePixelRatio || 1;
    if (width === this.width && height === this.height && ratio === this.ratio) return false;
    Object.assign(this, { width, height, ratio });
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    return true;
  }

  ready() {
    const c = this.context;
    c.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    c.clearRect(0, 0, this.width, this.height);
    c.font = FONT;
    c.setLineDash([]);
    c.globalAlpha = 1;
    return c;
  }
}

// A layer of the same size that is not shown.
function layerLike(surface) {
  const canvas = document.createElement("canvas");
  const layer = new Surface(canvas);
  Object.assign(layer, { width: surface.width, height: surface.height, ratio: surface.ratio });
  canvas.width = surface.canvas.width;
  canvas.height = surface.canvas.height;
  return layer;
}

function linear(low, high, from, to) {
  const factor = (to - from) / (high - low);
  const scale = (value) => from + (value - low) * factor;
  scale.inverse = (place) => low + (place - from) / factor;
  scale.ticks = () => ticksOf(low, high, Math.max(2, Math.abs(to - from) / (to > from ? 75 : 45)));
  return scale;
}

function logarithmic(low, high, from, to) {
  const inner = linear(Math.log10(low), Math.log10(high), from, to);
  const scale = (value) => inner(Math.log10(value));
  scale.inverse = (place) => 10 ** inner.inverse(place);
  scale.ticks = () => {
    const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9), ticks = [];
    const every = Math.ceil((last - first + 1) / Math.max(2, Math.abs(to - from) / 34));
    for (let k = first; k <= last; k += every) ticks.push(10 ** k);
    return ticks;
  };
  return scale;
}

function ticksOf(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.99);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) ticks.push(Number((k * step).toPrecision(12)));
  return ticks;
}

function shortNumber(value) {
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (size >= 1e5 || size < 1e-3 || (size >= 1e4 && Number.isInteger(Math.log10(size)))) {
    const [digits, power] = value.toExponential(0).split("e");
    const high = String(Number(power)).replace(/[-0-9]/g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"["0123456789".indexOf(c)] || "⁻");
    return `${digits === "1" ? "" : `${digits}·`}10${high}`;
  }
  return String(Number(value.toPrecision(6))).replace("-", "−");
}

const MARGINS = { left: 66, right: 14, top: 10, bottom: 42 };

function boxOf(surface, margins = MARGINS) {
  return {
    left: margins.left, top: margins.top,
    right: surface.width - margins.right, bottom: surface.height - margins.bottom,
  };
}

function drawAxes(c, box, x, y, names, grid = true) {
  c.strokeStyle = ink("--grid");
  c.fillStyle = ink("--quiet");
  c.lineWidth = 1;
  c.textAlign = "center";
  c.textBaseline = "top";
  for (const value of x.ticks()) {
    if (grid) stroke(c, [[x(value), box.top], [x(value), box.bottom]]);
    c.fillText(shortNumber(value), x(value), box.bottom + 6);
  }
  c.textAlign = "right";
  c.textBaseline = "middle";
  for (const value of y.ticks()) {
    if (grid) stroke(c, [[box.left, y(value)], [box.right, y(value)]]);
    c.fillText(shortNumber(value), box.left - 7, y(value));
  }
  c.strokeStyle = ink("--line");
  c.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  c.fillStyle = ink("--ink");
  c.textAlign = "center";
  c.textBaseline = "bottom";
  c.fillText(names[0], (box.left + box.right) / 2, box.bottom + 39);
  c.save();
  c.translate(13, (box.top + box.bottom) / 2);
  c.rotate(-Math.PI / 2);
  c.textBaseline = "middle";
  c.fillText(names[1], 0, 0);
  c.restore();
}

function stroke(c, points) {
  c.beginPath();
  points.forEach(([x, y], k) => (k ? c.lineTo(x, y) : c.moveTo(x, y)));
  c.stroke();
}

function clipped(c, box, draw) {
  c.save();
  c.beginPath();
  c.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  c.clip();
  draw();
  c.restore();
}

function label(c, text, x, y, colour, align = "left") {
  c.textAlign = align;
  c.textBaseline = "middle";
  c.lineJoin = "round";
  c.strokeStyle = ink("--halo");
  c.lineWidth = 4;
  c.strokeText(text, x, y);
  c.fillStyle = colour;
  c.fillText(text, x, y);
}

// What lies outside the picture, kept where a canvas can draw it.
const tame = (place) => Math.max(-1e5, Math.min(1e5, place));
