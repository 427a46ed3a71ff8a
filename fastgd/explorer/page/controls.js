// What stands beside the picture: lists, sliders and their values.

const $ = (id) => document.getElementById(id);

function option(value, text) {
  const made = document.createElement("option");
  made.value = value;
  made.textContent = text;
  return made;
}

// Fill the lists that never change.
function fillLists() {
  for (const [id, about] of Object.entries(DATA.problems)) $("problem").append(option(id, about.title));
  $("preset").append(option("", "none"), ...DATA.presets.map((each) => option(each.id, each.title)));
  $("schedule").append(option(PLAIN, "constant"), ...DATA.schedules.map(({ name }) => option(name, name.replaceAll("_", " "))));
  for (const n of UPDATES) $("updates").append(option(n, n.toLocaleString("en-US")));
  for (const n of [3, 10, 30, 100, 300, 1000]) $("speed").append(option(n, `${n} / s`));
  $("note").textContent = `fastgd ${DATA.version}.`;
  for (const name of OPTIMIZERS) $("optimizers").append(optimizerItem(name));
  for (const [regime, [, , words]] of Object.entries(LOOKS)) {
    const item = document.createElement("li"), sample = document.createElement("canvas");
    item.append(sample, words);
    item.dataset.regime = regime;
    $("legend").append(item);
  }
}

function optimizerItem(name) {
  const item = document.createElement("li"), box = document.createElement("input");
  const choose = document.createElement("button"), badge = document.createElement("span");
  item.dataset.name = name;
  box.type = "checkbox";
  box.setAttribute("aria-label", `Show ${name}`);
  choose.type = "button";
  choose.textContent = name;
  badge.className = "badge";
  item.append(box, document.createElement("canvas"), choose, badge);
  item.children[1].className = "sample";
  return item;
}

function paintSamples() {
  for (const item of $("optimizers").children) {
    const surface = new Surface(item.querySelector(".sample")), { name } = item.dataset;
    surface.fit();
    const c = surface.ready(), middle = surface.height / 2;
    c.strokeStyle = c.fillStyle = colourOf(name);
    c.lineWidth = 2.2;
    c.setLineDash(dashOf(name));
    stroke(c, [[1, middle], [surface.width - 6, middle]]);
    c.beginPath();
    c.arc(surface.width - 6, middle, 4, 0, 2 * Math.PI);
    c.fill();
  }
  for (const item of $("legend").children) {
    const surface = new Surface(item.firstChild);
    surface.fit();
    const c = surface.ready();
    for (let x = 0; x < 24; x += 6) for (let y = 0; y < 12; y += 6) paintCell(c, item.dataset.regime, x, y, 6, 6, 0.8);
  }
}

const shownRate = (rate) => String(Number(rate.toPrecision(3)));

// Everything that the state decides, the badges left out.
function showControls(state, about) {
  if (state.problem === "file" && !$("problem").querySelector('[value="file"]')) {
    $("problem").append(option("file", "Your own file"));
  }
  $("problem").value = state.problem;
  $("preset").value = state.preset || "";
  const preset = DATA.presets.find((each) => each.id === state.preset);
  $("question").hidden = !preset;
  $("question").textContent = preset ? preset.question : "";
  $("plane-title").textContent = about.title;
  $("formula").textContent = about.formula;
  $("view").setAttribute("aria-label", `${about.title} with the paths of all optimizers, from ${state.start.join(", ")}; `
    + "arrow keys move the start");
  $("phase").setAttribute("aria-label", `Outcomes of ${state.selected} for every rate and momentum; arrow keys set both`);
  $("updates").value = state.updates;
  $("schedule").value = state.schedule;
  $("total-field").hidden = state.schedule === PLAIN;
  if (document.activeElement !== $("total")) $("total").value = state.total;
  $("rows-card").hidden = !about.rows;
  $("rows-note").textContent = about.note;
  for (const item of $("optimizers").children) {
    const { name } = item.dataset, chosen = name === state.selected;
    item.className = chosen ? "chosen" : "";
    item.querySelector("input").checked = state.shown.includes(name);
    const momentum = METHODS[name].momentum < 0 ? "" : `, momentum ${state.momenta[name]}`;
    item.querySelector("button").title = `rate ${shownRate(state.rates[name])}${momentum}`;
    item.querySelector("button").setAttribute("aria-pressed", chosen);
  }
  showSliders(state, about);
}

function showSliders(state, about) {
  const name = state.selected, method = METHODS[name], { rates } = phaseAxes(about.rates[name]);
  $("selected").textContent = name;
  $("rate").min = Math.round(100 * Math.log10(rates[0]));
  $("rate").max = Math.round(100 * Math.log10(rates[rates.length - 1]));
  $("rate").value = Math.round(100 * Math.log10(state.rates[name]));
  const rate = shownRate(state.rates[name]);
  $("rate-value").textContent = rate;
  $("rate").setAttribute("aria-valuetext", rate);
  const none = method.momentum < 0;
  $("momentum").disabled = none;
  $("momentum").value = none ? 0 : state.momenta[name];
  $("momentum-name").textContent = method.argument === "betas" ? "Momentum (β₁)" : "Momentum";
  $("momentum-value").textContent = none ? "none" : String(state.momenta[name]);
}

function showBadges(runs, step) {
  for (const item of $("optimizers").children) {
    const run = runs.find((each) => each.name === item.dataset.name), badge = item.lastChild;
    const { kind, text } = run ? badgeOf(run, step) : { kind: "hidden", text: "" };
    if (badge.textContent !== text) badge.textContent = text;
    badge.className = `badge ${kind}`;
  }
}

// In words, for those who do not see the picture.
function spoken(runs, step) {
  return runs.map((run) => `${run.name} ${badgeOf(run, step).text}`).join("; ");
}
