"""The parsers of the commands and their options. Long because every option of every command stands here."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import NoReturn

from fastgd import __version__
from fastgd.cli import ranges, readers
from fastgd.cli.explore import add_explore
from fastgd.cli.file_arguments import add_columns, add_table
from fastgd.cli.optimizers import OF_THE_NETWORK
from fastgd.cli.words import BAD_INPUT, LOSSES, NUMBERS, VARIANTS
from fastgd.optimizers import NAMES
from fastgd.studies import STUDIES


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of `fastgd` with all its commands."""
    parser = _Parser(prog="fastgd", description="Gradient descent in compiled loops.")
    parser.add_argument("--version", action="version", version=f"fastgd {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", parser_class=_Parser)

    for add, name, text, description in (
        (_add_sweep, "sweep", "try many learning rates on your own file",
         "Fit a column of a file by gradient descent, once for each learning rate: a table of the "
         "results of all descents, and the best rate."),
        (_add_minimize, "minimize", "one descent on your own file",
         "Fit a column of a file by one gradient descent, and print the parameters."),
        (_add_train, "train", "train a network on your own file",
         "Train a network that predicts a column of a file, a number or a class, and score it on "
         "held-out rows."),
        (_add_compare, "compare", "compare optimizers on one network and your own file",
         "Train one network by several optimizers, each from the same weights through the same batches."),
        (_add_find_lr, "find-lr", "find a learning rate for a network on your own file",
         "Train a network that predicts a column of a file shortly at many learning rates, side by side, and "
         "print the rates that several rules read from the losses."),
        (_add_predict, "predict", "predict another file by a network that train or compare wrote",
         "Predict the rows of a file by a network that fastgd train or compare wrote."),
        (_add_fractal, "fractal", "map which networks train, over two hyperparameters",
         "Train a small network for every pair of two hyperparameters, and draw which trainings "
         "converge and which diverge (Sohl-Dickstein 2024, The boundary of neural network trainability is "
         "fractal)."),
        (_add_status, "status", "how far a stored sweep is",
         "Say how many runs the store of a sweep holds, how they ended, which files are damaged, and who "
         "writes to it."),
        (_add_export, "export", "a stored sweep as a table",
         "Write the runs that the store of a sweep holds as a table."),
    ):  # fmt: skip
        add(commands.add_parser(name, help=text, description=description))
    again = commands.add_parser(
        "reproduce",
        help="reproduce published studies and write a report",
        description="Reproduce published studies: tables as CSV, figures as PNG, one report.md and "
        "report.html with published and reproduced numbers side by side.",
        epilog=f"studies: {', '.join(STUDIES)}",
    )
    again.add_argument("names", metavar="NAME", nargs="*", help="a study; all of them by default")
    again.add_argument(
        "--out", metavar="FOLDER", default="report", help="where to write (default: report)"
    )
    again.add_argument(
        "--data", metavar="PATH", help="the data file, or a folder with the layout of FASTGD_DATA"
    )
    again.add_argument("--quick", action="store_true", help="coarser grids for the figures")
    again.add_argument("--no-download", action="store_true", help="do not access the internet")
    again.add_argument("--animate", action="store_true", help="also write animations (GIF)")

    add_explore(commands)
    commands.add_parser(
        "info", help="versions, processor features, backends, threads, cache folder"
    )
    return parser


def _add_sweep(parser: argparse.ArgumentParser) -> None:
    """The arguments of `fastgd sweep`."""
    _add_file(parser)
    parser.add_argument(
        "--rates", metavar="LIST", type=readers.numbers, required=True, help="rates to try"
    )
    parser.add_argument(
        "--optimizer", metavar="NAMES", type=readers.optimizers, default=["SGD"],
        help=f"one or more of {', '.join(NAMES)} (default: SGD)",
    )  # fmt: skip
    for name, what in NUMBERS.items():
        parser.add_argument(_flag(name), metavar="LIST", type=readers.numbers, help=what)
    parser.add_argument(
        "--betas", metavar="PAIRS", type=readers.pairs,
        help="Adam, its variants and Lion: pairs of decay rates such as 0.9/0.999,0.8/0.99",
    )  # fmt: skip
    _add_stopping(parser)
    _add_limits(parser)
    parser.add_argument(
        "--store", metavar="FOLDER",
        help="keep descents there as they end; the same command goes on where it was ended, and another list of "
        "values runs what is new",
    )  # fmt: skip
    parser.add_argument(
        "--dask", metavar="SCHEDULER",
        help="run on the workers of a Dask cluster: the address of its scheduler, or the file that it wrote",
    )  # fmt: skip
    parser.add_argument(
        "--processes", metavar="N", type=readers.whole,
        help="run on so many processes of this machine (default: on its threads)",
    )  # fmt: skip
    parser.epilog = (
        f"A LIST is {ranges.SYNTAX}. With several lists every combination is one descent. "
        "Example: fastgd sweep heights.csv --target weight --rates 0.1:1.8:0.05 "
        "--optimizer momentum --momentum 0,0.5,0.9 --out results"
    )


