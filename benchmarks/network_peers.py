"""The peers' training loops for a network with ReLU and softmax cross-entropy, each in its best form.

All begin with the same parameters [W0, b0, W1, b1, ...], W of shape (inputs, outputs), and gets the batches
of a stretch gathered beforehand, as `x` (steps, batch, inputs) and `y` (steps, batch). All compute the loss of every
batch. PyTorch: eager, with the optimizer's fused form, or foreach where it has none. JAX: one jitted scan over the
steps, parameters and state donated. scikit-learn: one `partial_fit` over the stretch, batches cut as slices.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import peers

Arrays = list[Any]


@dataclass(frozen=True)
class Rule:
    """One update in the peers' words: PyTorch's class and optax's transformations with their arguments."""

    torch: tuple[str, Mapping[str, Any]]
    optax: tuple[tuple[str, Mapping[str, Any]], ...]


def sgd(lr: float, momentum: float = 0.0) -> Rule:
    trace = (("trace", {"decay": momentum}),) if momentum else ()
    scale = (("scale", {"step_size": -lr}),)
    return Rule(("SGD", {"lr": lr, "momentum": momentum}), trace + scale)


class Training(SimpleNamespace):
    """A peer with parameters of its own: `call()` trains over the stretch once, `arrays()` are its parameters."""

    call: Callable[[], Any]
    arrays: Callable[[], Arrays]


def single(arrays: Arrays) -> Arrays:
    return [np.array(a, np.float32) for a in arrays]


# --- over a stretch of batches that are there already ---------------------------------------------


def torch_training(params: Arrays, x: Any, y: Any, rule: Rule) -> Training:
    net = TorchNet(params, rule)
    from_numpy = peers.torch().from_numpy
    batches = [(from_numpy(a), from_numpy(b)) for a, b in zip(x, y.astype(np.int64), strict=True)]

    def call() -> None:
        for inputs, targets in batches:
            net.update(inputs, targets)

    return Training(call=call, arrays=net.arrays)


class TorchNet:
    def __init__(self, params: Arrays, rule: Rule) -> None:
        torch = peers.torch()
        self.linear, self.relu = torch.nn.functional.linear, torch.relu
        self.cross_entropy = torch.nn.functional.cross_entropy
        # Its layers keep W as (outputs, inputs).
        own = [torch.from_numpy(np.array(p.T, order="C")).requires_grad_() for p in single(params)]
        self.layers = list(zip(own[::2], own[1::2], strict=True))
        self.optimizer = _torch_optimizer(own, *rule.torch)

    def forward(self, inputs: Any) -> Any:
        *hidden, last = self.layers
        for w, b in hidden:
            inputs = self.relu(self.linear(inputs, w, b))
        return self.linear(inputs, *last)

    def update(self, inputs: Any, targets: Any) -> None:
        loss = self.cross_entropy(self.forward(inputs), targets)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def arrays(self) -> Arrays:
        return [p.detach().numpy().T for layer in self.layers for p in layer]


def _torch_optimizer(tensors: Arrays, name: str, options: Mapping[str, Any]) -> Any:
    make = partial(getattr(peers.torch().optim, name), tensors, **options)
    try:
        return make(fused=True)
    except TypeError:  # it has no such form
        return make(foreach=True)


def jax_training(params: Arrays, x: Any, y: Any, rule: Rule) -> Training:
    net = JaxNet(params, rule)
    stretch = net.device(x), net.device(y)
    return Training(call=lambda: net.over(*stretch), arrays=net.arrays)


