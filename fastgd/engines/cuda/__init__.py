"""The GPU backend: rules as device functions, sweeps in a few launches, networks trained without leaving the GPU.

`device` finds the GPU and allocates memory, `memory` and `vocabulary` are what device code is written with, `source`
turns rules into its text; `steps`, `sweeps` and `networks` are the twins of the modules of those names in the other
backends. Nothing here is imported before the backend is asked for.
"""
