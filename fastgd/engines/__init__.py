"""The backends that update parameters, run sweeps and train networks, and the dispatchers that choose among them."""
