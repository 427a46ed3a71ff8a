"""The numbers that the studies reproduce, as their sources print them."""

from fastgd.datasets import STUDY_LINE

__all__ = ["COST_PARABOLA", "FITTED_LINE", "RATE_VS_ITERATIONS"]

#: Iterations until both slopes are within the tolerance, against the learning rate; None: never. The source
#: prints the index of the last repetition, counted from zero: updates - 1.
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
