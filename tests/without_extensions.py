"""Run by hand or by CI where fastgd was installed with FASTGD_NO_EXTENSIONS=1, from outside the source tree."""

import numpy as np

import fastgd as gd
from fastgd.engines.backends import missing


def main() -> None:
    assert missing("cython"), "the compiled core is here; wanted an installation without it"
    for backend in ("numpy", "numba"):
        p = np.ones(5, np.float32)
        gd.Adam(lr=0.1, backend=backend).step(p, np.ones(5, np.float32))
        assert np.allclose(p, 0.9), (backend, p)
    out = gd.sweep(gd.Quadratic([[2.0]]), gd.SGD(), {"lr": [0.1, 0.5, 2.0]}, x0=[1.0])
    assert out.backend == "numpy", out.backend
    assert out.regime.tolist() == ["monotone", "monotone", "diverged"], out.regime
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), [0, 1, 1, 0]
    net = gd.MLP([2, 16, 2], activation="tanh", rng=1)
    net.fit(X, y, optimizer=gd.Adam(lr=0.05), batch_size=4, epochs=200)
    assert net.predict(X).tolist() == y, net.predict(X)
    few = gd.MLPClassifier((8,), solver="lbfgs", random_state=0).fit(X, y)
    assert few.predict(X).shape == (4,)
    gd.show_config()


if __name__ == "__main__":
    main()
