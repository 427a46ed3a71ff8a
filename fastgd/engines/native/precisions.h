/* Names of types and of fused multiply-adds by precision: a header that is included once for float and once for double, with
   FGD_S defined as f and d, writes FGD_T, FGD_V, FGD_FMA and FGD_(name) for its own of them. */
#ifndef FASTGD_PRECISIONS_H
#define FASTGD_PRECISIONS_H

#include "vocabulary.h"

#if defined(__GNUC__)
#define FGD_ALL _Pragma("GCC unroll 16")
#define FGD_KEPT _Pragma("GCC unroll 1") /* GCC makes vectors of a loop, but seldom of what it has unrolled before */
#define FGD_HOT __attribute__((noinline, aligned(64)))
#else
#define FGD_ALL
#define FGD_KEPT
#define FGD_HOT
#endif

#define FGD_CAT_(a, b) a##b
#define FGD_CAT(a, b) FGD_CAT_(a, b)
#define FGD_(name) FGD_CAT(FGD_CAT(fgd_, name##_), FGD_S)

#if FGD_VECTOR_BYTES == 64 && defined(__AVX512F__)
#define FGD_TALLEST 12
#else
#define FGD_TALLEST 6
#endif

#if defined(FGD_VECTOR_BYTES) && FGD_VECTOR_BYTES == 64
#define FGD_FMA_f(a, b, c) ((fgd_vf)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define FGD_FMA_d(a, b, c) ((fgd_vd)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#define FGD_SET1_f(x) ((fgd_vf)_mm512_set1_ps(x))
#define FGD_SET1_d(x) ((fgd_vd)_mm512_set1_pd(x))
#elif defined(FGD_VECTOR_BYTES) && FGD_VECTOR_BYTES == 32 && defined(__FMA__)
#define FGD_FMA_f(a, b, c) ((fgd_vf)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define FGD_FMA_d(a, b, c) ((fgd_vd)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define FGD_SET1_f(x) ((fgd_vf)_mm256_set1_ps(x))
#define FGD_SET1_d(x) ((fgd_vd)_mm256_set1_pd(x))
#else
#define FGD_FMA_f(a, b, c) ((a) * (b) + (c))
#define FGD_FMA_d(a, b, c) ((a) * (b) + (c))
#define FGD_SET1_f(x) splat_vf(x)
#define FGD_SET1_d(x) splat_vd(x)
#endif
#if defined(FGD_VECTOR_BYTES) && FGD_VECTOR_BYTES == 64
#define FGD_PARTS /* of a vector: a half, a quarter */
typedef float fgd_halff __attribute__((vector_size(32)));
typedef double fgd_halfd __attribute__((vector_size(32)));
typedef float fgd_quarterf __attribute__((vector_size(16)));
typedef double fgd_quarterd __attribute__((vector_size(16)));
#define FGD_FMA_halff(a, b, c) ((fgd_halff)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define FGD_FMA_halfd(a, b, c) ((fgd_halfd)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define FGD_FMA_quarterf(a, b, c) ((fgd_quarterf)_mm_fmadd_ps((__m128)(a), (__m128)(b), (__m128)(c)))
#define FGD_FMA_quarterd(a, b, c) ((fgd_quarterd)_mm_fmadd_pd((__m128d)(a), (__m128d)(b), (__m128d)(c)))
#define FGD_SET1_halff(x) _mm256_set1_ps(x)
#define FGD_SET1_halfd(x) _mm256_set1_pd(x)
#define FGD_SET1_quarterf(x) _mm_set1_ps(x)
#define FGD_SET1_quarterd(x) _mm_set1_pd(x)
#endif
#if defined(__FMA__) && defined(__GNUC__)
#define FGD_FMA1_f(a, b, c) __builtin_fmaf(a, b, c)
#define FGD_FMA1_d(a, b, c) __builtin_fma(a, b, c)
#else
#define FGD_FMA1_f(a, b, c) ((a) * (b) + (c))
#define FGD_FMA1_d(a, b, c) ((a) * (b) + (c))
#endif

#define FGD_T FGD_CAT(FGD_T_, FGD_S)
#define FGD_T_f float
#define FGD_T_d double
#define FGD_V FGD_CAT(fgd_v, FGD_S)
#define FGD_M FGD_CAT(fgd_m, FGD_S) /* of comparisons */
#define FGD_LANES FGD_CAT(FGD_LANES_, FGD_S)
#define FGD_NR (2 * FGD_LANES) /* columns of a panel */
#define FGD_SET1 FGD_CAT(FGD_SET1_, FGD_S)
#define FGD_FMA FGD_CAT(FGD_FMA_, FGD_S)
#define FGD_FMA1 FGD_CAT(FGD_FMA1_, FGD_S)
#define FGD_SQUARES_OF FGD_CAT(fgd_squares_, FGD_S)

#endif
