"""From pytest-benchmark's JSON to the Markdown tables of `benchmarks/README.md` and of the project's README.

    pytest --benchmark-only --benchmark-json=benchmarks.json
    python benchmarks/table.py benchmarks.json benchmarks/README.md
    python benchmarks/table.py benchmarks.json README.md "chosen benchmarks"

It replaces the text between the lines ``<!-- benchmarks -->`` and ``<!-- /benchmarks -->``, or, with a third
argument, other marks of that kind: a part of the suite, measured on another machine, has a block of its own, and
"chosen benchmarks" is a table of some rows of all. Ratios
stand first: how many times as long a peer takes for the same work, the median of interleaved rounds, the peer's best
form. One and the same peer has one column, whichever form of it was the fastest; the form is named.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from contents import AHEAD, CHOSEN, CHOSEN_PEERS, COLUMNS, INTRODUCTIONS, LIBRARIES

from fastgd.files import atomic_text

MARK, CHOSEN_MARK = "benchmarks", "chosen benchmarks"
Record = Mapping[str, Any]

LIMITS = {
    "memory": "of the memory's limit",
    "products": "of the products alone",
    "multiply-adds": "of the multiply-add peak",
    "reading X": "of the speed of reading",
    "reading": "of the speed of reading",
    "the loops alone": "of the loops alone",
}
SLOWER = 0.95  # ratio below which a peer counts as ahead; above it noise may decide
FIRST = {"Optimizers of a network": "SGD"}  # what the others are compared with, if not fastgd
RATES = {"iteration": " iterations/s", "byte": "B/s", "flop": "flop/s"}
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


def tables(records: Iterable[Record]) -> str:
    """All records as Markdown tables, in the order of `INTRODUCTIONS`."""
    parts = []
    for name, rows in _by_table(records).items():
        parts.append(f"**{name}.** {INTRODUCTIONS.get(name, '')}".rstrip())
        parts.append(markdown(*_cells(name, rows)))
        parts += _skipped(rows)
    return "\n\n".join(parts)


def cells(records: Iterable[Record]) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Title -> head and rows of each table."""
    return {name: _cells(name, rows) for name, rows in _by_table(records).items()}


