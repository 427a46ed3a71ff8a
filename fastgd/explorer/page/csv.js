// A file with two columns as the rows of a line, and the problem of that line.

const MOST_ROWS = 20000;

// Throws an Error whose message is for the reader.
function parsedRows(text) {
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\r|\n/).filter((line) => line.trim() !== "");
  if (!lines.length) throw new Error("The file is empty.");
  const mark = [";", "\t", ","].find((each) => lines[0].includes(each)) || /\s+/;
  const cells = lines.map((line) => line.trim().split(mark).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1")));
  const number = (cell) => Number(mark === ";" || mark === "\t" ? cell.replace(",", ".") : cell);
  const isNumber = (cell) => cell !== "" && Number.isFinite(number(cell));
  const names = cells[0].every(isNumber) ? ["x", "y"] : cells.shift();
  if (names.length !== 2) throw new Error(`The file must have two columns, it has ${names.length}.`);
  const x = [], y = [];
  cells.forEach((row, k) => {
    if (row.length !== 2 || !row.every(isNumber)) {
      throw new Error(`Row ${k + 1} must be two numbers, it is “${row.join(", ").slice(0, 40)}”.`);
    }
    x.push(number(row[0]));
    y.push(number(row[1]));
  });
  if (x.length < 2) throw new Error("The file must have at least two rows.");
  if (x.length > MOST_ROWS) throw new Error(`The file must have at most ${MOST_ROWS} rows, it has ${x.length}.`);
  if (least(x) === most(x)) throw new Error(`All values of “${names[0]}” are the same.`);
  return { x, y, names };
}

const fileProblems = new WeakMap();

// Least squares of a line through the rows, the input scaled to [0, 1].
function fileProblem(rows) {
  if (fileProblems.has(rows)) return fileProblems.get(rows);
  const line = lineThrough(rows.x, rows.y), [w, b] = line.solution;
  const reach = Math.max(Math.abs(w), Math.abs(b), 1e-9);
  const around = (value) => [Math.min(0, value) - 0.6 * reach, Math.max(0, value) + 0.6 * reach];
  const about = {
    ...DATA.problems.line,
    ...line,
    id: "file",
    title: `${rows.names[1]} from ${rows.names[0]}`,
    start: [0, 0],
    view: [...around(w), ...around(b)],
    marks: [line.solution],
    rates: fileRates(line.hessian, reach),
    rows: { ...rows, low: line.low, span: line.span },
    note: `${rows.x.length} rows of your file`,
    formula: `mean of (w x + b − y)² / 2, x is ${rows.names[0]} scaled to [0, 1]`,
    phases: {},
    python: [
      `x = np.array([${rows.x.join(", ")}])`,
      `y = np.array([${rows.y.join(", ")}])`,
      "problem = gd.LeastSquares((x - x.min()) / np.ptp(x), y)",
    ].join("\n"),
  };
  fileProblems.set(rows, about);
  return about;
}

// As for heights and weights, by the largest curvature and by how far there is to go.
function fileRates(hessian, reach) {
  const usual = DATA.problems.line, plain = DATA.plain;
  const near = Math.hypot(...usual.marks[0]);
  return Object.fromEntries(Object.entries(usual.rates).map(([name, rate]) => {
    const scaled = plain.includes(name) ? rate * largestOf(usual.hessian) / largestOf(hessian) : rate * reach / near;
    return [name, Number(scaled.toPrecision(2))];
  }));
}
