"""Probabilities of a small network, 64-100-10, for one row, a hundred and many: what a call costs, and what a row.

The peers have the same weights: scikit-learn's estimator, PyTorch and ONNX Runtime.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import machine
import numpy as np
import peers
import pytest
from comparison import QUICK, SETTLE, Candidate, compare

import fastgd as gd
from fastgd.engines.config import get_num_threads

SIZES = (64, 100, 10)
ROWS = (1, 100) if QUICK else (1, 100, 100_000)
ROUNDS = 9

Predict = Callable[[Any], Any]


class Setup:
    """By name: a function of rows that returns probabilities, all of the same weights."""

    def __init__(self, dtype: str, n_threads: int) -> None:
        self.dtype, self.n_threads = np.dtype(dtype), n_threads
        self.skipped: dict[str, str] = {}
        x, y = self.rows(500), np.arange(500) % SIZES[-1]
        options = {"hidden_layer_sizes": SIZES[1:-1], "max_iter": 1, "random_state": 0}
        from sklearn.neural_network import MLPClassifier

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one epoch is few
            ours = gd.MLPClassifier(**options, n_threads=n_threads).fit(x, y)
            theirs = MLPClassifier(**options).fit(x, y)
        params = [p for pair in zip(ours.coefs_, ours.intercepts_, strict=True) for p in pair]
        theirs.coefs_, theirs.intercepts_ = params[::2], params[1::2]
        net = gd.MLP(SIZES, dtype=dtype, n_threads=n_threads)
        for p, own in zip(net.params, params, strict=True):
            p[...] = own
        self.found: dict[str, Predict] = {
            "fastgd.MLP": net.predict_proba,
            "fastgd.MLPClassifier": ours.predict_proba,
            "scikit-learn": theirs.predict_proba,
        }
        self._add("torch", partial(torch_prediction, params, n_threads), "torch")
        self._add(
            "ONNX Runtime", partial(onnx_prediction, params, n_threads), "onnxruntime", "onnx"
        )

    def _add(self, name: str, make: Callable[[], Predict], *modules: str) -> None:
        if why := peers.missing(*modules):
            self.skipped[name] = why
        else:
            self.found[name] = make()

    def rows(self, n: int) -> Any:
        return np.random.default_rng(n).standard_normal((n, SIZES[0])).astype(self.dtype)

    def disagreement(self, n: int) -> dict[str, float]:
        """The largest difference of a probability to that of the first."""
        x = self.rows(n)
        wanted, *others = ((name, predict(x)) for name, predict in self.found.items())
        return {name: float(np.abs(p - wanted[1]).max()) for name, p in others}


def torch_prediction(params: list[Any], n_threads: int) -> Predict:
    torch = peers.torch()
    layers = []
    for w, b in zip(params[::2], params[1::2], strict=True):
        layer = torch.nn.Linear(*w.shape)
        layer.weight = torch.nn.Parameter(torch.from_numpy(w.T.copy()))
        layer.bias = torch.nn.Parameter(torch.from_numpy(b.copy()))
        layers += [layer, torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers[:-1], torch.nn.Softmax(dim=1)).eval()

    def predict(x: Any) -> Any:
        torch.set_num_threads(n_threads)
        with torch.inference_mode():
            return net(torch.from_numpy(x)).numpy()

    return predict


def onnx_prediction(params: list[Any], n_threads: int) -> Predict:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    names = [f"p{k}" for k in range(len(params))]
    given = [numpy_helper.from_array(p, name) for p, name in zip(params, names, strict=True)]
    real = TensorProto.FLOAT if params[0].dtype == np.float32 else TensorProto.DOUBLE
    nodes, last = [], "x"
    for k in range(0, len(params), 2):
        nodes.append(helper.make_node("Gemm", [last, *names[k : k + 2]], [f"z{k}"]))
        kind = "Relu" if k + 2 < len(params) else "Softmax"
        nodes.append(helper.make_node(kind, [f"z{k}"], [last := f"a{k}"]))
    ends = [
        helper.make_tensor_value_info(name, real, [None, n])
        for name, n in (("x", SIZES[0]), (last, SIZES[-1]))
    ]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], given)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda x: session.run(None, {"x": x})[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", ROWS)
def test_predict(benchmark: Any, n: int, dtype: str) -> None:
    n_threads = get_num_threads()
    setup = Setup(dtype, n_threads)
    disagreement = setup.disagreement(n)
    assert max(disagreement.values()) < 1e-5, disagreement
    x = setup.rows(n)
    candidates = {name: Candidate(partial(f, x)) for name, f in setup.found.items()}
    candidates["scikit-learn"].prepare = partial(machine.blas_threads, n_threads)
    candidates["scikit-learn"].settle = 10 * SETTLE if n_threads > 1 else SETTLE
    about = {
        "table": "Predictions",
        "workload": f"{n:,} row{'s' if n > 1 else ''}, 64-100-10, {dtype}",
        "threads": n_threads,
        "unit": "call",
        "headline": True,
        "disagreement": disagreement,
    }
    compare(benchmark, candidates, rounds=ROUNDS, about=about, skipped=setup.skipped)


def disagreement() -> dict[str, float]:
    """Of all candidates, for a few rows in both precisions."""
    return {
        f"{name}, {dtype}": difference
        for dtype in ("float32", "float64")
        for name, difference in Setup(dtype, 1).disagreement(20).items()
    }
