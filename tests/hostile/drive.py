"""Calls of the library with objects that lie, in a process of its own: `python -m hostile.drive WHAT`.

Each call must return or raise an error; the process must neither die nor ask for more memory than the limit.
"""

import os
import resource
import sys
import tempfile

import numpy as np
from hostile.liars import LAYOUTS, LIARS, laid_out, lying
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastgd as gd
from fastgd.engines.protocol.sweeps import Kernel
from fastgd.problems.base import Problem

SCRATCH = os.path.join(tempfile.mkdtemp(), "mapped")
ROOM = 4 << 30  # bytes of addresses; a size of 10**9 numbers, believed, needs twice that
many = settings(
    max_examples=int(os.environ.get("HOSTILE_EXAMPLES", "150")),
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
FORMS = st.sampled_from([(), (1,), (3,), (2, 3), (0,)])
REALS = st.sampled_from(["float32", "float64"])


def quietly(call):
    """Whether the call returned; errors are fine, but not a believed size."""
    try:
        call()
    except MemoryError as error:
        raise AssertionError("a size was believed") from error
    except Exception:
        return False
    return True


def truth(array):
    """The numbers in the memory of an array, whatever it says of itself."""
    return np.array(np.asarray(array))


@many
@given(data=st.data(), shape=FORMS, real=REALS, backend=st.sampled_from(["cython", "numpy"]))
def step(data, shape, real, backend):
    """One or two steps with arrays of any layout, of a lying class."""
    arrays = []
    for _ in range(2):
        array = laid_out(data.draw(LAYOUTS), shape, real, SCRATCH)
        if type(array) is np.ndarray and data.draw(st.booleans()):
            array = array.view(data.draw(LIARS))
        arrays.append(array)
    p, g = arrays
    optimizer = gd.SGD(lr=0.5, momentum=0.5, backend=backend)
    if data.draw(st.booleans()):
        quietly(lambda: optimizer.step([np.ones(shape, real)], [np.ones(shape, real)]))
    before, gradient, after_one = truth(p), truth(g), optimizer.t
    if quietly(lambda: optimizer.step([p], [g])):
        assert before.dtype == real
        assert before.shape == gradient.shape
        np.testing.assert_array_equal(truth(p), before - 0.25 * after_one - 0.5 * gradient)
    elif type(p) is not np.ma.MaskedArray and before.dtype != object:
        np.testing.assert_array_equal(truth(p), before)


NET = [4, 3, 2]


@many
@given(
    data=st.data(),
    loss=st.sampled_from(["cross_entropy", "mse"]),
    backend=st.sampled_from(["cython", "numpy"]),
)
def network(data, loss, backend):
    """Training and predictions with data and parameters that lie."""
    net = gd.MLP(NET, loss=loss, dtype="float64", backend=backend)
    shapes = {"X": (5, 4), "y": (5,) if loss == "cross_entropy" else (5, 2), "w": (5,), "p": (4, 3)}
    made = {}
    for name, shape in shapes.items():
        array = laid_out(data.draw(LAYOUTS) if name != "y" else "plain", shape, "float64", SCRATCH)
        if type(array) is np.ndarray and data.draw(st.booleans()):
            array = array.view(data.draw(LIARS))
        made[name] = array
    if data.draw(st.booleans()):
        net.params[0] = made["p"]
    callbacks = []
    if data.draw(st.booleans()):
        changed = data.draw(st.sampled_from(["X", "y", "w", "p"]))
        shape = data.draw(st.sampled_from([(1,), (20,), (2, 10), (0,), (1, 4)]))

        def callback(history):
            made[changed].resize(shape, refcheck=False)

        if type(made[changed]) is np.ndarray and made[changed].flags.owndata:
            callbacks = [callback]
    quietly(
        lambda: net.fit(
            made["X"],
            made["y"],
            sample_weight=made["w"],
            batch_size=2,
            epochs=3,
            rng=0,
            callbacks=callbacks,
        )
    )
    quietly(lambda: net.predict(made["X"]))
    quietly(lambda: net.loss_and_grad(made["X"], made["y"]))


class Lie(Problem):
    """A problem whose class says anything."""

    def __init__(self, names, kernel, batches, schedule):
        self.names, self.made, self.batches, self.calls = names, kernel, batches, 0

    @property
    def parameter_names(self):
        """Perhaps not as many at the next call."""
        self.calls += 1
        return ("x",) * self.names[self.calls % len(self.names)]

    def _new_kernel(self, dtype):
        kind, size, numbers, outputs, liar = self.made
        data = np.ones(numbers, dtype)
        return Kernel(kind, size, data if liar is None else data.view(liar), False, outputs)

    def slopes(self, x):
        return np.ones_like(x)

    def losses(self, x):
        return np.ones(x.shape[1])


class LyingBatches:
    """Batches that name rows which there are not."""

    def __init__(self, size, updates, rows, value):
        self.size, self.updates, self.rows, self.value, self.seed = size, updates, rows, value, 0

    def orders(self, seed, first, last):
        return np.full((max(last - first, 0), self.rows), self.value)

    def of_update(self, seed, update):
        return np.full(self.size, self.value)


class LyingSchedule(gd.schedules.Schedule):
    """A schedule whose table is short."""

    def values(self, start, stop):
        return np.ones(3)


SIZES = st.sampled_from([0, 1, 2, 3, 7, 100, 10**6])


@many
@given(
    data=st.data(),
    kind=st.sampled_from(["quadratic", "polynomial", "rows", "logistic", "softmax", "none"]),
)
def sweep(data, kind):
    """Sweeps and descents of problems whose class lies about sizes."""
    names = data.draw(st.lists(st.sampled_from([1, 2, 3, 50]), min_size=1, max_size=3))
    kernel = (
        kind,
        data.draw(SIZES),
        data.draw(SIZES),
        data.draw(st.sampled_from([1, 2, 0, -1, 9])),
        data.draw(st.none() | LIARS),
    )
    batches = data.draw(
        st.none() | st.builds(LyingBatches, SIZES, SIZES, SIZES, st.sampled_from([0, 5, -1, 10**6]))
    )
    problem = Lie(names, kernel, batches, None)
    rate = data.draw(st.sampled_from([[0.1, 0.2], [LyingSchedule("constant", (0.1,))]]))
    limits = {"max_iter": 70, "backend": data.draw(st.sampled_from(["cython", "auto"]))}
    quietly(lambda: gd.sweep(problem, gd.SGD(), {"lr": rate}, **limits))
    quietly(lambda: gd.minimize(problem, optimizer=gd.SGD(lr=rate[0]), **limits))


@many
@given(data=st.data())
def problems(data):
    """Shipped problems, functions and estimators with arrays that lie."""
    liars = [data.draw(LIARS) for _ in range(3)]
    X, y = np.arange(12.0).reshape(6, 2).view(liars[0]), np.arange(6.0).view(liars[1])
    x0 = np.ones(3).view(liars[2])

    def bowl(x, grad):
        grad[:] = x
        return 0.5 * float(x @ x)

    quietly(
        lambda: gd.sweep(
            gd.LeastSquares(X, y, batch_size=2), gd.SGD(), {"lr": [0.01]}, x0=x0, max_iter=20
        )
    )
    quietly(
        lambda: gd.sweep(gd.Logistic(X, [0, 1, 2, 0, 1, 2]), gd.Adam(), {"lr": [0.01]}, max_iter=20)
    )
    quietly(lambda: gd.minimize(gd.Function(bowl, 3), x0=x0, max_iter=20))
    quietly(
        lambda: gd.minimize(
            lambda x: float(x @ x), x0, jac=lambda x: (2 * x).view(liars[0]), max_iter=20
        )
    )
    quietly(lambda: gd.SGD().step({"a": x0}, {"a": y}))
    state = gd.SGD(momentum=0.9)
    state.step([np.ones(3)], [np.ones(3)])
    saved = state.state_dict() | {"state.b[0]": x0, "carry": np.ones(1).view(liars[1])}
    quietly(lambda: state.load_state_dict(saved))
    quietly(lambda: state.step([np.ones(3)], [np.ones(3)]))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))
    lying({})
    globals()[sys.argv[1]]()