class JaxNet:
    def __init__(self, params: Arrays, rule: Rule) -> None:
        jax = peers.jax()
        import optax

        self.device, self.wait = jax.numpy.array, jax.block_until_ready
        rules = (getattr(optax, name)(**options) for name, options in rule.optax)
        transform = optax.chain(*rules)
        self.params = [self.device(p) for p in single(params)]
        self.state = transform.init(self.params)

        def step(carry: Any, batch: Any) -> Any:
            params, state = carry
            value, grads = jax.value_and_grad(_jax_loss)(params, *batch)
            updates, state = transform.update(grads, state, params)
            return (optax.apply_updates(params, updates), state), value

        @partial(jax.jit, donate_argnums=(0, 1))
        def stretch(params: Any, state: Any, x: Any, y: Any) -> Any:
            return jax.lax.scan(step, (params, state), (x, y))

        self.stretch = stretch
        self.logits = jax.jit(_jax_forward)

    def over(self, x: Any, y: Any) -> None:
        (self.params, self.state), losses = self.stretch(self.params, self.state, x, y)
        self.wait((self.params, losses))

    def arrays(self) -> Arrays:
        return [np.asarray(p) for p in self.params]


def _jax_forward(params: Arrays, x: Any) -> Any:
    maximum = peers.jax().numpy.maximum
    for w, b in zip(params[:-2:2], params[1:-2:2], strict=True):
        x = maximum(x @ w + b, 0)
    return x @ params[-2] + params[-1]


def _jax_loss(params: Arrays, x: Any, y: Any) -> Any:
    jax = peers.jax()
    z = _jax_forward(params, x)
    right = jax.numpy.take_along_axis(z, y[:, None], axis=1)[:, 0]
    return (jax.nn.logsumexp(z, axis=1) - right).mean()


def numpy_training(params: Arrays, x: Any, y: Any, lr: float) -> Training:
    """As a careful user writes it: arrays for everything are there, nothing is made in the loop but small ones."""
    own = single(params)
    weights, biases = own[::2], own[1::2]
    batch = x.shape[1]
    outputs = [np.empty((batch, w.shape[1]), np.float32) for w in weights]
    deltas = [np.empty_like(z) for z in outputs]
    slopes = [np.empty_like(w) for w in weights]
    rows, scale = np.arange(batch), np.float32(1 / batch)
    losses = np.empty(len(x))

    def forward(inputs: Any) -> None:
        for w, b, z in zip(weights, biases, outputs, strict=True):
            np.matmul(inputs, w, out=z)
            np.add(z, b, out=z)
            if z is not outputs[-1]:
                np.maximum(z, 0, out=z)
            inputs = z

    def loss(targets: Any) -> float:
        """Its gradient with respect to the outputs goes to `deltas`."""
        z, slope = outputs[-1], deltas[-1]
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=slope)
        total = slope.sum(axis=1, keepdims=True)
        value = np.log(total).mean() - z[rows, targets].mean()
        slope /= total
        slope[rows, targets] -= 1
        slope *= scale
        return float(value)

    def backward(inputs: Any) -> None:
        for k in range(len(weights) - 1, -1, -1):
            before = outputs[k - 1] if k else inputs
            np.matmul(before.T, deltas[k], out=slopes[k])
            if k:
                np.matmul(deltas[k], weights[k].T, out=deltas[k - 1])
                deltas[k - 1] *= before > 0
            slopes[k] *= lr
            weights[k] -= slopes[k]
            biases[k] -= lr * deltas[k].sum(axis=0)

    def call() -> None:
        for k, (inputs, targets) in enumerate(zip(x, y, strict=True)):
            forward(inputs)
            losses[k] = loss(targets)
            backward(inputs)

    return Training(call=call, arrays=lambda: own)


def sklearn_training(params: Arrays, x: Any, y: Any, lr: float) -> Training:
    from sklearn.neural_network import MLPClassifier

    hidden = tuple(len(b) for b in params[1:-2:2])
    steps, batch, inputs = x.shape
    net = MLPClassifier(
        hidden, solver="sgd", learning_rate_init=lr, momentum=0.0, alpha=0.0, batch_size=batch, shuffle=False
    )  # fmt: skip
    rows, labels = x.reshape(steps * batch, inputs), y.reshape(-1)
    classes = np.arange(len(params[-1]))
    net.partial_fit(rows[:batch], labels[:batch], classes=classes)  # it makes its arrays then
    for own, given in zip((net.coefs_, net.intercepts_), (params[::2], params[1::2]), strict=True):
        for a, b in zip(own, given, strict=True):
            np.copyto(a, b)

    def arrays() -> Arrays:
        return [p for layer in zip(net.coefs_, net.intercepts_, strict=True) for p in layer]

    return Training(call=lambda: net.partial_fit(rows, labels), arrays=arrays)


