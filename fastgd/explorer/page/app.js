// The page at work: the state, what follows from it, and what people do.

const THEMES = ["auto", "light", "dark"];
const ICONS = {
  play: '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 2v12l10-6z"/></svg>',
  pause: '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M3 2h4v12H3zM9 2h4v12H9z"/></svg>',
};
const SWEEP_SLICE = 7; // milliseconds of a frame
const WRITING = 350; // milliseconds between two addresses; browsers allow three or so in a second
const RESTING = 700; // milliseconds until the runs are read out

const explorer = {
  state: null, problem: null, runs: [], theme: "auto", changed: true,
  view: new View($("view")), phase: new PhaseDiagram($("phase")),
  losses: new LossChart($("losses")), rows: new RowsChart($("rows")), spark: new Spark($("spark")),
};
explorer.player = new Player(() => {
  explorer.state.step = explorer.player.step >= explorer.player.last ? null : explorer.player.step;
  redraw();
});

// --- from the state to the picture --------------------------------------------------------------------

// Take a whole new state.
function restore(state) {
  explorer.player.pause();
  explorer.state = state;
  explorer.problem = problemOf(aboutOf(state));
  explorer.runs = [];
  explorer.view.renew();
  compute();
}

// Change parts of the state; a preset's question stays until another problem is taken.
function change(parts) {
  Object.assign(explorer.state, parts);
  compute();
}

// Run the optimizers that are shown; those whose numbers are as before keep their runs.
function compute() {
  const { state, problem, player } = explorer;
  const before = new Map(explorer.runs.map((run) => [run.key, run]));
  explorer.runs = state.shown.map((name) => {
    const key = JSON.stringify([
      name, state.start, state.updates, state.rates[name], state.momenta[name], state.schedule, state.total,
    ]);
    return before.get(key) || { key, ...runOf(state, problem, name) };
  });
  player.last = Math.max(0, ...explorer.runs.map((run) => run.iterations));
  player.step = state.step === null ? player.last : Math.min(state.step, player.last);
  if (player.playing) player.place = Math.min(player.place, player.last);
  showControls(state, problem.about);
  $("python").textContent = pythonOf(state, problem.about);
  explorer.phase.follow(state, problem);
  explorer.changed = true; // what does not move while it plays
  redraw();
}

let due = 0;

function redraw() {
  if (!due) due = requestAnimationFrame(render);
}

function render() {
  due = 0;
  const { state, problem, runs, player } = explorer, { step } = player;
  explorer.view.draw(problem, state, runs, step);
  explorer.losses.draw(problem, runs, step);
  if (problem.about.rows) explorer.rows.draw(problem, runs, step);
  const sweeping = explorer.phase.work(SWEEP_SLICE);
  if (sweeping || !player.playing || explorer.changed) {
    explorer.phase.draw(state);
    explorer.spark.draw(state);
    showReading();
    explorer.changed = false;
  }
  showBadges(runs, step);
  showTransport();
  remember();
  if (sweeping) redraw();
}

function showTransport() {
  const { player } = explorer, kind = player.playing ? "pause" : "play";
  if ($("play").dataset.kind !== kind) {
    $("play").dataset.kind = kind;
    $("play").innerHTML = ICONS[kind];
    $("play").setAttribute("aria-label", kind === "play" ? "Play" : "Pause");
    $("play").title = kind === "play" ? "Play (space)" : "Pause (space)";
  }
  $("scrub").max = player.last;
  $("scrub").value = player.step;
  $("count").textContent = `${player.step.toLocaleString("en-US")} of ${player.last.toLocaleString("en-US")}`;
  $("scrub").setAttribute("aria-valuetext", `update ${player.step} of ${player.last}`);
}

function showReading() {
  const { phase, state } = explorer;
  $("phase-note").textContent = `${state.selected}, from the start that is marked; click to set both`
    + (phase.sweep ? " (sweeping …)" : "");
  const here = explorer.hover || phase.cellOf(state), near = !explorer.hover && !phase.isCell(here, state);
  $("phase-at").textContent = `${near ? "Nearest cell: " : ""}${phase.said(here, state)}`;
}

let writing = 0, speaking = 0;

// Write the state behind the #, now and then, and say how the runs stand once they rest.
function remember() {
  writing = writing || setTimeout(() => {
    writing = 0;
    explorer.hash = encoded(explorer.state);
    try {
      history.replaceState(null, "", `#${explorer.hash}`);
    } catch (error) { // a frame without an address
    }
  }, WRITING);
  if (explorer.player.playing) return;
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    $("live").textContent = spoken(explorer.runs, explorer.player.step);
  }, RESTING);
}

// --- looks ----------------------------------------------------------------------------------------------

function setTheme(theme) {
  explorer.theme = theme;
  const dark = theme === "dark" || (theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  $("theme").textContent = { auto: "Colours: system", light: "Colours: light", dark: "Colours: dark" }[theme];
  $("theme").setAttribute("aria-label", `Colours: ${theme === "auto" ? "as the system's" : theme}`);
  inks = new Map();
  for (const picture of [explorer.view, explorer.losses, explorer.rows]) picture.renew();
  explorer.phase.picture = null;
  explorer.changed = true;
  paintSamples();
  if (explorer.state) redraw();
}

// --- a start --------------------------------------------------------------------------------------------

// The state of the address, or the first one.
function begin() {
  fillLists();
  setTheme("auto");
  listen();
  let text = "";
  try {
    text = decodeURI(location.hash);
  } catch (error) { // not an address of this page
  }
  restore(decoded(text, DATA.first));
}

begin();
