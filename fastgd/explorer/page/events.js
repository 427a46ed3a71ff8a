// What people do.

function listen() {
  listenToLists();
  listenToSliders();
  listenToView();
  listenToPhase();
  listenToPlayer();
  listenToFiles();
  addEventListener("keydown", pressed);
  addEventListener("hashchange", () => {
    if (location.hash.slice(1) !== explorer.hash) restore(decoded(decodeURI(location.hash), DATA.first));
  });
  new ResizeObserver(redraw).observe(document.body);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(explorer.theme));
  $("theme").onclick = () => setTheme(THEMES[(THEMES.indexOf(explorer.theme) + 1) % THEMES.length]);
}

function listenToLists() {
  $("problem").onchange = () => restore(firstState($("problem").value, explorer.state.rows));
  $("preset").onchange = () => {
    const preset = DATA.presets.find((each) => each.id === $("preset").value);
    if (preset) restore(decoded(`${preset.state}&q=${preset.id}`, DATA.first));
    else change({ preset: null });
  };
  $("updates").onchange = () => {
    const updates = Number($("updates").value);
    change({ updates, step: null });
  };
  $("schedule").onchange = () => change({ schedule: $("schedule").value });
  $("total").oninput = () => {
    const total = Math.floor(Number($("total").value));
    if (total >= 2 && total <= 1e6) change({ total });
  };
  $("optimizers").onclick = (event) => {
    const { name } = event.target.closest("li")?.dataset || {};
    if (!name) return;
    const { shown } = explorer.state, box = event.target.type === "checkbox";
    if (box && !event.target.checked) change({ shown: shown.filter((each) => each !== name) });
    else change({ shown: OPTIMIZERS.filter((each) => each === name || shown.includes(each)), ...(box ? {} : { selected: name }) });
  };
}

function listenToSliders() {
  const set = (key, value) => {
    const { state } = explorer, every = $("together").checked ? OPTIMIZERS : [state.selected];
    change({ [key]: { ...state[key], ...Object.fromEntries(every.map((name) => [name, value])) } });
  };
  $("rate").oninput = () => set("rates", Number((10 ** (Number($("rate").value) / 100)).toPrecision(3)));
  $("momentum").oninput = () => set("momenta", Number($("momentum").value));
  $("reset").onclick = () => {
    const { rates, momenta } = firstState(explorer.state.problem, explorer.state.rows);
    change({ rates, momenta, schedule: PLAIN });
  };
}

function listenToView() {
  const canvas = $("view");
  let held = false;
  const move = (event) => change({ start: explorer.view.pointAt(event) });
  canvas.onpointerdown = (event) => {
    if (event.button) return;
    held = true;
    canvas.setPointerCapture(event.pointerId);
    if (!explorer.player.playing && explorer.state.step !== null) explorer.state.step = null;
    move(event);
  };
  canvas.onpointermove = (event) => held && move(event);
  canvas.onpointerup = canvas.onpointercancel = () => { held = false; };
  canvas.onkeydown = (event) => {
    const [dx, dy] = ARROWS[event.key] || [], { view } = explorer.problem.about, { start } = explorer.state;
    if (dx === undefined || (explorer.problem.n === 1 && !dx)) return;
    event.preventDefault();
    event.stopPropagation();
    const part = event.shiftKey ? 200 : 40, moved = [...start];
    [dx, dy].slice(0, start.length).forEach((d, k) => {
      const width = view[2 * k + 1] - view[2 * k];
      if (d) moved[k] = rounded(start[k] + d * width / part, width);
    });
    change({ start: moved });
  };
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };

function listenToPhase() {
  const canvas = $("phase"), { phase } = explorer;
  let held = false;
  const take = ({ row, column }) => {
    const { state } = explorer, { rates, momenta } = phase.axes, name = state.selected;
    const changes = { rates: { ...state.rates, [name]: rates[column] } };
    if (METHODS[name].momentum >= 0) changes.momenta = { ...state.momenta, [name]: momenta[row] };
    if (!state.shown.includes(name)) changes.shown = OPTIMIZERS.filter((each) => each === name || state.shown.includes(each));
    change(changes);
  };
  canvas.onpointerdown = (event) => {
    held = true;
    canvas.setPointerCapture(event.pointerId);
    take(phase.cellAt(event));
  };
  canvas.onpointermove = (event) => {
    explorer.hover = phase.cellAt(event);
    explorer.changed = true;
    if (held) take(explorer.hover);
    else redraw();
  };
  canvas.onpointerup = canvas.onpointercancel = () => { held = false; };
  canvas.onpointerleave = () => {
    explorer.hover = null;
    redraw();
  };
  canvas.onkeydown = (event) => {
    const [dx, dy] = ARROWS[event.key] || [];
    if (dx === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const { row, column } = phase.cellOf(explorer.state), { rates, momenta } = phase.axes;
    const inside = (k, count) => Math.max(0, Math.min(count - 1, k));
    take({ row: inside(row + dy, momenta.length), column: inside(column + dx, rates.length) });
  };
}

function listenToPlayer() {
  const { player } = explorer;
  $("play").onclick = () => player.toggle();
  $("rewind").onclick = () => player.go(0);
  $("back").onclick = () => player.go(player.step - 1);
  $("forth").onclick = () => player.go(player.step + 1);
  $("scrub").oninput = () => player.go(Number($("scrub").value));
  $("speed").onchange = () => { player.speed = Number($("speed").value); };
  $("speed").value = player.speed;
}

// Keys that work everywhere but in fields, lists and buttons.
function pressed(event) {
  const { player } = explorer;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea, button, pre")) return;
  const act = {
    " ": () => player.toggle(),
    ArrowLeft: () => player.go(player.step - 1),
    ArrowRight: () => player.go(player.step + 1),
    Home: () => player.go(0),
    End: () => player.go(player.last),
  }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

// --- files and the clipboard ----------------------------------------------------------------------------

function listenToFiles() {
  const take = async (file) => {
    if (!file) return;
    try {
      restore(firstState("file", parsedRows(await file.text())));
      $("file-error").textContent = "";
    } catch (error) {
      $("file-error").textContent = error.message;
    }
  };
  $("file").onchange = () => take($("file").files[0]);
  addEventListener("dragover", (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
  addEventListener("dragleave", () => $("drop").classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
  $("copy").onclick = () => copy($("copy"), $("python").textContent, $("python"));
  $("share").onclick = () => copy($("share"), location.href.replace(/#.*/, "") + `#${encoded(explorer.state)}`);
}

// To the clipboard; where a page may not, the text is selected for the reader to copy.
async function copy(button, text, shown) {
  const usual = button.dataset.text || button.textContent;
  button.dataset.text = usual;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch (error) {
    if (shown) getSelection().selectAllChildren(shown);
    button.textContent = shown ? "Selected: press Ctrl+C" : "Not allowed here";
  }
  setTimeout(() => { button.textContent = usual; }, 1800);
}
