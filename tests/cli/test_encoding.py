"""Columns as inputs of models, and weights of inputs as weights of columns."""

import numpy as np
import pandas as pd

from fastgd.cli import encoding
from fastgd.cli.columns import Choice, choose


def test_scaling_is_undone():
    rng = np.random.default_rng(5)
    data = pd.DataFrame(rng.normal(5, 3, (30, 3)), columns=list("abc"))
    for scale in ("minmax", "standard", "none"):
        code = encoding.encoding(data, scale)
        weights, intercept = rng.normal(size=(3, 2)), rng.normal(size=2)
        own, constant = code.decoded(weights, intercept)
        np.testing.assert_allclose(data @ own + constant, code.encoded(data) @ weights + intercept)


def test_categories_in_numbers_and_words():
    frame = pd.DataFrame({"a": ["x", "y", "x"], "b": [1, 2, 1], "c": [1.5, 2, 4], "y": [1.0, 2, 4]})
    chosen = choose(frame, Choice("y", categories=["b"]))
    code = encoding.encoding(chosen.frame.iloc[[0, 2]], "none")
    assert code.inputs == ("a=x", "b=1", "c")
    assert code.encoded(chosen.frame).tolist() == [[1, 1, 1.5], [0, 0, 2], [1, 1, 4]]
    assert code.unknown(chosen.frame) == 1
    again = code.columns(frame.astype({"b": float}))  # 1.0 is the level 1
    assert code.encoded(again).tolist() == [[1, 1, 1.5], [0, 0, 2], [1, 1, 4]]
