// The ground of the picture: contours of a problem with two parameters, or the curve of one.

const LEVELS = 15, GRID = 180;

function values(problem, view) {
  const [x0, x1, y0, y1] = view, found = new Float64Array((GRID + 1) ** 2), point = new Float64Array(2);
  for (let j = 0; j <= GRID; j++) {
    point[1] = y0 + (y1 - y0) * j / GRID;
    for (let i = 0; i <= GRID; i++) {
      point[0] = x0 + (x1 - x0) * i / GRID;
      found[j * (GRID + 1) + i] = problem.loss(point);
    }
  }
  return found;
}

// Levels that lie about equally far apart in the picture: their areas grow as squares.
function levelsOf(found) {
  const sorted = Float64Array.from(found).sort();
  return Array.from({ length: LEVELS }, (_, k) => sorted[Math.floor((sorted.length - 1) * ((k + 0.7) / LEVELS) ** 2)]);
}

function rank(levels, value) {
  let k = 0;
  while (k < levels.length && levels[k] < value) k++;
  if (k === 0 || k === levels.length) return k / levels.length;
  return (k + (value - levels[k - 1]) / (levels[k] - levels[k - 1] || 1) - 0.5) / levels.length;
}

function rgb(colour) {
  return [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16));
}

function shade(found, levels) {
  const canvas = document.createElement("canvas"), low = rgb(ink("--low")), high = rgb(ink("--high"));
  canvas.width = canvas.height = GRID + 1;
  const c = canvas.getContext("2d"), image = c.createImageData(GRID + 1, GRID + 1);
  for (let j = 0; j <= GRID; j++) {
    for (let i = 0; i <= GRID; i++) {
      const share = rank(levels, found[(GRID - j) * (GRID + 1) + i]), place = 4 * (j * (GRID + 1) + i);
      for (let k = 0; k < 3; k++) image.data[place + k] = low[k] + (high[k] - low[k]) * share;
      image.data[place + 3] = 255;
    }
  }
  c.putImageData(image, 0, 0);
  return canvas;
}

// Marching squares: where each level crosses the sides of a cell.
function drawLevels(c, found, levels, placeX, placeY) {
  c.beginPath();
  for (let j = 0; j < GRID; j++) {
    for (let i = 0; i < GRID; i++) {
      const at = j * (GRID + 1) + i;
      const corners = [found[at], found[at + 1], found[at + GRID + 2], found[at + GRID + 1]];
      const lowest = Math.min(...corners), highest = Math.max(...corners);
      for (const level of levels) {
        if (level <= lowest || level > highest) continue;
        const ends = [];
        for (let side = 0; side < 4; side++) {
          const a = corners[side], b = corners[(side + 1) % 4];
          if ((a < level) === (b < level)) continue;
          const share = (level - a) / (b - a);
          ends.push([[i + share, j], [i + 1, j + share], [i + 1 - share, j + 1], [i, j + 1 - share]][side]);
        }
        for (let k = 0; k + 1 < ends.length; k += 2) {
          c.moveTo(placeX(ends[k][0]), placeY(ends[k][1]));
          c.lineTo(placeX(ends[k + 1][0]), placeY(ends[k + 1][1]));
        }
      }
    }
  }
  c.stroke();
}

function drawGround(c, box, problem) {
  const found = values(problem, problem.about.view), levels = levelsOf(found);
  clipped(c, box, () => {
    c.imageSmoothingEnabled = true;
    c.drawImage(shade(found, levels), box.left, box.top, box.right - box.left, box.bottom - box.top);
    c.strokeStyle = ink("--contour");
    c.lineWidth = 0.8;
    drawLevels(c, found, levels,
      (i) => box.left + (box.right - box.left) * i / GRID, (j) => box.bottom - (box.bottom - box.top) * j / GRID);
  });
}

const CURVE = 600; // points of a curve

function curveOf(problem) {
  const [low, high] = problem.about.view;
  return Array.from({ length: CURVE + 1 }, (_, k) => {
    const x = low + (high - low) * k / CURVE;
    return [x, problem.loss([x])];
  });
}
