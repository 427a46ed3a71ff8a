"""What `setup.py` has compiled: the text of the kernel modules, made from the rules."""

from __future__ import annotations

from fastgd.engines.native import source, source_networks
from fastgd.engines.registry import (
    ACTIVATIONS,
    COEFFICIENTS,
    ELEMENTARY,
    LOSSES,
    PREPARE,
    RULES,
    SHRINK,
)


def generated_sources() -> dict[str, str]:
    """The kernel modules' sources by file name; each is compiled once for every instruction set."""
    return {
        "kernels.pyx": source.kernels_source(
            RULES.values(), COEFFICIENTS.values(), PREPARE, SHRINK, ELEMENTARY
        ),
        "network_kernels.pyx": source_networks.network_source(
            ACTIVATIONS.values(), LOSSES.values(), ELEMENTARY
        ),
    }
