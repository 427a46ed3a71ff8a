"""The schedules of the page's picker: the library's own, with their formulas translated.

A pick spreads a schedule over the number of updates that the page says, `total`. Whatever else a schedule takes follows
from that number; the page computes these names: `peak`, `total`, and the whole numbers `half`, `third`, `seventh`,
`tenth` (of total), `late` (three quarters) and `rest` (total without a tenth).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fastgd.engines.javascript.translate import function_text, helpers
from fastgd.schedules.formulas import FORMULAS

Part = str | float | int | tuple[Any, ...]
_NOT_OF_A_PAGE = ("function",)  # a user's own


@dataclass(frozen=True)
class Pick:
    """A schedule: its name in `fastgd.schedules`, its arguments there, and the formula that these stand for.

    In `arguments` names are in braces. `formula` is a name of `fastgd.schedules.formulas` and its arguments; an
    argument that is a pair again is a schedule, or a list. A text that is no name stands for itself.
    """

    name: str
    arguments: str
    formula: tuple[str, tuple[Part, ...]]


PICKS = (
    Pick("step", "{peak}, every={third}, factor=0.3", ("step", ("peak", "third", 0.3))),
    Pick("multi_step", "{peak}, milestones=[{half}, {late}], factor=0.1",
         ("multi_step", ("peak", ("list", ("half", "late")), 0.1))),
    Pick("exponential", "{peak}, factor=0.99", ("exponential", ("peak", 0.99))),
    Pick("linear", "{peak}, 0.0, total={total}", ("linear", ("peak", 0.0, "total"))),
    Pick("polynomial", "{peak}, total={total}, power=2.0", ("polynomial", ("peak", "total", 2.0, 0.0))),
    Pick("cosine", "{peak}, total={total}", ("cosine", ("peak", "total", 0.0))),
    Pick("cosine_restarts", "{peak}, period={seventh}, multiplier=2",
         ("cosine_restarts", ("peak", "seventh", 2, 0.0))),
    Pick("inverse_sqrt", "{peak}, offset={tenth}", ("inverse_sqrt", ("peak", "tenth"))),
    Pick("one_cycle", "{peak}, total={total}", ("one_cycle", ("peak", "total", 0.3, 25.0, 1e4, "cos"))),
    Pick("warmup_constant", "{peak}, warmup={tenth}",
         ("warmup", (("constant", ("peak",)), "tenth", 0.0))),
    Pick("warmup_linear", "{peak}, warmup={tenth}, total={total}",
         ("warmup", (("linear", ("peak", 0.0, "rest")), "tenth", 0.0))),
    Pick("warmup_cosine", "{peak}, warmup={tenth}, total={total}",
         ("warmup", (("cosine", ("peak", "rest", 0.0)), "tenth", 0.0))),
    Pick("warmup_inverse_sqrt", "{peak}, warmup={tenth}",
         ("warmup", (("inverse_sqrt", ("peak", "tenth")), "tenth", 0.0))),
)  # fmt: skip


def described() -> list[dict[str, Any]]:
    """The picks as the page's script takes them."""
    return [asdict(pick) for pick in PICKS]


def script() -> str:
    """The formulas as a script: `FORMULAS`, and the functions that they call."""
    formulas = {name: f for name, f in FORMULAS.items() if name not in _NOT_OF_A_PAGE}
    called = {name: f for formula in formulas.values() for name, f in helpers(formula).items()}
    methods = (function_text(f, name).removeprefix("function ") for name, f in formulas.items())
    return "\n".join(
        [
            "// Written from the source of fastgd.schedules.formulas.",
            *(function_text(f) for f in called.values()),
            "const FORMULAS = {\n" + ",\n".join(methods) + ",\n};",
            "",
        ]
    )
