"""What the tables of `benchmarks/README.md` show: their order, their columns and what stands above them."""

# The columns of each table: title, and the prefixes of the names of its peers.
COLUMNS = {
    "One step": {
        "PyTorch": "torch",
        "optax (JAX)": "optax",
        "NumPy": "NumPy reference",
    },
    "Optimizers of PyTorch": {
        "default": "torch default",
        "foreach": "torch foreach",
        "fused": "torch fused",
    },
    "Other layouts": {"contiguous, in a list": "fastgd, contiguous", "PyTorch": "torch"},
    "Rates that change": {"constant rate": "fastgd, constant", "PyTorch": "torch"},
    "Subnormal numbers": {
        "normal numbers": "fastgd, normal",
        "not flushing": "fastgd not",
        "PyTorch": "torch",
        "NumPy, not flushing": "NumPy",
    },
    "Sweep": {
        "JAX": "JAX",
        "NumPy, all rates at once": "NumPy",
        "loop of Python over NumPy": "loop",
        "through Numba": "fastgd Numba",
        "one thread": "fastgd 1 thread",
    },
    "Few runs": {
        "JAX": "JAX",
        "NumPy": "NumPy",
        "called by 4 threads": "fastgd, 4",
        "called by one": "fastgd, 1",
    },
    "Logistic regression": {"JAX": "JAX", "one thread": "fastgd 1 thread"},
    "Least squares of many features": {
        "JAX, X'X": "JAX, X'X",
        "JAX, over X": "JAX, over",
        "NumPy, over X": "NumPy",
        "one thread": "fastgd 1 thread",
    },
    "Bounds": {"PyTorch": "torch", "NumPy": "NumPy", "without bounds": "fastgd, without"},
    "Sweeps of networks": {
        "JAX": "JAX",
        "PyTorch": "PyTorch",
        "NumPy": "NumPy",
        "momentum": "fastgd, momentum",
        "one thread": "fastgd 1 thread",
    },
    "A new process": {
        "NumPy": "NumPy",
        "PyTorch": "torch",
        "JAX, optax": ("optax", "JAX"),
        "Numba, empty cache": "fastgd Numba, empty",
        "Numba, full cache": "fastgd Numba, full",
    },
    "Training": {
        "PyTorch": "torch",
        "JAX": "JAX",
        "NumPy": "NumPy",
        "scikit-learn": "scikit-learn",
        "one thread": "fastgd 1 thread",
    },
    "Defaults": {"scikit-learn": "scikit-learn", "one thread": "fastgd 1 thread"},
    "Predictions": {
        "ONNX Runtime": "ONNX",
        "PyTorch": "torch",
        "scikit-learn": "scikit-learn",
        "MLPClassifier": "fastgd.MLPClassifier",
    },
    "Whole trainings": {"PyTorch": "torch", "JAX": "JAX", "scikit-learn": "scikit-learn"},
    "GPU: one step": {"PyTorch": "torch"},
    "GPU: sweep": {"half the iterations": "fastgd, half", "on the CPU": "fastgd, CPU"},
    "GPU: training": {"PyTorch": "torch"},
}
# The rows of the project's README: table, workload, and what to call it there. One of them is behind a peer.
CHOSEN = (
    ("One step", "Adam, 100 k", "one step of Adam, 100,000 parameters"),
    ("Sweep", "SGD, 10,000 rates x 100,000 iterations", "10,000 descents of 100,000 updates each"),
    (
        "Logistic regression",
        "10,000 rates x 992 rows x 10 features, float32, 32 rows an update",
        "10,000 logistic regressions, 32 rows an update",
    ),
    ("Whole trainings", "to 97 % on the test rows, batch 32", "a network on MNIST to 97 %"),
    ("Defaults", "MLPClassifier() on digits, 1,797 x 64", "`MLPClassifier()` on digits, an update"),
)
CHOSEN_PEERS = {
    "PyTorch": "torch",
    "JAX, optax": ("JAX", "optax"),
    "scikit-learn": "scikit-learn",
    "NumPy": "NumPy",
}
# How the names of candidates begin that are no part of this project.
LIBRARIES = (
    "torch", "PyTorch", "JAX", "optax", "NumPy", "scikit-learn", "Ridge", "LogisticRegression",
    "GridSearchCV, scikit-learn", "ONNX Runtime", "Dask", "Optuna", "pandas", "its own",
)  # fmt: skip
AHEAD = "Where another library is ahead"
INTRODUCTIONS = {
    AHEAD: (
        "All rows of this run, also those that the tables below leave out, in which another library took less than "
        "95 % of fastgd's time."
    ),
    "One step": "How many times as long as fastgd the others take for one update in place (best form of each).",
    "Optimizers of PyTorch": (
        "PyTorch's optimizers in each of its forms: how many times as long as `fastgd.torch` they take for a step, and "
        "for a whole iteration with loss and gradients."
    ),
    "Other layouts": "One step of Adam on arrays in another order in memory, with gaps, in dicts and nested.",
    "Rates that change": "One step of SGD whose learning rate is another one at every step.",
    "Subnormal numbers": "One step of Adam where the moments have become subnormal.",
    "One descent": "",
    "A Python function": (
        "`minimize` of a function of two parameters that is written in Python: how many times as long as it the others "
        "take. The function alone is what no library can save."
    ),
    "Sweep": "Two-parameter least squares, float64, one descent per rate, all iterations executed.",
    "Number of runs": "The same sweep with more runs: time of an iteration of one run, over that with 1,000 runs.",
    "Short runs": "The same with a million rates, 100 iterations each.",
    "Few runs": "The same with so few that calls are what takes the time.",
    "Functions": "Rosenbrock's function at many rates: the library's own, and what users write.",
    "Logistic regression": "Sweeps over all rows, and in mini-batches.",
    "Least squares of many features": "Sweeps of 1,000 and 2,000 features at few and many rates.",
    "Bounds": "Parameters that are held in a box after each update, beside `clip` after each update.",
    "Mini-batches": "Least squares at 100 rates, an epoch of mini-batches; the order of rows is drawn in it.",
    "Sweeps of networks": "Small networks, each with a learning rate of its own, trained side by side.",
    "Bad runs stopped early": "What is left to do where runs that fall behind are ended.",
    "Tuning": "A search for rate, momentum and width.",
    "Searches": "A grid search with cross-validation, one fit of one candidate on one fold.",
    "Rows in a file": "Rows of 20 columns in a file, with what an epoch or a solution costs for each of them.",
    "Linear models, an epoch": (
        "The estimators for linear models beside SGDRegressor and SGDClassifier, which update by single rows whatever "
        "the batch."
    ),
    "Averaged linear models, an epoch": "The same in batches of one row, parameters averaged over the updates.",
    "Linear models, to the optimum": "A whole fit with defaults.",
    "Training": (
        "One update of a network of 784-500-300-10 units by SGD, float32: how many times as long as fastgd the others "
        "take (best form of each). Operations are counted as if no input were zero, so that a share may exceed 100 %."
    ),
    "Optimizers of a network": (
        "How many times as long as one by SGD an update by another optimizer takes, each library beside itself."
    ),
    "Defaults": "An update of scikit-learn's estimator with its own defaults, float64.",
    "Predictions": "Probabilities of a network of 64-100-10 units by `MLP`, whose time stands last.",
    "Whole trainings": (
        "The same network on MNIST, momentum 0.9, rate 0.01, the test rows looked at on the way: how many times as "
        "long as fastgd the others take, and the accuracy on the test rows."
    ),
    "Recipes: a step": (
        "A step of Adam with the library's own optimizer and with fastgd's in its place; for quimb, Qiskit and "
        "Autograd the whole loop over a function that costs nothing."
    ),
    "Recipes: a whole run": "The examples of the pages: what the libraries do beside the step counts too.",
    "Recipes: PyTorch": "A step of Adam for the tensors of a policy of Stable-Baselines3.",
    "Recipes: SciPy": "Evaluations of Rosenbrock's function with its gradient, and what a method does between them.",
    "Recipes: JAX": "Updates of a logistic regression of 200 rows whose value and gradient JAX compiles.",
    "Recipes: Optuna": "",
    "Recipes: Dask": "A sweep of a function that only Python runs, on two processes and without them.",
    "A new process": "What a new Python process waits for.",
    "A new process with a function": "The same for a function of one's own, compiled by Numba.",
    "Machine": "The machine's own limits, measured in the same run.",
    "GPU: one step": "The same for arrays in a GPU's memory; its limit is a copy of as many bytes.",
    "GPU: sweep": "Two-parameter least squares, one descent per rate, all iterations executed.",
    "GPU: training": "One update of a network by SGD, float32, the rows in the GPU's memory.",
    "GPU: limits": "The GPU's own limits, measured in the same run.",
}
