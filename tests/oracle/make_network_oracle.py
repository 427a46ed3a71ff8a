"""Losses and gradients of networks as PyTorch's autograd has them, stored beside this file.

Run it from the repository's root where PyTorch is installed: ``python tests/oracle/make_network_oracle.py``. It writes
``network.npz``: for each case of `STORED` the loss and all gradients in one row of numbers, and PyTorch's version.

Data and parameters come from the legacy `numpy.random.RandomState`, whose stream is frozen.
"""

import itertools
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ACTIVATIONS = ("relu", "leaky_relu", "sigmoid", "tanh", "gelu", "softplus", "identity")
LOSSES = (
    "cross_entropy",
    "binary_cross_entropy",
    "mse",
    "half_squares",
    "mae",
    "huber",
    "poisson",
)
DEPTHS = (0, 1, 2, 3, 4)
BATCHES = (1, 3, 256)
#: Units of hidden layers; the live comparisons take wide ones, on both sides of a register's width.
NARROW, WIDE = (4, 3, 5, 4), (37, 19, 8, 33)


@dataclass(frozen=True)
class NetworkCase:
    """A network, a batch, and what is special about it.

    `special` is "", "weights" (of rows, some of them zero) or "penalties" (l1 = 0.03, l2 = 0.2).
    """

    activation: str
    loss: str
    depth: int
    batch: int
    special: str = ""
    units: tuple[int, ...] = NARROW
    inputs: int = 6
    outputs: int = 3

    @property
    def id(self) -> str:
        return f"{self.activation}-{self.loss}-{self.depth}-{self.batch}{self.special and '-' + self.special}"

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.inputs, *self.units[: self.depth], self.outputs)

    @property
    def penalties(self) -> dict[str, float]:
        return {"l1": 0.03, "l2": 0.2} if self.special == "penalties" else {}

    def parameters(self) -> list[np.ndarray]:
        """[W0, b0, ...], float64."""
        rng = np.random.RandomState(7)
        shapes = [s for m, n in itertools.pairwise(self.sizes) for s in ((m, n), (n,))]
        return [rng.randn(*s) * (1.5 / np.sqrt(s[0]) if len(s) == 2 else 0.3) for s in shapes]

    def data(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Inputs, targets and weights of the rows."""
        rng = np.random.RandomState(11)
        x = rng.randn(self.batch, self.inputs)
        shape = (self.batch, self.outputs)
        y = {
            "cross_entropy": lambda: rng.randint(self.outputs, size=self.batch),
            "binary_cross_entropy": lambda: rng.randint(2, size=shape).astype(float),
            "poisson": lambda: rng.poisson(1.5, size=shape).astype(float),
        }.get(self.loss, lambda: 2.0 * rng.randn(*shape))()
        w = rng.rand(self.batch) * (np.arange(self.batch) % 3 != 1)
        return x, y, w if self.special == "weights" else None


def _stored() -> list[NetworkCase]:
    """Every activation x loss x depth; batches and what is special take turns."""
    specials = itertools.cycle(("", "weights", "", "penalties", ""))
    batches = itertools.cycle(BATCHES)
    cases = [
        NetworkCase("identity", loss, 0, batch, next(specials))
        for loss, batch in itertools.product(LOSSES, BATCHES)
    ]
    for activation, loss, depth in itertools.product(ACTIVATIONS, LOSSES, DEPTHS[1:]):
        cases.append(NetworkCase(activation, loss, depth, next(batches), next(specials)))
    return cases


STORED = _stored()


def run_torch(case: NetworkCase, dtype: str = "float64") -> tuple[float, list[np.ndarray]]:
    """Loss with penalties, and the gradients in the order of the parameters."""
    import torch  # noqa: PLC0415
    import torch.nn.functional as F  # noqa: PLC0415

    x, y, weights = case.data()
    classes = case.loss == "cross_entropy"
    x = torch.tensor(x.astype(dtype))
    y = torch.tensor(y if classes else y.astype(dtype))
    params = [torch.tensor(p.astype(dtype), requires_grad=True) for p in case.parameters()]
    activation = {"leaky_relu": F.leaky_relu, "identity": lambda z: z}.get(
        case.activation
    ) or getattr(F, case.activation)
    z = x
    for k in range(case.depth + 1):
        z = z @ params[2 * k] + params[2 * k + 1]
        if k < case.depth:
            z = activation(z)
    losses = {
        "cross_entropy": lambda: F.cross_entropy(z, y, reduction="none"),
        "binary_cross_entropy": lambda: F.binary_cross_entropy_with_logits(
            z, y, reduction="none"
        ).mean(1),
        "mse": lambda: F.mse_loss(z, y, reduction="none").mean(1),
        "half_squares": lambda: F.mse_loss(z, y, reduction="none").sum(1) / 2,
        "mae": lambda: F.l1_loss(z, y, reduction="none").mean(1),
        "huber": lambda: F.huber_loss(z, y, reduction="none").mean(1),
        "poisson": lambda: (
            F.poisson_nll_loss(z, y, log_input=True, reduction="none") + torch.xlogy(y, y) - y
        ).mean(1),
    }[case.loss]()
    if weights is None:
        loss = losses.mean()
    else:
        w = torch.tensor(weights.astype(dtype))
        loss = (losses * w).sum() / w.sum()
    for w in params[::2] if case.penalties else ():
        loss = (
            loss + case.penalties["l1"] * w.abs().sum() + case.penalties["l2"] / 2 * (w * w).sum()
        )
    loss.backward()
    return loss.item(), [p.grad.numpy() for p in params]


def in_a_row(loss: float, grads: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([[loss], *(g.ravel() for g in grads)])


def main() -> None:
    import torch  # noqa: PLC0415

    rows = [in_a_row(*run_torch(case)) for case in STORED]
    np.savez_compressed(
        HERE / "network.npz",
        ids=np.array([case.id for case in STORED]),
        ends=np.cumsum([len(row) for row in rows]),
        numbers=np.concatenate(rows),
        version=np.array(f"torch {torch.__version__}"),
    )


if __name__ == "__main__":
    sys.exit(main())
