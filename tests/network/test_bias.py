"""Networks without biases: those with biases that stay 0, but for the state and the norm of what is not there."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network.nets import X, Y, assert_close, data, same_bits

import fastgd as gd

BACKENDS = ["numpy", "cython", "numba"]
SIZES = [4, 12, 7, 1]


def pair(sizes=SIZES, **options):
    """A network without biases, and one with biases and the same weights."""
    options = {"loss": "mse", "dtype": "float64", "rng": 3, **options}
    return gd.MLP(sizes, bias=False, **options), gd.MLP(sizes, **options)


def held(optimizer, layers):
    """The optimizer with a rate of 0 for all biases of a network that has them."""
    return optimizer(groups={2 * k + 1: {"lr": 0.0} for k in range(layers)})


def test_parameters_are_weights():
    plain, whole = pair()
    assert [p.shape for p in plain.params] == [(4, 12), (12, 7), (7, 1)]
    assert plain.n_parameters == sum(p.size for p in whole.params[::2])
    assert same_bits(plain.params, whole.params[::2])
    assert plain.fresh(bias=True).n_parameters == whole.n_parameters
    assert repr(plain).endswith("loss='mse', bias=False, dtype='float64')")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("loss", ["mse", "cross_entropy", "poisson"])
def test_loss_gradients_and_outputs(backend, loss):
    outputs = 3 if loss == "cross_entropy" else 2
    x, y = data(300, 4, outputs, loss)
    plain, whole = pair([4, 12, outputs], loss=loss, backend=backend, l1=0.01, l2=0.02)
    assert np.array_equal(plain.forward(x), whole.forward(x))
    loss, grads = plain.loss_and_grad(x, y)
    wanted, all_grads = whole.loss_and_grad(x, y)
    assert loss == wanted
    assert same_bits(grads, all_grads[::2])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("batch_size", [1, 7, 100])
@pytest.mark.parametrize("optimizer", [gd.SGD, gd.Momentum, gd.Adam, gd.RMSprop])
def test_the_bits_of_biases_held_at_0(backend, batch_size, optimizer):
    plain, whole = pair(backend=backend, dropout=0.2, l2=1e-3)
    plain.fit(X, Y, optimizer=optimizer(lr=1e-3), batch_size=batch_size, epochs=2, record=1)
    wanted = held(lambda **given: optimizer(lr=1e-3, **given), 3)
    whole.fit(X, Y, optimizer=wanted, batch_size=batch_size, epochs=2, record=1)
    assert not any(b.any() for b in whole.params[1::2])
    assert same_bits(plain.params, whole.params[::2])
    assert plain.history_.loss.tolist() == whole.history_.loss.tolist()


@settings(max_examples=60, deadline=None)
@given(
    hidden=st.lists(st.integers(1, 40), max_size=3),
    rows=st.integers(1, 600),
    batch_size=st.integers(1, 600),
    dtype=st.sampled_from(["float32", "float64"]),
    n_threads=st.integers(1, 2),
)
def test_any_form_has_these_bits(hidden, rows, batch_size, dtype, n_threads):
    x, y = data(rows, 3, 2, dtype=dtype)
    sizes = [3, *hidden, 2]
    plain, whole = pair(sizes, dtype=dtype, n_threads=n_threads, activation="tanh")
    plain.fit(x, y, optimizer=gd.SGD(lr=0.05), batch_size=batch_size, steps=5)
    wanted = held(lambda **given: gd.SGD(lr=0.05, **given), len(hidden) + 1)
    whole.fit(x, y, optimizer=wanted, batch_size=batch_size, steps=5)
    assert same_bits(plain.params, whole.params[::2])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("batch_size", [1, 20, 100])
def test_norms_and_state_are_of_the_weights_alone(backend, batch_size):
    plain, _ = pair(backend=backend)
    optimizer = gd.Adam(lr=0.01, clip_norm=0.5)
    plain.fit(X, Y, optimizer=optimizer, batch_size=batch_size, steps=1, grad_norm=True, record=1)
    rows = next(
        iter(plain.problem(X, Y, batch_size=batch_size).batches(batch_size, 3).orders(3, 0, 1))
    )
    start = plain.fresh(backend="numpy")
    _, grads = start.loss_and_grad(X[rows[:batch_size]], Y[rows[:batch_size]])
    norm = np.sqrt(sum(np.sum(g * g) for g in grads))
    assert plain.history_.grad_norm[0] == pytest.approx(norm, rel=1e-12)
    by_hand = gd.Adam(lr=0.01, clip_norm=0.5)
    by_hand.step(start.params, grads)
    assert_close(plain.params, start.params, 1e-12)
    state = optimizer.state_dict()
    assert [key for key in state if "[" in key] == [
        key for key in by_hand.state_dict() if "[" in key
    ]


def test_groups_count_the_arrays_there_are():
    plain, _ = pair()
    before = [p.copy() for p in plain.params]
    plain.fit(X, Y, optimizer=gd.SGD(lr=0.01, groups={1: {"lr": 0.0}}), epochs=1)
    assert [np.array_equal(p, b) for p, b in zip(plain.params, before, strict=True)] == [
        False,
        True,
        False,
    ]
    with pytest.raises(ValueError, match="groups has 3"):
        plain.fit(X, Y, optimizer=gd.SGD(groups={3: {"lr": 0.0}}))


def test_a_file_holds_the_weights_and_goes_on(tmp_path):
    path = tmp_path / "net.npz"
    plain, _ = pair(init_scale=0.5, init_mean=(0.1, 0.0, -0.1))
    plain.fit(X, Y, optimizer=gd.Adam(lr=0.01), epochs=2)
    plain.save(path)
    loaded = gd.MLP.load(path)
    assert not loaded.architecture.bias
    assert (loaded.init_scale, loaded.init_mean) == (0.5, (0.1, 0.0, -0.1))
    assert same_bits(loaded.params, plain.params)
    loaded.fit(X, Y, optimizer=gd.Adam(lr=0.01), epochs=1)
    plain.fit(X, Y, epochs=1)
    assert same_bits(loaded.params, plain.params)
    assert same_bits(loaded.reset().params, plain.reset().params)


def test_init_scale_is_a_factor_of_all_weights():
    plain = gd.MLP([4, 5, 1], dtype="float64", rng=1)
    small = gd.MLP([4, 5, 1], dtype="float64", rng=1, init_scale=0.25)
    assert same_bits([0.25 * p for p in plain.params], small.params)
    assert same_bits(small.fresh(init_scale=1.0).params, plain.params)
    each = plain.fresh(init_scale=(1.0, 0.5), init_mean=[0.25, 0.0])
    assert np.array_equal(each.params[0], plain.params[0] + 0.25)
    assert np.array_equal(each.params[2], 0.5 * plain.params[2])
    assert not any(b.any() for b in each.params[1::2])
    assert (each.init_scale, each.init_mean) == ((1.0, 0.5), (0.25, 0.0))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"bias": 1}, "bias must be True or False"),
        ({"bias": None}, "bias"),
        ({"init_scale": "1"}, "init_scale"),
        ({"init_scale": np.inf}, "init_scale must be a finite number"),
        ({"init_mean": (1, 2)}, "init_mean must be a number or one for each of the 1 layers"),
        ({"init_mean": [None]}, r"init_mean\[0\] must be a finite number"),
    ],
)
def test_refused_arguments(options, says):
    with pytest.raises((TypeError, ValueError), match=says):
        gd.MLP([2, 1], **options)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (gd.SGD(lr=0.05), lambda torch, p: torch.optim.SGD(p, lr=0.05)),
        (gd.Adam(lr=0.01), lambda torch, p: torch.optim.Adam(p, lr=0.01)),
        (
            gd.Momentum(lr=0.02, momentum=0.9, clip_norm=0.3),
            lambda torch, p: torch.optim.SGD(p, lr=0.02, momentum=0.9),
        ),
    ],
)
def test_like_torch(ours, theirs):
    torch = pytest.importorskip("torch")
    net, _ = pair([4, 12, 7, 1], activation="tanh")
    layers = [torch.nn.Linear(k, n, bias=False).double() for k, n in pairwise(SIZES)]
    with torch.no_grad():
        for layer, w in zip(layers, net.params, strict=True):
            layer.weight.copy_(torch.tensor(w.T.copy()))
    parts = [layers[0], torch.nn.Tanh(), layers[1], torch.nn.Tanh(), layers[2]]
    model = torch.nn.Sequential(*parts)
    optimizer = theirs(torch, model.parameters())
    for _ in range(20):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(torch.tensor(X)), torch.tensor(Y)).backward()
        if ours.clip_norm:
            torch.nn.utils.clip_grad_norm_(model.parameters(), ours.clip_norm)
        optimizer.step()
    net.fit(X, Y, optimizer=ours, batch_size=len(X), shuffle=False, steps=20)
    assert_close(net.params, [layer.weight.detach().numpy().T for layer in layers], 1e-12)