# --- whole trainings: rows are gathered on the way, test accuracy is asked for now and then -------


@dataclass(frozen=True)
class Course:
    """A training from beginning to end, the same for everybody.

    `orders` gives an epoch's order of the rows, `every` the updates after which the test rows are looked at. It ends
    with the `epochs`, or as soon as the accuracy reaches `goal`.
    """

    x: Any
    y: Any
    test_x: Any
    test_y: Any
    params: Arrays
    orders: Callable[[int], Any]
    batch: int
    lr: float
    momentum: float
    epochs: int
    every: int
    goal: float = 1.0

    def parts(self) -> Iterator[Any]:
        """The rows between two looks at the test set, in their order."""
        for epoch in range(self.epochs):
            order = self.orders(epoch)
            for start in range(0, len(order), self.batch * self.every):
                yield order[start : start + self.batch * self.every]

    def run(self, train: Callable[[Any], Any], predict: Callable[[], Any]) -> float:
        """Train on all parts, or until the goal; the test accuracy then."""
        accuracy = 0.0
        for rows in self.parts():
            train(rows)
            accuracy = float(np.mean(predict() == self.test_y))
            if accuracy >= self.goal:
                break
        return accuracy


def torch_course(course: Course) -> float:
    torch = peers.torch()
    net = TorchNet(course.params, sgd(course.lr, course.momentum))
    x, y = torch.from_numpy(course.x), torch.from_numpy(course.y.astype(np.int64))
    test = torch.from_numpy(course.test_x)

    def train(rows: Any) -> None:
        for part in torch.from_numpy(rows.astype(np.int64)).split(course.batch):
            net.update(x[part], y[part])

    def predict() -> Any:
        with torch.no_grad():
            return net.forward(test).argmax(axis=1).numpy()

    return course.run(train, predict)


def jax_course(course: Course) -> Callable[[], float]:
    """Compiled at the first call, so that the next ones are warm."""
    net = JaxNet(course.params, sgd(course.lr, course.momentum))
    fresh = net.state
    test = net.device(course.test_x)

    def train(rows: Any) -> None:
        whole = len(rows) // course.batch * course.batch
        for part, size in ((rows[:whole], course.batch), (rows[whole:], len(rows) - whole)):
            if len(part):
                x = course.x[part].reshape(-1, size, course.x.shape[1])
                net.over(x, course.y[part].reshape(-1, size))

    def run() -> float:
        net.params = [net.device(p) for p in single(course.params)]
        net.state = peers.jax().tree.map(net.device, fresh)
        return course.run(train, lambda: np.asarray(net.logits(net.params, test)).argmax(axis=1))

    return run


def sklearn_course(course: Course) -> float:
    """`partial_fit` over the rows between two looks: momentum goes on from one to the next."""
    from sklearn.neural_network import MLPClassifier

    params = course.params
    hidden = tuple(len(b) for b in params[1:-2:2])
    net = MLPClassifier(
        hidden, solver="sgd", learning_rate_init=course.lr, momentum=course.momentum,
        nesterovs_momentum=False, alpha=0.0, batch_size=course.batch, shuffle=False, random_state=0,
    )  # fmt: skip
    classes = np.arange(len(params[-1]))

    def train(rows: Any) -> None:
        net.partial_fit(course.x[rows], course.y[rows], classes=classes)

    return course.run(train, lambda: net.predict(course.test_x))
