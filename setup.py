"""Builds the compiled core: kernel modules for each instruction set, the stepper, the thread team, the sweeper.

FASTGD_NO_EXTENSIONS=1 leaves all of it out: the library then runs on NumPy and Numba and says so.
Otherwise a failing compiler fails the installation.
"""

import os
import platform
import sys
from itertools import product
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
DIRECTIVES = {
    "language_level": 3,
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
# Kernel modules by instruction set; the best that the processor has is loaded (fastgd.engines.cython_backend).
TARGETS = {
    "base": [],
    "v3": ["-march=x86-64-v3"],
    "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
}


def targets() -> dict[str, list[str]]:
    """Which instruction sets to build for: all of x86-64's where the compiler is a Unix one."""
    if sys.platform != "win32" and platform.machine().lower() in {"x86_64", "amd64"}:
        return TARGETS
    return {"base": []}


class BuildExtensions(build_ext):
    """Flags by compiler, in one place."""

    def finalize_options(self) -> None:
        """As many modules at a time as there are processors: on two, 145 seconds in the place of 213."""
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self) -> None:  # noqa: D102
        flags = FLAGS.get(self.compiler.compiler_type, [])
        if self.compiler.compiler_type == "unix" and "clang" not in self.compiler.compiler_so[0]:
            flags = flags + GCC_ONLY
        for extension in self.extensions:
            extension.extra_compile_args = [*flags, *extension.extra_compile_args]
        super().build_extensions()


def extensions() -> list[Extension]:
    """All extension modules, the kernels' sources freshly written from the rules."""
    import numpy as np  # noqa: PLC0415  (a build requirement, not needed without extensions)
    from Cython.Build import cythonize  # noqa: PLC0415

    sys.path.insert(0, str(ROOT))
    from fastgd.engines.registry import kernels_source, network_kernels_source  # noqa: PLC0415

    generated = ROOT / "build" / "generated"
    generated.mkdir(parents=True, exist_ok=True)
    engines = "fastgd/engines"
    modules = []
    texts = {"_kernels": kernels_source(), "_network_kernels": network_kernels_source()}
    for (kind, text), (target, flags) in product(texts.items(), targets().items()):
        source = generated / f"{kind}_{target}.pyx"
        source.write_text(text)
        modules.append(
            Extension(
                f"fastgd.engines.{kind}_{target}",
                [str(source.relative_to(ROOT))],
                include_dirs=[engines],
                extra_compile_args=flags,
            )
        )
    for name in ("_team", "_step", "_sweep", "_network"):
        if (ROOT / engines / f"{name}.pyx").exists():
            modules.append(
                Extension(
                    f"fastgd.engines.{name}",
                    [f"{engines}/{name}.pyx"],
                    include_dirs=[engines, np.get_include()],
                    define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
                )
            )
    wanted = os.environ.get("FASTGD_ONLY", "").split()  # while working on some of them
    modules = [m for m in modules if not wanted or m.name.rpartition(".")[2] in wanted]
    # force: Cython does not notice every change of a .pxd or a directive, and stale C would be silently wrong.
    return cythonize(
        modules,
        build_dir="build/cython",
        force=True,
        compiler_directives=DIRECTIVES,
        nthreads=0,
    )


setup(
    ext_modules=[] if os.environ.get("FASTGD_NO_EXTENSIONS") else extensions(),
    cmdclass={"build_ext": BuildExtensions},
)
