"""Invented cars: numbers, a category, and two targets."""

import numpy as np

RNG = np.random.default_rng(11)
N = 90
MAKES = np.array(["vw", "bmw", "kia"])
POWER = np.round(RNG.uniform(50, 200, N), 1)
WEIGHT = np.round(900 + 4 * POWER + RNG.normal(0, 80, N))
MAKE = RNG.choice(MAKES, N)
MPG = np.round(60 - 0.02 * WEIGHT + 4 * (MAKE == "kia") + RNG.normal(0, 1, N), 2)
SIZE = np.where(WEIGHT > 1500, "large", np.where(WEIGHT > 1250, "middle", "small"))
CARS = {"power": POWER, "weight": WEIGHT, "make": MAKE, "mpg": MPG}
SIZES = {"power": POWER, "make": MAKE, "size": SIZE}
QUICK = ["--hidden", "8", "--epochs", "5", "--rate", "0.01"]
