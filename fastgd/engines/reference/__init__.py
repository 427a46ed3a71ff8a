"""The readable backend in plain NumPy: what the others are tested against."""