def _by_table(records: Iterable[Record]) -> dict[str, list[Record]]:
    """In the order of `INTRODUCTIONS`."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record["table"], []).append(record)
    if "One step" in found:
        found["One step"].sort(key=_order)
    return {name: found[name] for name in sorted(found, key=_place)}


def _cells(name: str, rows: Sequence[Record]) -> tuple[list[str], list[list[str]]]:
    return _WRITERS.get(name, _ratios)(name, rows)


def chosen(records: Sequence[Record]) -> str:
    """The rows `CHOSEN` as one table, each with the best form of each peer.

    Raises
    ------
    ValueError
        If one of them was not measured.
    """
    measured = {(r["table"], r["workload"]): r for r in sorted(records, key=_threads)}
    missing = [workload for name, workload, _ in CHOSEN if (name, workload) not in measured]
    if missing:
        raise ValueError(f"the report lacks {'; '.join(missing)}; run all benchmarks")
    body = []
    for name, workload, title in CHOSEN:
        row = measured[name, workload]
        found = [_fastest(row, prefixes) for prefixes in CHOSEN_PEERS.values()]
        ratios = [significant(peer[1]["ratio"]) if peer else "" for peer in found]
        body.append([title, *ratios, amount(row["median"], row["unit"])])
    return markdown(["", *CHOSEN_PEERS, "fastgd"], body)


def ahead(records: Iterable[Record]) -> str:
    """The rows in which another library is ahead, the furthest first; empty where there is none."""
    found = []
    for row in records:
        peer = _fastest(row, LIBRARIES)
        if peer is not None and peer[1]["ratio"] < SLOWER:
            found.append((peer[1]["ratio"], row, peer[0]))
    body = [
        [row["table"], row["workload"], str(row["threads"]), name, significant(ratio)]
        for ratio, row, name in sorted(found, key=lambda item: item[0])
    ]
    head = ["", "workload", "threads", "ahead", "its time by fastgd's"]
    return f"**{AHEAD}.** {INTRODUCTIONS[AHEAD]}\n\n{markdown(head, body)}" if body else ""


def _threads(record: Record) -> int:
    return int(record["threads"])


def _place(name: str) -> int:
    order = list(INTRODUCTIONS)
    return order.index(name) if name in order else len(order)


def _order(record: Record) -> tuple[int, str]:
    """Adam, the most used, comes first."""
    return (0 if record["workload"].startswith("Adam,") else 1, "")


def _ratios(name: str, rows: Sequence[Record]) -> tuple[list[str], list[list[str]]]:
    """Ratios first, then how close to the machine's limit, then the time or the rate itself."""
    columns = {
        title: prefixes
        for title, prefixes in COLUMNS.get(name, _every_peer(rows)).items()
        if any(_fastest(row, prefixes) for row in rows)
    }
    limits = [limit for limit in LIMITS if any(limit in row["limits"] for row in rows)]
    operations = any("operations" in row for row in rows)
    head = ["", "threads", *columns, *(LIMITS[limit] for limit in limits)]
    head += ["operations"] * operations + [FIRST.get(name, "fastgd")]
    body = []
    for row in rows:
        cells = [row["workload"], str(row["threads"])]
        for prefixes in columns.values():
            found = _fastest(row, prefixes)
            cells.append(_ratio(found) + (_accuracy(row, found[0]) if found else ""))
        cells += [_share(row["limits"].get(limit)) for limit in limits]
        if operations:
            cells.append(amount(row["median"] / row["operations"], "flop"))
        cells.append(amount(row["median"], row["unit"]) + _accuracy(row, row["name"]))
        body.append(cells)
    return head, body


def _share(limit: Record | None) -> str:
    return "" if limit is None else f"{limit['ratio']:.0%}"


def _accuracy(row: Record, name: str) -> str:
    return f", {row['accuracy'][name]:.1%}" if "accuracy" in row else ""


def _every_peer(rows: Sequence[Record]) -> dict[str, Any]:
    return {peer: peer for row in rows for peer in row["peers"]}


def _fastest(row: Record, prefixes: str | tuple[str, ...]) -> tuple[str, Record] | None:
    found = [(name, peer) for name, peer in row["peers"].items() if name.startswith(prefixes)]
    return min(found, key=lambda item: item[1]["ratio"], default=None)


def _ratio(found: tuple[str, Record] | None) -> str:
    if found is None:
        return ""
    name, peer = found
    form = name.removeprefix("torch ") if name.startswith("torch ") else name.partition(", ")[2]
    shown = name.startswith("torch ") or form.endswith(("thread", "threads"))
    return significant(peer["ratio"]) + (f" ({form})" if shown else "")


def _runs(_: str, rows: Sequence[Record]) -> tuple[list[str], list[list[str]]]:
    """One column for every number of runs, from few to many."""
    sizes = {row["name"]: None for row in rows} | {
        peer: None for row in rows for peer in row["peers"]
    }
    ordered = sorted(sizes, key=lambda name: int(name.split()[0].replace(",", "")))
    body = []
    for row in rows:
        ratios = {row["name"]: 1.0, **{name: peer["ratio"] for name, peer in row["peers"].items()}}
        cells = [significant(ratios[name]) if name in ratios else "" for name in ordered]
        body.append([row["workload"], *cells, amount(row["median"], row["unit"])])
    return ["", *ordered, "at 1,000"], body


def _limits(_: str, rows: Sequence[Record]) -> tuple[list[str], list[list[str]]]:
    body = [[r["workload"], str(r["threads"]), amount(r["median"], r["unit"])] for r in rows]
    return ["", "threads", "reached"], body


_WRITERS = {"Machine": _limits, "GPU: limits": _limits, "Number of runs": _runs}


