/* The processor's floating-point mode and instruction set, a clock, and sums of squares in a fixed order. */
#ifndef FASTGD_FLOATING_H
#define FASTGD_FLOATING_H

#include <stddef.h>
#include <stdint.h>
#if defined(_WIN32)
#include "windows_api.h"
#else
#include <time.h>
#endif

#include "layout.h"

#if defined(__GNUC__)
#define FGD_NOINLINE __attribute__((noinline))
#elif defined(_MSC_VER)
#define FGD_NOINLINE __declspec(noinline)
#else
#define FGD_NOINLINE
#endif

#if defined(__SSE2__) || defined(_M_X64)
#include <immintrin.h>
#define FGD_FLUSH 0x8040u /* flush-to-zero (results) and denormals-are-zero (operands) */
static inline uint64_t fgd_get_mode(void) { return _mm_getcsr(); }
static inline void fgd_set_mode(uint64_t mode) { _mm_setcsr((unsigned)mode); }
#elif defined(__aarch64__) && defined(__GNUC__)
#define FGD_FLUSH ((uint64_t)1 << 24) /* FPCR.FZ: results and operands */
static inline uint64_t fgd_get_mode(void) {
    uint64_t mode;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static inline void fgd_set_mode(uint64_t mode) { __asm__ __volatile__("msr fpcr, %0" : : "r"(mode)); }
#else
#define FGD_FLUSH 0
static inline uint64_t fgd_get_mode(void) { return 0; }
static inline void fgd_set_mode(uint64_t mode) { (void)mode; }
#endif

/* Not inlined, so that no arithmetic can move across. Returns what fgd_restore_mode wants. */
static FGD_NOINLINE uint64_t fgd_flush_subnormals(int flush) {
    uint64_t mode = fgd_get_mode();
    if (flush && (mode & FGD_FLUSH) != FGD_FLUSH) fgd_set_mode(mode | FGD_FLUSH);
    return mode;
}

/* Only the flush bits go back: exception flags that were raised meanwhile stay. */
static FGD_NOINLINE void fgd_restore_mode(uint64_t before) {
    uint64_t mode = fgd_get_mode();
    if ((mode ^ before) & FGD_FLUSH) fgd_set_mode((mode & ~(uint64_t)FGD_FLUSH) | (before & FGD_FLUSH));
}

static double fgd_seconds(void) {
#if defined(_WIN32)
    LARGE_INTEGER count, frequency;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&frequency);
    return (double)count.QuadPart / (double)frequency.QuadPart;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
#endif
}

/* The x86-64 level of this processor and operating system: 1 (also for 2), 3 or 4; 0 for other families. */
static int fgd_processor_level(void) {
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi") ||
        !__builtin_cpu_supports("bmi2"))
        return 1;
#if !defined(__clang__) && __GNUC__ >= 11
    if (!__builtin_cpu_supports("f16c") || !__builtin_cpu_supports("lzcnt") || !__builtin_cpu_supports("movbe"))
        return 1;
#endif
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vl"))
        return 3;
    return 4;
#elif defined(_M_X64)
    return 1;
#else
    return 0;
#endif
}

/* The sum of squares of one block of the global norm, in the order that fastgd.engines.layout states. */
#define FGD_SQUARES(S, T)                                                                                 \
    static double fgd_squares_##S(const T *x, ptrdiff_t n) {                                               \
        double part[FGD_PARTIALS] = {0}, total;                                                            \
        ptrdiff_t i = 0;                                                                                   \
        for (; i + FGD_PARTIALS <= n; i += FGD_PARTIALS)                                                   \
            for (int k = 0; k < FGD_PARTIALS; k++) part[k] += (double)x[i + k] * (double)x[i + k];         \
        for (int k = 0; i < n; i++, k++) part[k] += (double)x[i] * (double)x[i];                           \
        total = part[0];                                                                                   \
        for (int k = 1; k < FGD_PARTIALS; k++) total += part[k];                                           \
        return total;                                                                                      \
    }
FGD_SQUARES(f, float)
FGD_SQUARES(d, double)

#endif
