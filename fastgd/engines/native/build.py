"""What `setup.py` has compiled: the text of the kernel modules, made from the rules."""

from __future__ import annotations

from fastgd.engines.native.source import kernels_source, steepness_include, stops_include
from fastgd.engines.native.source_functions import functions_source
from fastgd.engines.native.source_lanes import lanes_source
from fastgd.engines.native.source_networks import linear_source, network_source


def generated_sources() -> dict[str, str]:
    """Sources by file name: of the kernel modules, compiled once for every instruction set, and include files."""
    return {
        "kernels.pyx": kernels_source(),
        "network_kernels.pyx": network_source(),
        "function_kernels.pyx": functions_source(),
        "lane_kernels.pyx": lanes_source(),
        "linear_kernels.pyx": linear_source(),
        "stops.pxi": stops_include(),
        "steepness.pxi": steepness_include(),
    }
