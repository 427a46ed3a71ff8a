/* The library's test functions for one run or a vector of runs: they compute in double, whatever the runs' precision. */
#ifndef FASTGD_FUNCTION_LANES_H
#define FASTGD_FUNCTION_LANES_H

#include "vocabulary.h"

static inline double wide_f(const float* x) { return *x; }
static inline double wide_d(const double* x) { return *x; }
static inline void narrow_f(float* g, double value) { *g = (float)value; }
static inline void narrow_d(double* g, double value) { *g = value; }

#ifdef FGD_VECTOR_BYTES
typedef float fgd_half __attribute__((vector_size(FGD_VECTOR_BYTES / 2)));
static inline fgd_vd wide_vf(const float* x) {
    fgd_half half;
    memcpy(&half, x, sizeof half);
    return __builtin_convertvector(half, fgd_vd);
}
static inline void narrow_vf(float* g, fgd_vd value) {
    fgd_half half = __builtin_convertvector(value, fgd_half);
    memcpy(g, &half, sizeof half);
}
#define FGD_BY_RUN(NAME)                                                                                  \
    static inline fgd_vd NAME##_vd(fgd_vd a) {                                                             \
        for (int k = 0; k < FGD_LANES_d; k++) a[k] = NAME(a[k]);                                           \
        return a;                                                                                          \
    }
#else
static inline fgd_vd wide_vf(const float* x) { return *x; }
static inline void narrow_vf(float* g, fgd_vd value) { *g = (float)value; }
#define FGD_BY_RUN(NAME) static inline fgd_vd NAME##_vd(fgd_vd a) { return NAME(a); }
#endif
static inline fgd_vd wide_vd(const double* x) { fgd_vd all; memcpy(&all, x, sizeof all); return all; }
static inline void narrow_vd(double* g, fgd_vd value) { memcpy(g, &value, sizeof value); }
FGD_BY_RUN(sin)
FGD_BY_RUN(cos)
static inline double sin_d(double a) { return sin(a); }
static inline double cos_d(double a) { return cos(a); }

#endif
