"""The mathematics and nothing else: update rules and their coefficients."""
