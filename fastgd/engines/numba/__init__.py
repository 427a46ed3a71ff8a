"""The backend compiled just in time by Numba: users' own functions, and what has no kernel ahead of time."""
