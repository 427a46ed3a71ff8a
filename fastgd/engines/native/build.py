"""What `setup.py` has compiled: the text of the kernel modules, made from the rules."""

from __future__ import annotations

from collections.abc import Sequence

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


def generated_sources(targets: Sequence[str]) -> dict[str, str]:
    """Files by name: the kernel modules of each instruction set in `targets`, which share one text."""
    texts = {
        "kernels": source.kernels_source(
            RULES.values(), COEFFICIENTS.values(), PREPARE, SHRINK, ELEMENTARY
        ),
        "network_kernels": source_networks.network_source(
            ACTIVATIONS.values(), LOSSES.values(), ELEMENTARY
        ),
    }
    return {f"{kind}_{target}.pyx": text for kind, text in texts.items() for target in targets}
