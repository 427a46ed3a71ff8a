"""Builds the compiled core: kernels for each instruction set, the stepper, the thread team, sweeps, networks.

FASTGD_NO_EXTENSIONS=1 leaves all of it out: the library then runs on NumPy, or on Numba where it is installed, and
warns. Otherwise a failing compiler fails the installation.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import Future
from itertools import takewhile
from pathlib import Path
from threading import Lock

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
NATIVE = "fastgd/engines/native"
GENERATED = "build/generated"  # sources and headers that this file writes
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
# unused: not every module calls all functions of a header.
GCC_ONLY = ["--param=vect-max-version-for-alias-checks=100", "-Wno-psabi", "-Wno-unused-function"]
# Kernel modules by instruction set; the best that the processor has is loaded (fastgd.engines.native.kernels).
TARGETS = {
    "base": [],
    "v3": ["-march=x86-64-v3"],
    "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
}
KERNELS = (
    "kernels",
    "network_kernels",
    "lane_kernels",
    "linear_kernels",
    "function_kernels",
)
HAND_WRITTEN = (  # in the order of the time that they take
    *(
        f"fastgd.engines.native.{name}"
        for name in (
            "sweeps",
            "networks",
            "steps",
            "platoons",
            "team",
            "descent",
            "stepped",
            "trees",
            "tensors",
        )
    ),
    "fastgd.engines._processor",
)


def targets() -> dict[str, list[str]]:
    """Which instruction sets to build for: all of x86-64's where the compiler is a Unix one.

    What counts is what is built for: not this processor where that is another, and not both of macOS's universal2.
    """
    built_for = sysconfig.get_platform()
    if not built_for.startswith("win") and built_for.endswith(("x86_64", "amd64")):
        return TARGETS
    return {"base": []}


def is_gcc(compiler: list[str]) -> bool:
    """Whether a compiler's command, with its flags, runs GCC; on macOS a program called gcc is Clang."""
    command = list(takewhile(lambda word: not word.startswith("-"), compiler))
    said = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    return "Free Software Foundation" in said.stdout


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
        self.c_files: dict[str, Future[str]] = {}
        self.lock = Lock()

    def build_extensions(self) -> None:  # noqa: D102
        write_generated()
        unix = self.compiler.compiler_type == "unix"
        self.gcc = unix and is_gcc(self.compiler.compiler_so)
        super().build_extensions()

    def build_extension(self, ext: Extension) -> None:  # noqa: D102
        flags = FLAGS.get(self.compiler.compiler_type, [])
        if self.gcc:
            flags = flags + GCC_ONLY
        ext.extra_compile_args = [*flags, *ext.extra_compile_args]
        ext.sources = [own_copy(self.c_file(source), ext.name) for source in ext.sources]
        super().build_extension(ext)

    def c_file(self, source: str) -> str:
        """The C file of a Cython source, made once: by the first thread that wants it, while others wait."""
        with self.lock:
            mine = source not in self.c_files
            made = self.c_files.setdefault(source, Future())
        if mine:
            try:
                made.set_result(in_c(source))
            except BaseException as error:
                made.set_exception(error)
        return made.result()


def in_c(source: str) -> str:
    """Run Cython in a process of its own; returns the C file."""
    module = ".".join(Path(source).with_suffix("").parts)
    if source.startswith(GENERATED):
        module = Path(source).stem
    target = f"build/cython/{module}.c"
    os.makedirs("build/cython", exist_ok=True)
    directives = [word for name, value in DIRECTIVES.items() for word in ("-X", f"{name}={value}")]
    command = [sys.executable, "-m", "cython", "-3", *directives, "-I", GENERATED]
    subprocess.run([*command, "--module-name", module, "-o", target, source], check=True)
    return target


def own_copy(c_file: str, module: str) -> str:
    """The C file under the module's own name.

    A compiler names object files after it, and modules of several instruction sets are compiled at the same time.
    """
    own = f"build/cython/{module}.c"
    if own != c_file:
        shutil.copyfile(c_file, own)
    return own


def write_generated() -> None:
    """Write the kernels' sources from the rules, and what C and Cython share with Python."""
    sys.path.insert(0, str(ROOT))
    from fastgd.engines import layout  # noqa: PLC0415
    from fastgd.engines.native.build import generated_sources  # noqa: PLC0415

    folder = ROOT / GENERATED
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"layout.h": layout.c_header(), "layout.pxi": layout.cython_include()}
    for name, text in {**generated_sources(), **texts}.items():
        (folder / name).write_text(text)


def kernel_module(kind: str, target: str, flags: list[str]) -> Extension:
    """Kernels compiled for one instruction set: one C text for all, so the function that loads it is renamed."""
    name = f"{kind}_{target}"
    return Extension(
        f"fastgd.engines.native.{name}",
        [f"{GENERATED}/{kind}.pyx"],
        include_dirs=[NATIVE, GENERATED],
        extra_compile_args=flags,
        define_macros=[(f"PyInit_{kind}", f"PyInit_{name}")],
    )


def hand_written(name: str) -> Extension:
    """A module of the source tree."""
    import numpy as np  # noqa: PLC0415  (a build requirement, not needed without extensions)

    return Extension(
        name,
        [f"{name.replace('.', '/')}.pyx"],
        include_dirs=[NATIVE, GENERATED, np.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
    )


def extensions() -> list[Extension]:
    """All extension modules, those that take longest first.

    One is begun between the first two kernel modules, since all of them wait for the same C text.
    """
    kernels, *others = (
        [kernel_module(kind, target, flags) for target, flags in reversed(targets().items())]
        for kind in KERNELS
    )
    first, *rest = map(hand_written, HAND_WRITTEN)
    modules = [
        kernels[0],
        first,
        *kernels[1:],
        *(module for kind in others for module in kind),
        *rest,
    ]
    return [module for module in modules if wanted(module.name)]


setup(
    ext_modules=[] if os.environ.get("FASTGD_NO_EXTENSIONS") else extensions(),
    cmdclass={"build_ext": BuildExtensions},
)
