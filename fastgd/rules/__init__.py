"""The mathematics: update rules, coefficients, activations, losses; problems' gradients and residuals; when a run ends."""
