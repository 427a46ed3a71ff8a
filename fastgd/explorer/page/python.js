// The same descents as a Python program.

function pythonOf(state, about) {
  const lines = ["import numpy as np", "import fastgd as gd", "", about.python, "", "optimizers = ["];
  for (const name of state.shown) lines.push(`    ${optimizerText(state, name)},`);
  const start = `[${state.start.join(", ")}]`;
  lines.push(
    "]",
    "for optimizer in optimizers:",
    `    run = gd.minimize(problem, ${start}, optimizer, max_iter=${state.updates}, tol=${about.tol})`,
    '    print(f"{optimizer!r:.40}: {run.message} After {run.nit} updates: x = {run.x}, loss {run.fun:.6g}")',
  );
  if (about.python.indexOf("np.") < 0) lines.splice(0, 1);
  return lines.join("\n") + "\n";
}

function optimizerText(state, name) {
  const method = METHODS[name], given = [`lr=${scheduleText(state.schedule, state.total, state.rates[name])}`];
  const momentum = state.momenta[name];
  if (method.argument === "momentum") given.push(`momentum=${momentum}`);
  if (method.argument === "betas") given.push(`betas=(${momentum}, ${method.second})`);
  return `gd.${name}(${given.join(", ")})`;
}
