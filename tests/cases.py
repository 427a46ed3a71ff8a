"""THE table of cases: every optimizer with its conventions and several sets of hyperparameters.

It drives the generic tests and the benchmarks. A new optimizer needs one row here. A row names what
computes the same numbers: PyTorch's class, a chain of optax transformations, and the loop in
`tests/naive.py`. Plain data: neither fastgd nor a peer is imported before a row is used.
"""

from dataclasses import dataclass, field
from typing import Any

Arguments = dict[str, Any]

BACKENDS = ("numpy", "cython", "numba")


@dataclass(frozen=True)
class Case:
    """One optimizer with one set of hyperparameters.

    `torch` is PyTorch's class and arguments; `optax` a chain of transformations, each with its
    arguments (the last one gets the rate); `naive` a class of `tests/naive.py` with its arguments.
    `l1`, `clip_value` and `clip_norm` are no arguments of a PyTorch optimizer: a runner clips the
    gradients itself.
    """

    id: str
    optimizer: str
    kwargs: Arguments = field(default_factory=dict)
    torch: tuple[str, Arguments] | None = None
    optax: tuple[tuple[str, Arguments], ...] | None = None
    naive: tuple[str, Arguments] = ("", {})

    @property
    def convention(self) -> str | None:
        return self.kwargs.get("convention")

    def make(self, **extra: Any) -> Any:
        """The fastgd optimizer; `extra` are further arguments such as ``backend="numba"``."""
        import fastgd as gd  # noqa: PLC0415

        return getattr(gd, self.optimizer)(**{**self.kwargs, **extra})

    def make_naive(self) -> Any:
        import naive  # noqa: PLC0415

        name, kwargs = self.naive
        return getattr(naive, name)(**kwargs)


def _row(optimizer: str, label: str, torch: Any = None, optax: Any = None, **kwargs: Any) -> Case:
    name = f"{optimizer}-{kwargs.get('convention', '')}-{label}".replace("--", "-")
    return Case(name, optimizer, kwargs, torch, optax, (optimizer, kwargs))


def _torch(optimizer: str, label: str, **kwargs: Any) -> Case:
    """PyTorch takes the same arguments, apart from the clipping."""
    same = {name: value for name, value in kwargs.items() if not name.startswith("clip_")}
    return _row(optimizer, label, torch=(optimizer, same), **kwargs)


def _optax(optimizer: str, label: str, *chain: tuple[str, Arguments], **kwargs: Any) -> Case:
    return _row(optimizer, label, optax=chain, convention="optax", **kwargs)


