// The state of the page, and the same as text behind the # of the address.
//
// state: problem, start, updates (the most of a run), step (null: the last), shown and selected (names of optimizers),
// rates and momenta by name, schedule and its total, rows (of a dropped file: {x, y, names}), preset.

const OPTIMIZERS = DATA.optimizers.map((each) => each.name);
const METHODS = Object.fromEntries(DATA.optimizers.map((each) => [each.name, each]));
const FIRST_SHOWN = ["SGD", "Momentum", "NAG", "Adagrad", "RMSprop", "Adam"];
const FIRST_MOMENTUM = 0.9;
const UPDATES = [30, 100, 300, 1000, 3000, 10000];
const MOST_SHARED = 400; // rows of a file that fit into an address
const PLAIN = "constant";

function aboutOf(state) {
  return state.problem === "file" ? fileProblem(state.rows) : DATA.problems[state.problem];
}

function firstState(problem, rows = null) {
  const about = problem === "file" ? fileProblem(rows) : DATA.problems[problem];
  return {
    problem, rows,
    start: [...about.start],
    updates: about.updates,
    step: null,
    shown: [...FIRST_SHOWN],
    selected: "Momentum",
    rates: { ...about.rates },
    momenta: Object.fromEntries(OPTIMIZERS.map((name) => [name, FIRST_MOMENTUM])),
    schedule: PLAIN,
    total: about.updates,
    preset: null,
  };
}

function encoded(state) {
  const base = firstState(state.problem, state.rows), parts = [`p=${state.problem}`];
  const put = (key, text, usual) => {
    if (text !== usual) parts.push(`${key}=${text}`);
  };
  put("s", state.start.join(","), base.start.join(","));
  put("n", String(state.updates), String(base.updates));
  put("k", state.step === null ? "" : String(state.step), "");
  put("show", state.shown.join(","), base.shown.join(","));
  put("sel", state.selected, base.selected);
  for (const name of OPTIMIZERS) {
    const own = `${state.rates[name]},${state.momenta[name]}`;
    put(name, own, `${base.rates[name]},${base.momenta[name]}`);
  }
  if (state.schedule !== PLAIN) parts.push(`sched=${state.schedule},${state.total}`);
  put("q", state.preset || "", "");
  if (state.problem === "file") parts.push(`rows=${rowsText(state.rows)}`);
  return parts.join("&");
}

function rowsText({ x, y, names }) {
  if (x.length > MOST_SHARED) return "";
  return [names.map(encodeURIComponent).join(","), ...x.map((value, k) => `${value},${y[k]}`)].join(";");
}

// The state that a text says; what it does not say, or says wrongly, is as at first.
function decoded(text, usual) {
  const parts = new Map(text.replace(/^#/, "").split("&").map((part) => {
    const cut = part.indexOf("=");
    return cut < 0 ? [part, ""] : [part.slice(0, cut), part.slice(cut + 1)];
  }));
  const rows = parts.has("rows") ? rowsOf(parts.get("rows")) : null;
  let problem = parts.get("p");
  if (!(problem in DATA.problems) && !(problem === "file" && rows)) problem = usual;
  const state = firstState(problem, problem === "file" ? rows : null);
  const start = numbersIn(parts.get("s"));
  if (start.length === state.start.length) state.start = start;
  const [updates] = numbersIn(parts.get("n"));
  if (UPDATES.includes(updates)) state.updates = updates;
  state.total = state.updates;
  const [step] = numbersIn(parts.get("k"));
  if (Number.isInteger(step) && step >= 0) state.step = step;
  if (parts.has("show")) state.shown = OPTIMIZERS.filter((name) => parts.get("show").split(",").includes(name));
  if (OPTIMIZERS.includes(parts.get("sel"))) state.selected = parts.get("sel");
  for (const name of OPTIMIZERS) {
    const [rate, momentum] = numbersIn(parts.get(name));
    if (rate > 0) state.rates[name] = rate;
    if (momentum >= 0 && momentum < 1) state.momenta[name] = momentum;
  }
  if (parts.has("sched")) {
    const [name, total] = parts.get("sched").split(",");
    if (DATA.schedules.some((each) => each.name === name)) state.schedule = name;
    if (Number(total) >= 2) state.total = Math.min(Math.floor(Number(total)), 1e6);
  }
  if (DATA.presets.some((each) => each.id === parts.get("q"))) state.preset = parts.get("q");
  return state;
}

function numbersIn(text) {
  const numbers = (text || "").split(",").filter((each) => each !== "").map(Number);
  return numbers.every(Number.isFinite) ? numbers : [];
}

function rowsOf(text) {
  const [head, ...lines] = text.split(";");
  const pairs = lines.map(numbersIn);
  if (pairs.length < 2 || pairs.some((pair) => pair.length !== 2)) return null;
  const names = head.split(",").map(decodeURIComponent);
  return { x: pairs.map(([x]) => x), y: pairs.map(([, y]) => y), names };
}
