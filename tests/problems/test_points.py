"""`losses` takes a column for each point, and says so of any other shape."""

import numpy as np
import pytest

import fastgd as gd

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 1))
PROBLEMS = [
    gd.LeastSquares(X, X[:, 0] + 1),
    gd.LeastSquares(X, X[:, 0] + 1, batch_size=4),
    gd.Logistic(X, X[:, 0] > RNG.normal(size=12)),
    gd.Quadratic([[2.0, 0.0], [0.0, 4.0]]),
    gd.functions.rosenbrock(),
]


@pytest.mark.parametrize("problem", PROBLEMS, ids=repr)
def test_the_shape_of_points(problem):
    grid = RNG.normal(size=(3, 4, 2))
    found = problem.losses(grid.reshape(-1, 2).T)
    assert found.shape == (12,)
    np.testing.assert_allclose(found[5], problem.loss(grid[1, 1]), rtol=1e-12)
    assert (problem.losses(grid[0].T.tolist()) == problem.losses(grid[0].T.copy())).all()
    for wrong, says in (
        (grid, r"x has shape \(3, 4, 2\), wanted \(2, points\), .*; x.reshape\(-1, 2\).T has it"),
        (grid[0], r"x has shape \(4, 2\), wanted \(2, points\), .*; x.T has it"),
        (grid[0, 0], r"x has shape \(2,\), wanted .*; loss\(x\) takes one point"),
        (np.zeros((3, 5)), r"x has shape \(3, 5\), wanted \(2, points\), a column for each point$"),
        (1.0, r"x has shape \(\), wanted \(2, points\)"),
    ):
        with pytest.raises(ValueError, match=says):
            problem.losses(wrong)
