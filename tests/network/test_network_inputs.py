"""Networks: every form of inputs, and what a user may put into the list of parameters."""

import numpy as np
import pytest
from network.nets import EPS, assert_close, copies, data, same_bits

import fastgd as gd

ENGINES = ("numpy", "cython")


# --- forms of input -----------------------------------------------------------------------------------


def unaligned(x):
    raw = np.zeros(x.nbytes + 1, np.uint8)
    out = raw[1:].view(x.dtype).reshape(x.shape)
    out[...] = x
    return out


def field_of_records(x):
    records = np.zeros(len(x), [("label", "u1"), ("x", x.dtype, x.shape[1])])
    records["x"] = x
    return records["x"]


FORMS = {
    "Fortran": np.asfortranarray,
    "every other column": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "every other row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "mirrored": lambda x: x[:, ::-1].copy()[:, ::-1],
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "list": lambda x: x.tolist(),
    "float64": lambda x: x.astype(np.float64),
    "longdouble": lambda x: x.astype(np.longdouble),
    "unaligned": unaligned,
    "record field": field_of_records,
}


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_forms_of_inputs(form, dtype, backend):
    x, y = data(40, 6, 2)
    x = x.astype("float32")  # exact in every form
    changed = FORMS[form](x)
    if isinstance(changed, np.ndarray):
        changed.flags.writeable = False
    nets = [gd.MLP([6, 9, 2], loss="mse", dtype=dtype, backend=backend) for _ in range(2)]
    for net, inputs in zip(nets, (x, changed), strict=True):
        net.fit(inputs, y, optimizer=gd.Adam(), batch_size=7, epochs=2)
    assert same_bits(nets[0].params, nets[1].params)
    assert np.array_equal(nets[0].predict(x), nets[0].predict(changed))


@pytest.mark.parametrize("backend", ENGINES)
def test_broadcast_rows(backend):
    x = np.broadcast_to(np.arange(4.0), (10, 4))
    net = gd.MLP([4, 3, 1], loss="mse", dtype="float64", backend=backend)
    assert np.array_equal(net.predict(x), net.predict(x.copy()))


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bytes_are_scaled(backend, dtype):
    rng = np.random.default_rng(0)
    x = rng.integers(256, size=(50, 9), dtype=np.uint8)
    y = rng.integers(3, size=50)
    net = gd.MLP([9, 8, 3], dtype=dtype, backend=backend)
    scaled = x / np.array(255, dtype)
    assert np.abs(net.forward(x) - net.forward(scaled)).max() < 100 * EPS[dtype]
    assert_close(net.loss_and_grad(x, y)[1], net.loss_and_grad(scaled, y)[1], 100 * EPS[dtype])
    integers = net.forward(x.astype(np.int64))  # other integers are numbers like others
    assert np.array_equal(integers, net.forward(x.astype(dtype)))


@pytest.mark.parametrize("backend", ENGINES)
def test_float64_inputs_of_a_float32_network_are_rounded_as_they_are_read(backend):
    x, y = data(300, 6, 2)
    net = gd.MLP([6, 9, 2], loss="mse", backend=backend)
    assert np.array_equal(net.forward(x), net.forward(x.astype("float32")))
    assert same_bits(net.loss_and_grad(x, y)[1], net.loss_and_grad(x.astype("float32"), y)[1])


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("loss", ["mse", "mae", "poisson", "binary_cross_entropy"])
def test_one_output_takes_a_column_or_a_row(backend, loss):
    x, y = data(12, 3, 1)
    y = y.round() % 2
    net = gd.MLP([3, 4, 1], loss=loss, dtype="float64", backend=backend)
    flat, column = net.loss_and_grad(x, y[:, 0]), net.loss_and_grad(x, y)
    assert flat[0] == column[0]
    assert same_bits(flat[1], column[1])
    assert net.predict(x).shape == (12,)
    assert net.score(x, y[:, 0]) == net.score(x, y)


@pytest.mark.parametrize("backend", ENGINES)
def test_no_rows_have_no_predictions(backend):
    net = gd.MLP([3, 4, 2], backend=backend)
    assert net.forward(np.empty((0, 3))).shape == (0, 2)
    assert net.predict(np.empty((0, 3))).shape == (0,)
    assert net.predict_proba(np.empty((0, 3))).shape == (0, 2)


def test_reset_and_seeds():
    a, b = gd.MLP([3, 5, 2], rng=2**70), gd.MLP([3, 5, 2], rng=2**70)
    assert same_bits(a.params, b.params)
    x, y = data(20, 3, 2, "cross_entropy")
    before = copies(a)
    a.fit(x, y, epochs=2)
    assert not same_bits(a.params, before)
    assert same_bits(a.reset().params, before)
    assert (a.steps_, a.epochs_) == (0, 0)


# --- parameters that a user has put there ---------------------------------------------------------------

ODD = {
    "None": lambda p: None,
    "a list": lambda p: p.tolist(),
    "another shape": lambda p: np.zeros((2, 2), p.dtype),
    "flat": lambda p: p.ravel(),
    "transposed": lambda p: np.asfortranarray(np.zeros(p.shape, p.dtype)),
    "another dtype": lambda p: p.astype("float64"),
    "big-endian": lambda p: p.astype(">f4"),
    "objects": lambda p: p.astype(object),
    "read-only": lambda p: (p.flags.__setitem__("WRITEABLE", False), p)[1],
    "empty": lambda p: p[:0],
    "a number": lambda p: 3.0,
    "unaligned": unaligned,
}
CALLS = {
    "forward": lambda net, x, y: net.forward(x),
    "predict": lambda net, x, y: net.predict(x),
    "score": lambda net, x, y: net.score(x, y),
    "loss": lambda net, x, y: net.loss(x, y),
    "loss_and_grad": lambda net, x, y: net.loss_and_grad(x, y),
    "fit": lambda net, x, y: net.fit(x, y, epochs=1),
}


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("odd", ODD)
def test_odd_parameters_are_refused(odd, call, backend):
    x, y = data(20, 3, 2, "cross_entropy")
    net = gd.MLP([3, 5, 2], backend=backend)
    net.params[2] = ODD[odd](net.params[2].copy())
    with pytest.raises((TypeError, ValueError), match=r"params\[2\]"):
        CALLS[call](net, x, y)


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("change", ["more", "fewer", "none", "no list", "scalars"])
def test_odd_lists_of_parameters_are_refused(change, call, backend):
    x, y = data(20, 3, 2, "cross_entropy")
    net = gd.MLP([3, 5, 2], backend=backend)
    if change == "more":
        net.params.append(net.params[3].copy())
    elif change == "scalars":
        net.params += [net.params[3], *[np.array(1, "float32")] * 1000]
    else:
        net.params = {"fewer": net.params[:2], "none": [], "no list": None}[change]
    with pytest.raises(ValueError, match="params must be the 4 arrays"):
        CALLS[call](net, x, y)


def test_another_array_of_the_same_form_is_used():
    x, y = data(20, 3, 2, "cross_entropy")
    net = gd.MLP([3, 5, 2])
    before = net.params[0]
    for _ in range(2):
        net.params[0] = before.copy()
        net.fit(x, y, optimizer=net.optimizer_ or gd.SGD(lr=0.1), epochs=1)
        assert not np.array_equal(net.params[0], before)
    assert same_bits([before], [gd.MLP([3, 5, 2]).params[0]])
