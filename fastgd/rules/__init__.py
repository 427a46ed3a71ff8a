"""The mathematics: update rules, coefficients, activations, losses; gradients and residuals of problems; how a run ends."""
