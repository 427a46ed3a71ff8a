"""The processor: its x86-64 level, and its mode for subnormal numbers."""

from libc.stdint cimport uint64_t

cdef extern from "floating.h" nogil:
    uint64_t fgd_flush_subnormals(int flush)
    void fgd_restore_mode(uint64_t before)
    int fgd_processor_level()


class flushed:
    """Context in which this thread's arithmetic treats subnormal numbers as zero.

    The mode also affects NumPy and Python floats: do not call users' code inside.
    """

    def __enter__(self):
        self._mode = fgd_flush_subnormals(True)

    def __exit__(self, *error):
        fgd_restore_mode(self._mode)


def processor_level():
    """x86-64 level of this processor: 1, 3 or 4; 0 for another family."""
    return fgd_processor_level()


def compiler():
    """The compiler of this module and its version."""
    return COMPILER.decode()


cdef extern from *:
    """
    #if defined(__clang__)
    #define FGD_COMPILER "clang " __clang_version__
    #elif defined(__GNUC__)
    #define FGD_COMPILER "gcc " __VERSION__
    #elif defined(_MSC_VER)
    #define FGD_COMPILER "MSVC"
    #else
    #define FGD_COMPILER "unknown"
    #endif
    """
    const char* COMPILER "FGD_COMPILER"
