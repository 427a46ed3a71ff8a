"""Data of the studies: from the user's file, a folder, a cache, a checked download, or a stand-in.

Each loader looks, in this order, at ``path``; in the folder named by the environment variable ``FASTGD_DATA``;
in the cache; at two mirrors. Files are checked by the SHA-256 of their cells, written as one canonical text, since
copies differ in quotes, blanks and line ends. If no source is available, the loader makes a stand-in, and
``Dataset.source`` and ``Dataset.notes`` say so. ``download=False``, or a variable ``FASTGD_OFFLINE`` that is
neither empty nor "0", forbids the use of the network.
"""

from fastgd.datasets.auto_mpg import load_auto_mpg
from fastgd.datasets.files import Dataset
from fastgd.datasets.heights_weights import STUDY_LINE, STUDY_ROWS, load_heights_weights
from fastgd.datasets.mnist import load_mnist

__all__ = [
    "STUDY_LINE",
    "STUDY_ROWS",
    "Dataset",
    "load_auto_mpg",
    "load_heights_weights",
    "load_mnist",
]