CASES: tuple[Case, ...] = (
    # Plain descent and momentum
    _torch("SGD", "default"),
    _torch("SGD", "fast", lr=0.1),
    _torch("SGD", "decay", lr=0.05, weight_decay=0.1),
    _torch("SGD", "maximize-decay", lr=0.05, weight_decay=0.1, maximize=True),
    _torch("SGD", "momentum", lr=0.02, momentum=0.9),
    _torch("SGD", "dampening", lr=0.05, momentum=0.8, dampening=0.3, weight_decay=0.01),
    _torch("SGD", "nesterov", lr=0.02, momentum=0.9, nesterov=True),
    _torch("SGD", "nesterov-decay", lr=0.05, momentum=0.5, nesterov=True, weight_decay=0.05),
    _torch("SGD", "clip-value", lr=0.05, momentum=0.9, clip_value=0.5),
    _torch("SGD", "clip-norm", lr=0.05, clip_norm=2.0, maximize=True),
    _row("SGD", "l2", torch=("SGD", {"lr": 0.05, "weight_decay": 0.2}), lr=0.05, l2=0.2),
    _row("SGD", "l1", lr=0.02, momentum=0.9, l1=0.03),
    _row("SGD", "elastic-net", lr=0.02, l1=0.03, l2=0.1, clip_value=1.0, maximize=True),
    _optax("SGD", "plain", ("sgd", {"learning_rate": 0.1}), lr=0.1),
    _optax(
        "SGD", "momentum", ("sgd", {"learning_rate": 0.02, "momentum": 0.9}), lr=0.02, momentum=0.9
    ),
    _optax(
        "SGD",
        "nesterov",
        ("sgd", {"learning_rate": 0.02, "momentum": 0.7, "nesterov": True}),
        lr=0.02,
        momentum=0.7,
        nesterov=True,
    ),
    _optax(
        "SGD",
        "clip-norm-decay",
        ("clip_by_global_norm", {"max_norm": 2.0}),
        ("add_decayed_weights", {"weight_decay": 0.1}),
        ("sgd", {"learning_rate": 0.05}),
        lr=0.05,
        clip_norm=2.0,
        weight_decay=0.1,
    ),
    _row("SGD", "momentum-decay", lr=0.02, momentum=0.9, weight_decay=0.1, convention="keras"),
    _row("SGD", "clip-norm", lr=0.02, momentum=0.9, clip_norm=2.0, convention="keras"),
    _row("SGD", "nesterov", lr=0.02, momentum=0.9, nesterov=True, convention="keras"),
    _row("SGD", "momentum-decay", lr=0.02, momentum=0.9, weight_decay=0.1, convention="sklearn"),
    _row("SGD", "nesterov", lr=0.05, momentum=0.6, nesterov=True, convention="sklearn"),
    _row("SGD", "momentum", lr=0.05, momentum=0.7, convention="paper"),
    _row("SGD", "nesterov", lr=0.05, momentum=0.7, nesterov=True, convention="paper"),
    _row("Momentum", "default"),
    _row("Momentum", "slow", lr=0.1, momentum=0.3),
    _row("Momentum", "decay", lr=0.02, momentum=0.8, weight_decay=0.1, maximize=True),
    _row("HeavyBall", "default"),
    _row("NAG", "default"),
    _row("NAG", "slow", lr=0.1, momentum=0.3),
    _row("NAG", "decay", lr=0.02, momentum=0.8, weight_decay=0.1, l1=0.01),
    # Rates divided by a root of squared gradients
    _torch("Adagrad", "default"),
    _torch("Adagrad", "lr-decay", lr=0.5, lr_decay=0.05, eps=1e-6),
    _torch("Adagrad", "start", lr=0.1, initial_accumulator_value=0.3, weight_decay=0.1),
    _torch("Adagrad", "maximize", lr=0.1, weight_decay=0.01, maximize=True),
    _optax(
        "Adagrad",
        "default-start",
        ("adagrad", {"learning_rate": 0.1, "eps": 1e-7}),
        lr=0.1,
        eps=1e-7,
    ),
    _optax(
        "Adagrad",
        "zero-start",
        ("adagrad", {"learning_rate": 0.1, "initial_accumulator_value": 0.0, "eps": 1e-5}),
        lr=0.1,
        initial_accumulator_value=0.0,
        eps=1e-5,
    ),
    _row("Adagrad", "decay", lr=0.1, eps=1e-7, weight_decay=0.1, convention="keras"),
    _row("Adagrad", "eps-inside", lr=0.1, eps=1e-4, convention="paper"),
    _torch("RMSprop", "default"),
    _torch("RMSprop", "momentum", lr=0.005, alpha=0.9, momentum=0.9, weight_decay=0.01),
    _torch("RMSprop", "centered", lr=0.01, alpha=0.9, centered=True, eps=1e-6),
    _torch("RMSprop", "centered-momentum", lr=0.002, centered=True, momentum=0.5, maximize=True),
    _optax(
        "RMSprop",
        "default",
        ("rmsprop", {"learning_rate": 0.01, "decay": 0.99, "eps": 1e-8}),
        lr=0.01,
    ),
    _optax(
        "RMSprop",
        "momentum",
        ("rmsprop", {"learning_rate": 0.005, "decay": 0.9, "eps": 1e-6, "momentum": 0.9}),
        lr=0.005,
        alpha=0.9,
        eps=1e-6,
        momentum=0.9,
    ),
    _optax(
        "RMSprop",
        "centered",
        ("rmsprop", {"learning_rate": 0.01, "decay": 0.9, "eps": 1e-6, "centered": True}),
        lr=0.01,
        alpha=0.9,
        eps=1e-6,
        centered=True,
    ),
    _row("RMSprop", "decay", lr=0.01, alpha=0.9, weight_decay=0.1, convention="keras"),
    _row(
        "RMSprop",
        "centered-momentum",
        lr=0.005,
        alpha=0.9,
        eps=1e-7,
        momentum=0.9,
        centered=True,
        convention="keras",
    ),
    _row("RMSprop", "eps-inside", lr=0.01, alpha=0.9, eps=1e-4, convention="paper"),
    _row("RMSprop", "momentum", lr=0.005, alpha=0.95, momentum=0.8, convention="paper"),
    _torch("Adadelta", "default"),
    _torch("Adadelta", "decay", lr=0.5, rho=0.95, eps=1e-4, weight_decay=0.1),
    _torch("Adadelta", "maximize", rho=0.5, eps=1e-7, maximize=True),
    _optax("Adadelta", "default", ("adadelta", {"learning_rate": 1.0})),
    _optax(
        "Adadelta",
        "decay",
        ("adadelta", {"learning_rate": 0.5, "rho": 0.95, "eps": 1e-4, "weight_decay": 0.1}),
        lr=0.5,
        rho=0.95,
        eps=1e-4,
        weight_decay=0.1,
    ),
    _row("Adadelta", "decay", rho=0.95, eps=1e-7, weight_decay=0.1, convention="keras"),
    _row("Adadelta", "default", convention="paper"),
    # Adam and its relatives
    _torch("Adam", "default"),
    _torch("Adam", "decay", lr=0.01, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1),
    _torch("Adam", "amsgrad", lr=0.01, betas=(0.9, 0.9), amsgrad=True),
    _torch("Adam", "amsgrad-decay", lr=0.02, amsgrad=True, weight_decay=0.05, maximize=True),
    _torch("Adam", "no-momentum", lr=0.01, betas=(0.0, 0.95)),
    _torch("Adam", "clip-norm", lr=0.01, clip_norm=1.0, clip_value=0.3),
    _optax("Adam", "default", ("adam", {"learning_rate": 1e-3})),
    _optax(
        "Adam",
        "decay",
        ("add_decayed_weights", {"weight_decay": 0.1}),
        ("adam", {"learning_rate": 0.01, "b1": 0.8, "b2": 0.99, "eps": 1e-6}),
        lr=0.01,
        betas=(0.8, 0.99),
        eps=1e-6,
        weight_decay=0.1,
    ),
    _optax(
        "Adam",
        "amsgrad",
        ("amsgrad", {"learning_rate": 0.01, "b2": 0.99}),
        lr=0.01,
        betas=(0.9, 0.99),
        amsgrad=True,
    ),
    _row("Adam", "eps", lr=0.01, eps=1e-3, convention="keras"),
    _row("Adam", "decay", lr=0.01, eps=1e-7, weight_decay=0.1, convention="keras"),
    _row("Adam", "amsgrad", lr=0.01, betas=(0.9, 0.99), amsgrad=True, convention="keras"),
    _row("Adam", "eps", lr=0.01, eps=1e-3, convention="sklearn"),
    _row("Adam", "decay", lr=0.01, betas=(0.8, 0.99), weight_decay=0.1, convention="sklearn"),
    _row("Adam", "eps", lr=0.01, eps=1e-3, convention="paper"),
    _row("Adam", "amsgrad", lr=0.01, betas=(0.9, 0.99), amsgrad=True, convention="paper"),
    _torch("AdamW", "default"),
    _torch("AdamW", "decay", lr=0.02, betas=(0.8, 0.99), weight_decay=0.5),
    _torch("AdamW", "amsgrad", lr=0.01, amsgrad=True, weight_decay=0.1, maximize=True),
    _optax(
        "AdamW",
        "decay",
        ("adamw", {"learning_rate": 0.02, "b1": 0.8, "b2": 0.99, "weight_decay": 0.5}),
        lr=0.02,
        betas=(0.8, 0.99),
        weight_decay=0.5,
    ),
    _optax(
        "AdamW",
        "amsgrad",
        ("scale_by_amsgrad", {"b2": 0.99}),
        ("add_decayed_weights", {"weight_decay": 0.1}),
        ("scale_by_learning_rate", {"learning_rate": 0.01}),
        lr=0.01,
        betas=(0.9, 0.99),
        amsgrad=True,
        weight_decay=0.1,
    ),
    _row("AdamW", "decay", lr=0.01, eps=1e-4, weight_decay=0.1, convention="keras"),
    _torch("NAdam", "default"),
    _torch("NAdam", "decay", lr=0.01, betas=(0.8, 0.99), weight_decay=0.1, momentum_decay=0.1),
    _torch("NAdam", "decoupled", lr=0.01, weight_decay=0.1, decoupled_weight_decay=True),
    _torch("NAdam", "maximize", lr=0.01, momentum_decay=1.0, maximize=True),
    _optax("NAdam", "default", ("nadam", {"learning_rate": 2e-3})),
    _optax(
        "NAdam",
        "betas",
        ("nadam", {"learning_rate": 0.01, "b1": 0.8, "b2": 0.99, "eps": 1e-6}),
        lr=0.01,
        betas=(0.8, 0.99),
        eps=1e-6,
    ),
    _row("NAdam", "decay", momentum_decay=1.0, eps=1e-7, weight_decay=0.1, convention="keras"),
    _torch("RAdam", "default"),
    _torch("RAdam", "decay", lr=0.02, betas=(0.8, 0.99), weight_decay=0.1),
    _torch("RAdam", "decoupled", lr=0.02, weight_decay=0.1, decoupled_weight_decay=True),
    _torch("RAdam", "never-rectified", lr=0.005, betas=(0.9, 0.6), maximize=True),
    _optax("RAdam", "default", ("radam", {"learning_rate": 1e-3})),
    _optax(
        "RAdam",
        "eps",
        ("radam", {"learning_rate": 0.01, "b1": 0.8, "b2": 0.99, "eps": 1e-3}),
        lr=0.01,
        betas=(0.8, 0.99),
        eps=1e-3,
    ),
    _torch("Adamax", "default"),
    # A larger rate drives the parameter without gradient through zero, where the iteration is
    # chaotic.
    _torch("Adamax", "decay", lr=0.002, betas=(0.8, 0.99), weight_decay=0.1),
    _torch("Adamax", "eps", lr=0.01, eps=1e-3, maximize=True),
    _optax("Adamax", "default", ("adamax", {"learning_rate": 2e-3})),
    _optax(
        "Adamax",
        "betas",
        ("adamax", {"learning_rate": 0.02, "b1": 0.8, "b2": 0.9, "eps": 1e-3}),
        lr=0.02,
        betas=(0.8, 0.9),
        eps=1e-3,
    ),
    _row("Adamax", "eps-outside", lr=0.01, eps=1e-3, weight_decay=0.1, convention="keras"),
    # Signs only
    _torch("Rprop", "default"),
    _torch("Rprop", "etas", lr=0.1, etas=(0.3, 1.5), step_sizes=(1e-3, 0.5)),
    _torch("Rprop", "maximize", lr=0.05, maximize=True),
    _optax("Lion", "default", ("lion", {"learning_rate": 1e-4, "weight_decay": 0.0})),
    _optax(
        "Lion",
        "decay",
        ("lion", {"learning_rate": 0.01, "b1": 0.8, "b2": 0.95, "weight_decay": 0.1}),
        lr=0.01,
        betas=(0.8, 0.95),
        weight_decay=0.1,
    ),
    _row("Lion", "decay", lr=0.01, weight_decay=0.1, maximize=True, convention="keras"),
)
