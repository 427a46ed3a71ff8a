"""The backend compiled ahead of time: Cython and C."""
