"""The backend that Cython and a C compiler make ahead of time."""
