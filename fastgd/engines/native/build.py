"""What `setup.py` has compiled: the text of the kernel modules, made from the rules."""

from __future__ import annotations

from fastgd.engines.native.source import kernels_source
from fastgd.engines.native.source_networks import network_source


def generated_sources() -> dict[str, str]:
    """The kernel modules' sources by file name; each is compiled once for every instruction set."""
    return {"kernels.pyx": kernels_source(), "network_kernels.pyx": network_source()}