def _add_stopping(parser: argparse.ArgumentParser) -> None:
    """How bad runs are stopped early."""
    how = parser.add_mutually_exclusive_group()
    third = "the third with the lowest loss goes on to three times the updates"
    for flag, what in (("--halving", third), ("--hyperband", "in brackets that begin later")):
        how.add_argument(flag, action="store_true", help=f"stop bad runs early: {what}")
    parser.add_argument("--factor", metavar="N", type=readers.whole, help="one of N, not the third")
    least = (
        "fewest updates before a run is stopped (default: so many that runs are judged four times)"
    )
    parser.add_argument("--min-iter", metavar="N", type=readers.whole, help=least)


def _add_minimize(parser: argparse.ArgumentParser) -> None:
    """The arguments of `fastgd minimize`."""
    _add_file(parser)
    parser.add_argument(
        "--rate", metavar="NUMBER", type=readers.one,
        help="learning rate (default: for SGD, Momentum and NAG a fast and stable one for these data; otherwise "
        "that of the optimizer)",
    )  # fmt: skip
    parser.add_argument(
        "--optimizer", metavar="NAME", type=readers.optimizers, default=["SGD"],
        help=f"one of {', '.join(NAMES)} (default: SGD)",
    )  # fmt: skip
    for name, what in NUMBERS.items():
        parser.add_argument(_flag(name), metavar="NUMBER", type=readers.one, help=what)
    parser.add_argument(
        "--betas",
        metavar="PAIR",
        type=readers.pairs,
        help="two decay rates such as 0.9/0.999",
    )
    _add_folds(
        parser,
        "also score the model on rows that it was not fitted to: one descent for each of N folds",
    )
    _add_limits(parser)
    parser.epilog = "Example: fastgd minimize heights.csv --target weight --rate 1.4"


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _add_file(parser: argparse.ArgumentParser) -> None:
    add_columns(parser, scale="minmax")
    parser.add_argument(
        "--model", choices=("auto", "linear", "logistic"), default="auto",
        help="linear or logistic regression (default: logistic if the target is text or has two values)",
    )  # fmt: skip
    parser.add_argument(
        "--cost", choices=("1/2m", "1/m", "1/2", "sum"),
        help="factor of the summed loss (default: 1/2m of squares, 1/m of cross-entropies)",
    )  # fmt: skip
    parser.add_argument(
        "--batch-size", metavar="N", type=readers.whole,
        help="rows per update, shuffled in each epoch (default: all rows)",
    )  # fmt: skip


def _add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tol", metavar="NUMBER", type=readers.one,
        help="converged when the largest component of the gradient is below this (default: 1e-8)",
    )  # fmt: skip
    parser.add_argument(
        "--max-iter", metavar="N", type=readers.whole, default=100_000,
        help="maximum updates of a descent (default: 100000)",
    )  # fmt: skip
    parser.add_argument("--max-seconds", metavar="S", type=readers.one, help="time limit")
    _add_out(parser, "FOLDER", "write tables as CSV, and a figure")


def _add_out(parser: argparse.ArgumentParser, what: str, text: str) -> None:
    parser.add_argument("--out", metavar=what, help=text)
    parser.add_argument(
        "--keep-formulas", action="store_true",
        help="write names and texts that begin with =, +, - or @ as they are; otherwise an apostrophe before them "
        "keeps a spreadsheet from running them",
    )  # fmt: skip


def _add_train(parser: argparse.ArgumentParser) -> None:
    """The arguments of `fastgd train`."""
    add_columns(parser, scale="standard")
    parser.add_argument(
        "--optimizer", metavar="NAME", type=readers.optimizers, default=["Adam"],
        help=f"one of {', '.join(NAMES)} (default: Adam)",
    )  # fmt: skip
    parser.add_argument(
        "--rate", metavar="NUMBER", type=lambda text: (readers.one(text),),
        help="learning rate (default: that of the optimizer)",
    )  # fmt: skip
    _add_network(parser)
    parser.epilog = (
        "Example: fastgd train cars.csv --target mpg --hidden 64,32 --optimizer adam --rate 0.003 --out cars. "
        "The folder then holds history.csv, metrics.csv, predictions.csv, loss.png, and the network "
        "for fastgd predict."
    )


