"""What PyTorch and optax compute for the table of cases, stored beside this file.

Run it from the repository's root where both are installed: ``python
tests/oracle/make_trajectories.py``. It writes ``torch.npz`` and ``optax.npz``: for each case and
dtype, the iterates after steps 10, 20, ..., 200, and the versions.

The gradients do not depend on the parameters. They come from a linear congruential generator and
are short binary fractions, so that float32 and float64 start from the same numbers on every
machine.
"""

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
N_STEPS, EVERY = 200, 10
DTYPES = ("float64", "float32")
#: Starting point: exact in float32, with a zero (where an L1 penalty has no sign).
START = np.array([1.0, 0.5, -2.0, 3.0, 0.25, -1.0, 0.0, 1.5, -0.75, 2.0])


def gradients() -> np.ndarray:
    """The sequence, shape (200, 10), float64 but exact in float32.

    x <- (1103515245 x + 12345) mod 2^31 from x = 20240611, one draw for each entry, row by row; u =
    floor(x / 2^11) / 2^20 lies in [0, 1). With k the step from 0 and s = 2 u - 1, the columns are:
    s; 0; s with alternating signs; 128 s; 2^-30 s; 0.5 + u; s at k = 6, 13, 20, ..., else 0; s
    2^-(k // 10); -1 - u; 4 (u + 1/16) with a sign that changes every 20 steps.
    """
    x, g = 20240611, np.zeros((N_STEPS, START.size))
    for k in range(N_STEPS):
        u = np.zeros(START.size)
        for i in range(START.size):
            x = (1103515245 * x + 12345) % 2**31
            u[i] = (x >> 11) / 2**20
        s = 2.0 * u - 1.0
        g[k] = (
            s[0],
            0.0,
            u[2] * (-1) ** k,
            128.0 * s[3],
            2.0**-30 * s[4],
            0.5 + u[5],
            s[6] if k % 7 == 6 else 0.0,
            s[7] * 2.0 ** -(k // 10),
            -1.0 - u[8],
            4.0 * (u[9] + 0.0625) * (-1) ** (k // 20),
        )
    assert (g == g.astype(np.float32)).all()
    return g


def run_torch(case, dtype: str) -> np.ndarray:
    """Every tenth iterate of PyTorch's optimizer, shape (20, 10)."""
    import torch  # noqa: PLC0415

    name, kwargs = case.torch
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))  # NAdam keeps its product in the default dtype
    try:
        p = torch.tensor(START.astype(dtype), requires_grad=True)
        optimizer = getattr(torch.optim, name)([p], foreach=False, **kwargs)
        kept = []
        for k, g in enumerate(gradients()):
            p.grad = torch.tensor(g.astype(dtype))
            if case.kwargs.get("clip_norm"):
                torch.nn.utils.clip_grad_norm_([p], case.kwargs["clip_norm"])
            if case.kwargs.get("clip_value"):
                torch.nn.utils.clip_grad_value_([p], case.kwargs["clip_value"])
            optimizer.step()
            if (k + 1) % EVERY == 0:
                kept.append(p.detach().numpy().copy())
    finally:
        torch.set_default_dtype(before)
    return np.array(kept)


def run_optax(case, dtype: str) -> np.ndarray:
    """Every tenth iterate of the optax chain, shape (20, 10).

    64-bit mode only for float64: with it, optax would form a float32 run's corrections in double.
    """
    import jax  # noqa: PLC0415
    import optax  # noqa: PLC0415

    with jax.enable_x64(dtype == "float64"):
        chain = optax.chain(*(getattr(optax, name)(**kwargs) for name, kwargs in case.optax))

        @jax.jit
        def step(p, state, g):
            updates, state = chain.update(g, state, p)
            return optax.apply_updates(p, updates), state

        p = jax.numpy.asarray(START.astype(dtype))
        state, kept = chain.init(p), []
        for k, g in enumerate(gradients()):
            p, state = step(p, state, jax.numpy.asarray(g.astype(dtype)))
            if (k + 1) % EVERY == 0:
                kept.append(np.asarray(p))
    return np.array(kept)


def main() -> None:
    """Write both files."""
    sys.path.insert(0, str(HERE.parent))
    import jax  # noqa: PLC0415
    import optax  # noqa: PLC0415
    import torch  # noqa: PLC0415
    from cases import CASES  # noqa: PLC0415

    libraries = {
        "torch": (run_torch, f"torch {torch.__version__}"),
        "optax": (run_optax, f"optax {optax.__version__}, jax {jax.__version__}"),
    }
    for library, (run, versions) in libraries.items():
        rows = [case for case in CASES if getattr(case, library)]
        stored = {f"{case.id}/{dtype}": run(case, dtype) for case in rows for dtype in DTYPES}
        for key, value in stored.items():
            assert value.shape == (N_STEPS // EVERY, START.size)
            assert value.dtype == key.rsplit("/", 1)[1]
            assert np.isfinite(value).all(), key
        # One array per dtype: a member of a zip file costs 250 bytes.
        arrays = {
            dtype: np.array([stored[f"{case.id}/{dtype}"] for case in rows]) for dtype in DTYPES
        }
        names = np.array([case.id for case in rows])
        np.savez_compressed(HERE / f"{library}.npz", ids=names, versions=versions, **arrays)


if __name__ == "__main__":
    main()
