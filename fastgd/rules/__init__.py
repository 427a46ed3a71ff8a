"""The mathematics: updates, coefficients, activations, losses, gradients, residuals, stopping decisions."""