def _add_compare(parser: argparse.ArgumentParser) -> None:
    """The arguments of `fastgd compare`."""
    add_columns(parser, scale="standard")
    several = ["SGD", "Momentum", "Adagrad", "RMSprop", "Adam"]
    parser.add_argument(
        "--optimizer", metavar="NAMES", type=readers.optimizers, default=several,
        help=f"some of {', '.join(NAMES)} (default: {', '.join(several)})",
    )  # fmt: skip
    parser.add_argument(
        "--rate", metavar="LIST", type=readers.numbers,
        help="learning rate of all, or one for each in order (default: that of each optimizer)",
    )  # fmt: skip
    _add_network(parser)
    parser.epilog = (
        "An option such as --momentum applies to the optimizers that have it. Example: fastgd compare cars.csv "
        "--target mpg --hidden 64,32 --optimizer sgd,momentum,adam --rate 0.1,0.01,0.003 --out compared"
    )


def _add_folds(parser: argparse.ArgumentParser, text: str) -> None:
    """Cross-validation."""
    parser.add_argument("--cv", metavar="N", type=readers.whole, help=text)


def _add_layers(parser: argparse.ArgumentParser) -> None:
    """The network and the hyperparameters of its optimizer."""
    from fastgd.engines.protocol.networks import ACTIVATIONS  # noqa: PLC0415  (with the rules)

    parser.add_argument(
        "--task", choices=("auto", "regression", "classification"), default="auto",
        help="whether the target is a number or a class (default: a class if it is text or has two values)",
    )  # fmt: skip
    parser.add_argument(
        "--hidden", metavar="N,N,...", type=readers.hidden, default=(100,),
        help="units of each hidden layer, or none (default: 100)",
    )  # fmt: skip
    parser.add_argument(
        "--activation", choices=tuple(ACTIVATIONS), default="relu",
        help="activation of the hidden units (default: relu)",
    )  # fmt: skip
    parser.add_argument(
        "--loss", choices=tuple(LOSSES),
        help="loss to minimize (default: cross_entropy for classes, otherwise mse)",
    )  # fmt: skip
    for name, what in NUMBERS.items():
        on = " on the network's weights" if name in OF_THE_NETWORK else ""
        parser.add_argument(_flag(name), metavar="NUMBER", type=readers.one, help=what + on)
    parser.add_argument(
        "--betas", metavar="PAIR", type=readers.pair, help="decay rates such as 0.9/0.999"
    )
    parser.add_argument(
        "--dropout", metavar="SHARE", type=readers.one, default=0.0,
        help="share of hidden units that each update leaves out (default: 0)",
    )  # fmt: skip
    parser.add_argument(
        "--class-weight", metavar="WEIGHTS", type=readers.class_weight,
        help="how much the rows of a class count: balanced (rare classes more), or such as yes=2,no=1",
    )  # fmt: skip
    parser.add_argument(
        "--dtype",
        choices=("float32", "float64"),
        default="float32",
        help="precision (default: float32)",
    )
    _add_threads(parser)


def _add_network(parser: argparse.ArgumentParser) -> None:
    """The arguments that `train` and `compare` share."""
    _add_layers(parser)
    _add_counts(parser, (
        ("--batch-size", 32, "rows per update"),
        ("--epochs", 200, "maximum passes over the rows"),
        ("--patience", 20, "stop after this many epochs without a lower validation loss and keep the best; 0: never"),
    ))  # fmt: skip
    parser.add_argument(
        "--seed", metavar="N,N,...", type=readers.seeds, default=(0,),
        help="seed of the split, the initial weights and the order of rows; several give the mean and its standard "
        "error (default: 0)",
    )  # fmt: skip
    parser.add_argument(
        "--test", metavar="SHARE", type=readers.one,
        help="share of rows held out to score the network (default: 0.2)",
    )  # fmt: skip
    parser.add_argument(
        "--validation", metavar="SHARE", type=readers.one, default=0.1,
        help="share of rows that decide when to stop (default: 0.1)",
    )  # fmt: skip
    _add_folds(
        parser, "in place of --test: train a network for each of N folds, and score it on the fold"
    )
    parser.add_argument(
        "--max-seconds", metavar="S", type=readers.one, help="time limit of a training"
    )
    _add_out(parser, "FOLDER", "write tables, a figure and the network")


