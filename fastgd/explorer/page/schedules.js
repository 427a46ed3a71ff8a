// The picker's schedules: what fastgd.explorer.picks says, with the translated formulas of fastgd.schedules.

const Scalar = {
  minimum: min,
  maximum: max,
  pow,
  cos,
  count_reached: (bounds, t) => bounds.filter((bound) => bound <= t).length,
  take: (values, index) => values[index],
};

// The first step of each cycle of cosine_restarts.
function _restarts(period, multiplier) {
  const starts = [0];
  for (let length = period; starts[starts.length - 1] <= 2 ** 53; length *= multiplier) {
    starts.push(starts[starts.length - 1] + length);
  }
  return starts;
}

// The numbers that a pick's arguments name.
function spread(total) {
  const part = (share) => Math.max(1, Math.floor(total * share));
  const tenth = part(0.1);
  return {
    total, tenth, rest: total - tenth,
    half: part(0.5), third: part(1 / 3), seventh: part(1 / 7), late: Math.max(part(0.5) + 1, part(0.75)),
  };
}

const isFormula = (part) => Array.isArray(part) && part[0] in FORMULAS;

function scheduleOf([name, parts], names) {
  const values = parts.map((part) => {
    if (isFormula(part)) return scheduleOf(part, names);
    if (Array.isArray(part)) return part[1].map((each) => names[each]);
    return part in names ? names[part] : part;
  });
  return { evaluate: (m, t) => FORMULAS[name](m, t, ...values) };
}

// The rate as a function of the step; undefined where it does not change.
function rateAt(id, total, peak) {
  const pick = DATA.schedules.find((each) => each.name === id);
  if (!pick) return undefined;
  const schedule = scheduleOf(pick.formula, { ...spread(total), peak });
  return (step) => schedule.evaluate(Scalar, step);
}

// The same in Python.
function scheduleText(id, total, peak) {
  const pick = DATA.schedules.find((each) => each.name === id);
  if (!pick) return String(peak);
  const names = { ...spread(total), peak };
  const given = pick.arguments.replace(/\{(\w+)\}/g, (_, name) => names[name]);
  return `gd.schedules.${id}(${given})`;
}
