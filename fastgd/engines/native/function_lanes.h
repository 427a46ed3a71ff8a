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

/* ---- whether something holds for all runs of a vector, and signs ---- */

#ifdef FGD_VECTOR_BYTES
#define FGD_OF_VECTOR(S, V, M, SIGN)                                                                      \
    static inline M eq_v##S(V a, V b) { return a == b; }                                                   \
    static inline V copysign_v##S(V a, V b) { return (V)(((M)a & ~SIGN) | ((M)b & SIGN)); }
FGD_OF_VECTOR(f, fgd_vf, fgd_mf, (int)0x80000000)
FGD_OF_VECTOR(d, fgd_vd, fgd_md, (long long)0x8000000000000000LL)
#if FGD_VECTOR_BYTES == 64
static inline int all_f(fgd_mf m) { return _mm512_movepi32_mask((__m512i)m) == 0xffff; }
static inline int all_d(fgd_md m) { return _mm512_movepi64_mask((__m512i)m) == 0xff; }
#elif FGD_VECTOR_BYTES == 32
static inline int all_f(fgd_mf m) { return _mm256_movemask_ps((__m256)m) == 0xff; }
static inline int all_d(fgd_md m) { return _mm256_movemask_pd((__m256d)m) == 0xf; }
#else
static inline int all_f(fgd_mf m) { return (m[0] & m[1] & m[2] & m[3]) != 0; }
static inline int all_d(fgd_md m) { return (m[0] & m[1]) != 0; }
#endif
#else
static inline fgd_mf eq_vf(float a, float b) { return -(fgd_mf)(a == b); }
static inline fgd_md eq_vd(double a, double b) { return -(fgd_md)(a == b); }
static inline float copysign_vf(float a, float b) { return copysignf(a, b); }
static inline double copysign_vd(double a, double b) { return copysign(a, b); }
static inline int all_f(fgd_mf m) { return m != 0; }
static inline int all_d(fgd_md m) { return m != 0; }
#endif
static inline double sin_d(double a) { return sin(a); }
static inline double cos_d(double a) { return cos(a); }

#endif
