"""Builds the compiled core: kernel modules for each instruction set, the stepper, the thread team, the sweeper.

FASTGD_NO_EXTENSIONS=1 leaves all of it out: the library then runs on NumPy, or Numba where that is, and says so.
Otherwise a failing compiler fails the installation.
"""

import os
import platform
import subprocess
import sys
from itertools import product
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
NATIVE = "fastgd/engines/native"
DIRECTIVES = {
    "boundscheck": bool(os.environ.get("FASTGD_BOUNDSCHECK")),
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "embedsignature": True,
}
# -fno-math-errno: else sqrt may set errno and no loop vectorizes. -fno-trapping-math: else no select vectorizes.
# -ffp-contract=off: a fused multiply-add has other bits than NumPy. alias checks: loops over up to eight arrays.
FLAGS = {
    "unix": ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"],
    "msvc": ["/O2", "/fp:precise", "/std:c11", "/experimental:c11atomics"],
}
GCC_ONLY = ["--param=vect-max-version-for-alias-checks=100", "-Wno-psabi"]
# Kernel modules by instruction set; the best that the processor has is loaded (fastgd.engines.native.kernels).
TARGETS = {
    "base": [],
    "v3": ["-march=x86-64-v3"],
    "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
}
HAND_WRITTEN = (
    "fastgd.engines._processor",
    *(f"fastgd.engines.native.{name}" for name in ("team", "steps", "sweeps", "networks")),
)


def targets() -> dict[str, list[str]]:
    """Which instruction sets to build for: all of x86-64's where the compiler is a Unix one."""
    if sys.platform != "win32" and platform.machine().lower() in {"x86_64", "amd64"}:
        return TARGETS
    return {"base": []}


def wanted(name: str) -> bool:
    """Whether a module is to be built: FASTGD_ONLY names those that one is working on."""
    only = os.environ.get("FASTGD_ONLY", "").split()
    return not only or name.rpartition(".")[2] in only


class BuildExtensions(build_ext):
    """Runs Cython and the C compiler on as many modules at a time as there are processors.

    Cython runs here, and not when pip asks for requirements and metadata, which also executes this file.
    """

    def finalize_options(self) -> None:  # noqa: D102
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()
        self.force = True  # sources are generated, and stale kernels would be silently wrong

    def build_extensions(self) -> None:  # noqa: D102
        write_generated()
        super().build_extensions()

    def build_extension(self, ext: Extension) -> None:  # noqa: D102
        flags = FLAGS.get(self.compiler.compiler_type, [])
        if self.compiler.compiler_type == "unix" and "clang" not in self.compiler.compiler_so[0]:
            flags = flags + GCC_ONLY
        ext.extra_compile_args = [*flags, *ext.extra_compile_args]
        ext.sources = [in_c(ext.name, source) for source in ext.sources]
        super().build_extension(ext)


def in_c(module: str, source: str) -> str:
    """The C file that Cython makes of a module's source, in a process of its own so that modules are built side by side."""
    target = f"build/cython/{module}.c"
    os.makedirs("build/cython", exist_ok=True)
    directives = [word for name, value in DIRECTIVES.items() for word in ("-X", f"{name}={value}")]
    command = [sys.executable, "-m", "cython", "-3", *directives, "--module-name", module]
    subprocess.run([*command, "-o", target, source], check=True)
    return target


def write_generated() -> None:
    """The kernel modules' sources, freshly written from the rules."""
    sys.path.insert(0, str(ROOT))
    from fastgd.engines.native.build import generated_sources  # noqa: PLC0415

    folder = ROOT / "build" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in generated_sources(list(targets())).items():
        (folder / name).write_text(text)


def extensions() -> list[Extension]:
    """All extension modules."""
    import numpy as np  # noqa: PLC0415  (a build requirement, not needed without extensions)

    modules = [
        Extension(
            f"fastgd.engines.native.{kind}_{target}",
            [f"build/generated/{kind}_{target}.pyx"],
            include_dirs=[NATIVE, "build/generated"],
            extra_compile_args=flags,
        )
        for kind, (target, flags) in product(("kernels", "network_kernels"), targets().items())
    ]
    modules += [
        Extension(
            name,
            [f"{name.replace('.', '/')}.pyx"],
            include_dirs=[NATIVE, "build/generated", np.get_include()],
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
        )
        for name in HAND_WRITTEN
    ]
    return [module for module in modules if wanted(module.name)]


setup(
    ext_modules=[] if os.environ.get("FASTGD_NO_EXTENSIONS") else extensions(),
    cmdclass={"build_ext": BuildExtensions},
)
