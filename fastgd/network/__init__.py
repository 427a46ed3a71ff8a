"""Networks of fully connected layers: `MLP`, its training, its files."""

from fastgd.network.mlp import MLP

__all__ = ["MLP"]