def _add_find_lr(parser: argparse.ArgumentParser) -> None:
    """The arguments of `fastgd find-lr`."""
    add_columns(parser, scale="standard")
    parser.add_argument(
        "--optimizer", metavar="NAME", type=readers.optimizers, default=["Adam"],
        help=f"one of {', '.join(NAMES)} (default: Adam)",
    )  # fmt: skip
    parser.add_argument(
        "--rates", metavar="LIST", type=readers.numbers,
        help="rates to try (default: 48, around what the curvature allows)",
    )  # fmt: skip
    _add_layers(parser)
    _add_counts(parser, (
        ("--batch-size", 32, "rows per update"),
        ("--steps", 200, "updates at each rate"),
        ("--seed", 0, "seed of the initial weights and of a split"),
        ("--repeats", 3, "orders of the rows to average over"),
    ))  # fmt: skip
    parser.add_argument(
        "--validation", metavar="SHARE", type=readers.one, default=0.0,
        help="share of rows that are not trained on and whose loss is shown (default: 0, the loss of all rows)",
    )  # fmt: skip
    _add_out(parser, "FOLDER", "write rates.csv and the figure rates.png")
    parser.epilog = (
        f"A LIST is {ranges.SYNTAX}. Example: fastgd find-lr cars.csv --target mpg --hidden 64,32 --optimizer sgd "
        "--out rates; then fastgd train cars.csv --target mpg --hidden 64,32 --optimizer sgd --rate 0.02"
    )


def _add_predict(parser: argparse.ArgumentParser) -> None:
    """The arguments of `fastgd predict`."""
    parser.add_argument(
        "folder", metavar="FOLDER", help="the --out folder of fastgd minimize, train or compare"
    )
    add_table(parser)
    _add_out(parser, "FILE", "write all predictions as CSV")
    parser.epilog = "Example: fastgd predict cars new-cars.csv --out predictions.csv"


def _add_fractal(parser: argparse.ArgumentParser) -> None:
    """The arguments of `fastgd fractal`."""
    described = "; ".join(f"{name}: {what}" for name, what in VARIANTS.items())
    parser.add_argument(
        "--variant", choices=tuple(VARIANTS), default="tanh", help=f"{described} (default: tanh)"
    )
    parser.add_argument(
        "--zoom", metavar=("X0", "X1", "Y0", "Y1"), nargs=4, type=readers.one,
        help="the rectangle to map, in values of the axes (default: all of it)",
    )  # fmt: skip
    _add_counts(parser, (
        ("--size", 512, "values on each axis: the map has size x size trainings"),
        ("--steps", 500, "steps of each training"),
        ("--frames", 0, "also an animation of so many maps, from all of it to the rectangle of --zoom"),
        ("--seed", 0, "seed of weights and rows"),
    ))  # fmt: skip
    parser.add_argument(
        "--dtype", choices=("float64", "float32"), default="float64",
        help="precision (default: float64; float32 is faster, and too coarse for small rectangles)",
    )  # fmt: skip
    _add_threads(parser)
    parser.add_argument(
        "--save", metavar="FILE", help="also write the numbers, as a NumPy archive (.npz)"
    )
    parser.add_argument(
        "--out", metavar="FOLDER", default="fractal",
        help="where to write fractal.png and zoom.gif (default: fractal)",
    )  # fmt: skip
    parser.epilog = (
        "Example: fastgd fractal --variant small --size 256; the last line says where to look next: "
        "fastgd fractal --variant small --size 256 --zoom 1000 3000 40 80 --frames 24"
    )


def _add_status(parser: argparse.ArgumentParser) -> None:
    """The arguments of `fastgd status`."""
    parser.add_argument("store", metavar="STORE", help="the --store folder of fastgd sweep")


def _add_export(parser: argparse.ArgumentParser) -> None:
    """The arguments of `fastgd export`."""
    _add_status(parser)
    parser.add_argument("--csv", metavar="FILE", help="write comma-separated text")
    parser.add_argument("--parquet", metavar="FILE", help="write Parquet")
    parser.add_argument(
        "--keep-formulas",
        action="store_true",
        help="write texts that a spreadsheet would run as they are",
    )
    parser.epilog = "Example: fastgd export runs --csv runs.csv"


def _add_counts(parser: argparse.ArgumentParser, options: Iterable[tuple[str, int, str]]) -> None:
    """Options that are whole numbers: flag, default, what they say."""
    for flag, default, what in options:
        parser.add_argument(
            flag,
            metavar="N",
            type=readers.whole,
            default=default,
            help=f"{what} (default: {default})",
        )


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads",
        metavar="N",
        type=readers.whole,
        help="number of threads (default: all processors)",
    )
