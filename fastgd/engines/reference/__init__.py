"""The reference backend in plain NumPy: slow and readable; other backends are tested against it."""
