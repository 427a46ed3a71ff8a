"""What the compiler makes of a network's kernels: no GPU is needed for that."""

import ptx
import pytest

from fastgd.engines.cuda import network_kernels, products
from fastgd.engines.protocol.networks import ACTIVATIONS, LOSSES

# Sums of losses and of penalties, the shares of rows and gradients' norms are in double on purpose.
IN_DOUBLE = {"penalize": 6, "close": 9, "advance": 3}
IN_A_LOSS = {  # shares are quotients; losses are capped, summed, and multiplied with shares
    *("ld.global.f64", "st.global.f64", "ld.shared.f64", "st.shared.f64", "mov.f64", "selp.f64"),
    *("setp.eq.f64", "setp.lt.f64", "setp.gt.f64", "cvt.f64.f32", "cvt.rn.f32.f64"),
    *("div.rn.f64", "mul.f64", "add.f64"),
}
PLAIN = {"add_bias": 4, "times_slope": 5, "bias_gradients": 5}


@pytest.fixture(autouse=True)
def _compiler(monkeypatch):
    ptx.needs_compiler()
    ptx.pretend_gpu(monkeypatch)
    made = (
        network_kernels.rest,
        network_kernels.gather,
        network_kernels.activate,
        network_kernels.loss,
        products.tiles_kernel,
    )
    for one in made:
        one.cache_clear()
    yield
    for one in made:
        one.cache_clear()


def integers(count):
    return ("int64",) * count


def softsign(z):
    size = 1 + np.abs(z)  # noqa: F821
    return z / size, 1 / (size * size)


def logcosh(z, y):
    error = z - y
    return np.log(0.5 * (np.exp(error) + np.exp(-error))), np.tanh(error)  # noqa: F821


def assert_in_registers(text):
    assert ".local" not in text
    assert "call" not in text.replace("callprototype", "")


@pytest.mark.parametrize("kind", "Bfd")
def test_gathering(kind):
    text = ptx.ptx_of(network_kernels.gather("f", kind), *integers(7))
    assert_in_registers(text)
    if kind != "d":
        ptx.assert_single(text)
    assert ".f32" not in ptx.ptx_of(network_kernels.gather("d", "B"), *integers(7))


@pytest.mark.parametrize("activation", [*ACTIVATIONS, softsign])
def test_activations(activation):
    single = ptx.ptx_of(network_kernels.activate(activation, "f"), *integers(9))
    ptx.assert_single(single)
    double = ptx.ptx_of(network_kernels.activate(activation, "d"), *integers(9))
    assert ".f32" not in double
    for text in (single, double):
        ptx.assert_unfused(text)
        assert_in_registers(text)


@pytest.mark.parametrize("loss", [*LOSSES, logcosh])
def test_losses(loss):
    single = ptx.ptx_of(network_kernels.loss(loss, "f", 10, 0), *integers(13))
    in_double = {name for name in ptx.instructions(single) if name.endswith("f64")}
    assert in_double <= IN_A_LOSS
    double = ptx.ptx_of(network_kernels.loss(loss, "d", 10, 0), *integers(13))
    assert ".f32" not in double
    for text in (single, double):
        ptx.assert_unfused(text)
        assert_in_registers(text)


@pytest.mark.parametrize("name", PLAIN)
def test_elementwise_kernels(name):
    text = ptx.ptx_of(getattr(network_kernels.rest("f"), name), *integers(PLAIN[name]))
    ptx.assert_single(text)
    assert_in_registers(text)
    assert ".f32" not in ptx.ptx_of(
        getattr(network_kernels.rest("d"), name), *integers(PLAIN[name])
    )


@pytest.mark.parametrize("char", "fd")
@pytest.mark.parametrize("name", IN_DOUBLE)
def test_sums_in_double(name, char):
    text = ptx.ptx_of(getattr(network_kernels.rest(char), name), *integers(IN_DOUBLE[name]))
    assert ".f64" in text
    assert_in_registers(text)


@pytest.mark.parametrize("char", "fd")
@pytest.mark.parametrize("form", products.FORMS)
def test_products(form, char):
    """A slice of 16 needs 16 multiply-adds a step, whose factors are read from shared memory by 8 loads."""
    text = ptx.ptx_of(products.tiles_kernel(form, char), *integers(6))
    assert_in_registers(text)
    fused, loads = text.count("fma.rn"), text.count("ld.shared")
    assert fused >= 16
    assert loads * 2 == fused
    if char == "f":
        ptx.assert_single(text)