def _skipped(rows: Sequence[Record]) -> list[str]:
    reasons = {f"{peer}: {why}" for row in rows for peer, why in row["skipped"].items()}
    return [f"Left out: {'; '.join(sorted(reasons))}."] if reasons else []


def amount(seconds: float, unit: str) -> str:
    """Seconds per unit of work in readable form: a rate for units that come in billions, else a time.

    >>> amount(2.5e-10, "iteration"), amount(3.4e-3, "step"), amount(1.5e-6, "step")
    ('4.0 G iterations/s', '3.4 ms', '1.5 µs')
    """
    if unit in RATES:
        value, name = 1.0 / seconds, RATES[unit]
        prefix = next((p for p in PREFIXES if value >= p[0]), PREFIXES[-1])
        return f"{significant(value / prefix[0])} {prefix[1]}{name}"
    for scale, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= scale:
            return f"{significant(seconds / scale)} {name}"
    return f"{significant(seconds / 1e-9)} ns"


def significant(value: float) -> str:
    """Two digits, no exponent.

    >>> significant(0.947), significant(3.44), significant(57.2), significant(1234.0)
    ('0.95', '3.4', '57', '1,200')
    """
    if value < 1:
        return f"{value:.2f}"
    if value < 10:
        return f"{value:.1f}"
    if value < 100:
        return f"{value:.0f}"
    return f"{float(f'{value:.1e}'):,.0f}"


def markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *body))


def footnote(report: Mapping[str, Any]) -> str:
    """The machine, the versions, and when."""
    machine = report["machine_info"]
    versions = machine.get("versions", {})
    here = ", ".join(f"{name} {version}" for name, version in versions.items())
    cpu = machine.get("cpu", {})
    processor = f"{cpu.get('brand_raw', 'unknown processor')}, {cpu.get('count', '?')} cores"
    processor += f", {machine['gpu']}" if "gpu" in machine else ""
    width = f"kernels for {machine.get('kernels', 'an unknown processor')}"
    return f"{processor}, {machine.get('system', '')}, {width}; {here}; {report['datetime'][:10]}."


def from_report(report: Mapping[str, Any], mark: str = MARK) -> str:
    """What belongs between the markers of that name."""
    records = measured(report)
    if mark == CHOSEN_MARK:
        content = chosen(headlines(records))
    else:
        content = "\n\n".join(filter(None, [ahead(records), tables(headlines(records))]))
    return f"{content}\n\n{footnote(report)}"


def measured(report: Mapping[str, Any]) -> list[Record]:
    """The records of this project's benchmarks.

    Raises
    ------
    ValueError
        If there are none.
    """
    records = [b["extra_info"] for b in report["benchmarks"] if "table" in b["extra_info"]]
    if not records:
        raise ValueError(
            "the report holds no benchmark of this project; make it with pytest --benchmark-only"
        )
    return records


def headlines(records: Iterable[Record]) -> list[Record]:
    """The records that stand in the tables; others have them as their peers or details."""
    return [r for r in records if r["headline"]]


def replaced(text: str, content: str, mark: str = MARK) -> str:
    """The text with the content between the marks of that name.

    Raises
    ------
    ValueError
        If the markers are not there, once each and in order.
    """
    start, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    if text.count(start) != 1 or text.count(end) != 1 or text.index(end) < text.index(start):
        raise ValueError(f"wanted one line {start} and one line {end} after it")
    before, rest = text.split(start)
    return f"{before}{start}\n{content}\n{end}{rest.split(end)[1]}"


def main(arguments: Sequence[str]) -> int:
    if len(arguments) not in {2, 3}:
        sys.stderr.write("usage: python benchmarks/table.py REPORT.json README.md [MARK]\n")
        return 2
    source, target, mark = Path(arguments[0]), Path(arguments[1]), (*arguments[2:], MARK)[0]
    try:
        content = from_report(json.loads(source.read_text(encoding="utf-8")), mark)
        text = replaced(target.read_text(encoding="utf-8"), content, mark)
        with atomic_text(target) as file:
            file.write(text)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
