"""The GPU: the same rules as device functions, whole descents in one launch, networks that stay on the GPU.

`device` says whether there is a GPU, `memory` and `vocabulary` are what device code is written with, `source` turns
rules into its text; `stepping`, `sweeping` and `network` are the twins of the modules of those names one floor above.
Nothing here is imported before it is asked for.
"""
