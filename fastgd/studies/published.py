"""Published numbers that the studies reproduce, as printed."""

from fastgd.datasets import STUDY_LINE

__all__ = [
    "COST_PARABOLA",
    "FITTED_LINE",
    "LESSON_ERRORS",
    "LESSON_LINES",
    "RATE_VS_ITERATIONS",
    "STEP_SIZES",
    "TWO_FEATURES",
    "TWO_FEATURES_PREDICTION",
]

#: Iterations until the gradient is within the tolerance, by learning rate; None: never. The source prints the
#: index of the last repetition, counted from zero: updates - 1.
RATE_VS_ITERATIONS: dict[float, int | None] = {
    0.1: 1389, 0.15: 925, 0.2: 693, 0.25: 552, 0.3: 460, 0.35: 393, 0.4: 344, 0.45: 305, 0.5: 275,
    0.55: 249, 0.6: 228, 0.65: 209, 0.7: 195, 0.75: 182, 0.8: 170, 0.85: 159, 0.9: 151, 0.95: 143,
    1.0: 135, 1.05: 128, 1.1: 122, 1.15: 117, 1.2: 112, 1.25: 107, 1.3: 103, 1.35: 99, 1.4: 95,
    1.45: 92, 1.5: 103, 1.55: 269, 1.6: None, 1.65: None, 1.7: None, 1.75: None, 1.8: None,
}  # fmt: skip

#: Slope (lb/in) and intercept (lb) of the line through the 40 heights and weights.
FITTED_LINE = STUDY_LINE

#: J(w; b = -210) of the same rows, highest power first: 2326 w^2 - 23090 w + 57360, to four digits.
COST_PARABOLA = (2326.0, -23090.0, 57360.0)

#: Outcomes of descents on that parabola from x = 22, 100 iterations, as the source shows them.
STEP_SIZES = {0.001: "too slow", 0.2: "converges", 0.8: "diverges"}

#: Rate -> update -> mean square error after it, as printed: x = 0, 1, 3; y = -1, 1, 5; from w = 1, b = 0.
LESSON_ERRORS = {
    0.1: {1: "0.35560", 2: "0.26300", 3: "0.19452", 20: "0.00115", 30: "0.00006"},
    0.5: {1: "9.58333", 2: "4.06250", 3: "39.76562", 29: "537407805.94885", 30: "5223270089.75743"},
}
#: The lines printed with rate 0.1: update -> slope, intercept.
LESSON_LINES = {
    1: ("1.60", "-0.14"), 2: ("1.66", "-0.26"), 3: ("1.70", "-0.36"), 20: ("1.98", "-0.95"),
}  # fmt: skip

#: Two features, 1000 updates at rate 0.01: intercept, two slopes; and the prediction at (1, 0).
TWO_FEATURES = (0.8907546215358821, 2.0237699271134932, 0.057888309859129156)
TWO_FEATURES_PREDICTION = 2.9145245486493754
