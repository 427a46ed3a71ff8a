/* What `np.` means in a rule when C runs it: for float and double (suffixes f, d), and for vectors of runs (vf, vd).

   A vector is as wide as the instruction set that the file is compiled for; where the compiler has no vector types it
   is a single number, and everything still works. Selects are written so that they vectorize, and a NaN on either side
   wins in maximum and minimum, as in NumPy. */
#ifndef FASTGD_VOCABULARY_H
#define FASTGD_VOCABULARY_H

#include <math.h>
#include <string.h>

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define FGD_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define FGD_VECTOR_BYTES 32
#elif defined(__GNUC__)
#define FGD_VECTOR_BYTES 16
#endif
#if defined(__SSE2__) && defined(FGD_VECTOR_BYTES)
#include <immintrin.h>
#endif

/* ---- scalars ---- */

#define FGD_SCALAR(S, T, SQRT, FABS, COPYSIGN)                                                              \
    static inline T splat_##S(T a) { return a; }                                                           \
    static inline T sqrt_##S(T a) { return SQRT(a); }                                                      \
    static inline T abs_##S(T a) { return FABS(a); }                                                       \
    static inline T sign_##S(T a) { T s = a < 0 ? (T)-1 : a + (T)0; return a > 0 ? (T)1 : s; }                    \
    static inline T copysign_##S(T a, T b) { return COPYSIGN(a, b); }                                      \
    static inline T larger_##S(T a, T b) { return a > b ? a : b; }                                         \
    static inline T smaller_##S(T a, T b) { return a < b ? a : b; }                                        \
    static inline T maximum_##S(T a, T b) { T c = a > b ? a : b; return a != a ? a : c; }                  \
    static inline T minimum_##S(T a, T b) { T c = a < b ? a : b; return a != a ? a : c; }                  \
    static inline T where_gt_##S(T a, T b, T x, T y) { return a > b ? x : y; }                             \
    static inline T where_lt_##S(T a, T b, T x, T y) { return a < b ? x : y; }                             \
    static inline T where_ge_##S(T a, T b, T x, T y) { return a >= b ? x : y; }                            \
    static inline T where_le_##S(T a, T b, T x, T y) { return a <= b ? x : y; }

FGD_SCALAR(f, float, sqrtf, fabsf, copysignf)
FGD_SCALAR(d, double, sqrt, fabs, copysign)

/* What exp, log and the like (fastgd/rules/elementary.py) need to know of a number's bits. In `exponent`, an integer
   in the low bits of 2^DIGITS is that much more. */
#define FGD_BITS(S, T, U, DIGITS, FRACTION, BIAS, SQRT_HALF, POWER)                                       \
    static inline T pow2_##S(T k) { return from_bits_##S(to_bits_##S(k) << DIGITS); }                      \
    static inline T exponent_##S(T x) {                                                                    \
        U biased = (to_bits_##S(x) + ((BIAS << DIGITS) - SQRT_HALF)) >> DIGITS;                            \
        return from_bits_##S(biased | ((BIAS + DIGITS) << DIGITS)) - POWER;                                \
    }                                                                                                      \
    static inline T mantissa_##S(T x) {                                                                    \
        U rest = (to_bits_##S(x) - SQRT_HALF) & FRACTION;                                         \
        return from_bits_##S(rest + SQRT_HALF);                                                            \
    }
#define FGD_BITS_f(S, T, U) FGD_BITS(S, T, U, 23, 0x7fffffu, 127u, 0x3f3504f3u, 8388735.0f)
#define FGD_BITS_d(S, T, U) FGD_BITS(S, T, U, 52, 0xfffffffffffffull, 1023ull, 0x3fe6a09e667f3bcdull, 4503599627371519.0)

#define FGD_CAST(S, T, U)                                                                                 \
    static inline U to_bits_##S(T x) { U b; memcpy(&b, &x, sizeof b); return b; }                          \
    static inline T from_bits_##S(U b) { T x; memcpy(&x, &b, sizeof x); return x; }
FGD_CAST(f, float, unsigned int)
FGD_CAST(d, double, unsigned long long)
FGD_BITS_f(f, float, unsigned int)
FGD_BITS_d(d, double, unsigned long long)

/* ---- vectors of runs ---- */

#ifdef FGD_VECTOR_BYTES
typedef float fgd_vf __attribute__((vector_size(FGD_VECTOR_BYTES)));
typedef double fgd_vd __attribute__((vector_size(FGD_VECTOR_BYTES)));
typedef int fgd_mf __attribute__((vector_size(FGD_VECTOR_BYTES)));
typedef long long fgd_md __attribute__((vector_size(FGD_VECTOR_BYTES)));
#define FGD_LANES_f (FGD_VECTOR_BYTES / 4)
#define FGD_LANES_d (FGD_VECTOR_BYTES / 8)

#define FGD_VECTOR(S, T, V, M, LANES, MAGNITUDE)                                                          \
    static inline V splat_##S(T a) { V r = (V){0}; return r + a; }                                         \
    static inline V choose_##S(M m, V x, V y) { return (V)((m & (M)x) | (~m & (M)y)); }                    \
    static inline V abs_##S(V a) { return (V)((M)a & MAGNITUDE); }                                         \
    static inline M gt_##S(V a, V b) { return a > b; }                                                     \
    static inline M lt_##S(V a, V b) { return a < b; }                                                     \
    static inline M ge_##S(V a, V b) { return a >= b; }                                                    \
    static inline M le_##S(V a, V b) { return a <= b; }                                                    \
    static inline V where_gt_##S(V a, V b, V x, V y) { return FGD_WHERE_##S(a, b, >, _CMP_GT_OQ, x, y); }  \
    static inline V where_lt_##S(V a, V b, V x, V y) { return FGD_WHERE_##S(a, b, <, _CMP_LT_OQ, x, y); }  \
    static inline V where_ge_##S(V a, V b, V x, V y) { return FGD_WHERE_##S(a, b, >=, _CMP_GE_OQ, x, y); } \
    static inline V where_le_##S(V a, V b, V x, V y) { return FGD_WHERE_##S(a, b, <=, _CMP_LE_OQ, x, y); } \
    static inline V sign_##S(V a) {                                                                        \
        V one = splat_##S(1), zero = (V){0};                                                               \
        return where_gt_##S(a, zero, one, where_lt_##S(a, zero, -one, a + zero));                          \
    }                                                                                                      \
    static inline V maximum_##S(V a, V b) { return choose_##S(a != a, a, larger_##S(a, b)); }              \
    static inline V minimum_##S(V a, V b) { return choose_##S(a != a, a, smaller_##S(a, b)); }

/* x where a OP b holds and y elsewhere, in one or two instructions where the compiler would make three of `choose`. */
#if FGD_VECTOR_BYTES == 64
#define FGD_WHERE_vf(a, b, OP, CODE, x, y)                                                                \
    (fgd_vf)_mm512_mask_blend_ps(_mm512_cmp_ps_mask((__m512)(a), (__m512)(b), CODE), (__m512)(y), (__m512)(x))
#define FGD_WHERE_vd(a, b, OP, CODE, x, y)                                                                \
    (fgd_vd)_mm512_mask_blend_pd(_mm512_cmp_pd_mask((__m512d)(a), (__m512d)(b), CODE), (__m512d)(y), (__m512d)(x))
#elif FGD_VECTOR_BYTES == 32
#define FGD_WHERE_vf(a, b, OP, CODE, x, y) (fgd_vf)_mm256_blendv_ps((__m256)(y), (__m256)(x), (__m256)((a)OP(b)))
#define FGD_WHERE_vd(a, b, OP, CODE, x, y) (fgd_vd)_mm256_blendv_pd((__m256d)(y), (__m256d)(x), (__m256d)((a)OP(b)))
#else
#define FGD_WHERE_vf(a, b, OP, CODE, x, y) choose_vf((a)OP(b), x, y)
#define FGD_WHERE_vd(a, b, OP, CODE, x, y) choose_vd((a)OP(b), x, y)
#endif

#if FGD_VECTOR_BYTES == 64
static inline fgd_vf larger_vf(fgd_vf a, fgd_vf b) { return (fgd_vf)_mm512_max_ps((__m512)a, (__m512)b); }
static inline fgd_vd larger_vd(fgd_vd a, fgd_vd b) { return (fgd_vd)_mm512_max_pd((__m512d)a, (__m512d)b); }
static inline fgd_vf smaller_vf(fgd_vf a, fgd_vf b) { return (fgd_vf)_mm512_min_ps((__m512)a, (__m512)b); }
static inline fgd_vd smaller_vd(fgd_vd a, fgd_vd b) { return (fgd_vd)_mm512_min_pd((__m512d)a, (__m512d)b); }
/* |a| or |b|, whichever is larger, in one instruction: immediate 11 is "absolute maximum, sign cleared". */
static inline fgd_vf steeper_vf(fgd_vf a, fgd_vf b) { return (fgd_vf)_mm512_range_ps((__m512)a, (__m512)b, 11); }
static inline fgd_vd steeper_vd(fgd_vd a, fgd_vd b) { return (fgd_vd)_mm512_range_pd((__m512d)a, (__m512d)b, 11); }
/* The smaller of numbers >= 0, whose order is that of their bits (a NaN is the largest): integer units are idle where
   sums and products wait. */
static inline fgd_vf least_vf(fgd_vf a, fgd_vf b) { return (fgd_vf)_mm512_min_epu32((__m512i)a, (__m512i)b); }
static inline fgd_vd least_vd(fgd_vd a, fgd_vd b) { return (fgd_vd)_mm512_min_epu64((__m512i)a, (__m512i)b); }
static inline fgd_vf sqrt_vf(fgd_vf a) { return (fgd_vf)_mm512_sqrt_ps((__m512)a); }
static inline fgd_vd sqrt_vd(fgd_vd a) { return (fgd_vd)_mm512_sqrt_pd((__m512d)a); }
#elif FGD_VECTOR_BYTES == 32
static inline fgd_vf larger_vf(fgd_vf a, fgd_vf b) { return (fgd_vf)_mm256_max_ps((__m256)a, (__m256)b); }
static inline fgd_vd larger_vd(fgd_vd a, fgd_vd b) { return (fgd_vd)_mm256_max_pd((__m256d)a, (__m256d)b); }
static inline fgd_vf smaller_vf(fgd_vf a, fgd_vf b) { return (fgd_vf)_mm256_min_ps((__m256)a, (__m256)b); }
static inline fgd_vd smaller_vd(fgd_vd a, fgd_vd b) { return (fgd_vd)_mm256_min_pd((__m256d)a, (__m256d)b); }
static inline fgd_vf sqrt_vf(fgd_vf a) { return (fgd_vf)_mm256_sqrt_ps((__m256)a); }
static inline fgd_vd sqrt_vd(fgd_vd a) { return (fgd_vd)_mm256_sqrt_pd((__m256d)a); }
#elif defined(__SSE2__)
static inline fgd_vf larger_vf(fgd_vf a, fgd_vf b) { return (fgd_vf)_mm_max_ps((__m128)a, (__m128)b); }
static inline fgd_vd larger_vd(fgd_vd a, fgd_vd b) { return (fgd_vd)_mm_max_pd((__m128d)a, (__m128d)b); }
static inline fgd_vf smaller_vf(fgd_vf a, fgd_vf b) { return (fgd_vf)_mm_min_ps((__m128)a, (__m128)b); }
static inline fgd_vd smaller_vd(fgd_vd a, fgd_vd b) { return (fgd_vd)_mm_min_pd((__m128d)a, (__m128d)b); }
static inline fgd_vf sqrt_vf(fgd_vf a) { return (fgd_vf)_mm_sqrt_ps((__m128)a); }
static inline fgd_vd sqrt_vd(fgd_vd a) { return (fgd_vd)_mm_sqrt_pd((__m128d)a); }
#else
#define FGD_BY_LANE(S, V, M, LANES, SQRT)                                                                 \
    static inline V larger_##S(V a, V b) { M m = a > b; return (V)((m & (M)a) | (~m & (M)b)); }            \
    static inline V smaller_##S(V a, V b) { M m = a < b; return (V)((m & (M)a) | (~m & (M)b)); }           \
    static inline V sqrt_##S(V a) { V r = a; for (int k = 0; k < LANES; k++) r[k] = SQRT(a[k]); return r; }
FGD_BY_LANE(vf, fgd_vf, fgd_mf, FGD_LANES_f, sqrtf)
FGD_BY_LANE(vd, fgd_vd, fgd_md, FGD_LANES_d, sqrt)
#endif

FGD_VECTOR(vf, float, fgd_vf, fgd_mf, FGD_LANES_f, 0x7fffffff)
FGD_VECTOR(vd, double, fgd_vd, fgd_md, FGD_LANES_d, 0x7fffffffffffffffLL)

typedef unsigned int fgd_uf __attribute__((vector_size(FGD_VECTOR_BYTES)));
typedef unsigned long long fgd_ud __attribute__((vector_size(FGD_VECTOR_BYTES)));
#define FGD_VECTOR_CAST(S, V, U)                                                                          \
    static inline U to_bits_##S(V x) { return (U)x; }                                                      \
    static inline V from_bits_##S(U b) { return (V)b; }
FGD_VECTOR_CAST(vf, fgd_vf, fgd_uf)
FGD_VECTOR_CAST(vd, fgd_vd, fgd_ud)
FGD_BITS_f(vf, fgd_vf, fgd_uf)
FGD_BITS_d(vd, fgd_vd, fgd_ud)

#if FGD_VECTOR_BYTES != 64
static inline fgd_vf least_vf(fgd_vf a, fgd_vf b) { return smaller_vf(a, b); }
static inline fgd_vd least_vd(fgd_vd a, fgd_vd b) { return smaller_vd(a, b); }
static inline fgd_vf steeper_vf(fgd_vf a, fgd_vf b) { return larger_vf(abs_vf(a), abs_vf(b)); }
static inline fgd_vd steeper_vd(fgd_vd a, fgd_vd b) { return larger_vd(abs_vd(a), abs_vd(b)); }
#endif

#else /* no vector types: one run at a time */
typedef float fgd_vf;
typedef double fgd_vd;
typedef int fgd_mf;
typedef long long fgd_md;
#define FGD_LANES_f 1
#define FGD_LANES_d 1

/* A mask is all ones or all zeros, as the comparison of vectors gives it. */
#define FGD_SINGLE(S, C, T, M)                                                                            \
    static inline T splat_##S(T a) { return a; }                                                           \
    static inline T choose_##S(M m, T x, T y) { return m ? x : y; }                                        \
    static inline M gt_##S(T a, T b) { return -(M)(a > b); }                                               \
    static inline M lt_##S(T a, T b) { return -(M)(a < b); }                                               \
    static inline M ge_##S(T a, T b) { return -(M)(a >= b); }                                              \
    static inline M le_##S(T a, T b) { return -(M)(a <= b); }                                              \
    static inline T abs_##S(T a) { return abs_##C(a); }                                                    \
    static inline T pow2_##S(T k) { return pow2_##C(k); }                                                  \
    static inline T exponent_##S(T x) { return exponent_##C(x); }                                          \
    static inline T mantissa_##S(T x) { return mantissa_##C(x); }                                          \
    static inline T sqrt_##S(T a) { return sqrt_##C(a); }                                                  \
    static inline T sign_##S(T a) { return sign_##C(a); }                                                  \
    static inline T larger_##S(T a, T b) { return larger_##C(a, b); }                                      \
    static inline T smaller_##S(T a, T b) { return smaller_##C(a, b); }                                    \
    static inline T least_##S(T a, T b) { return smaller_##C(a, b); }                                      \
    static inline T steeper_##S(T a, T b) { return larger_##C(abs_##C(a), abs_##C(b)); }                   \
    static inline T maximum_##S(T a, T b) { return maximum_##C(a, b); }                                    \
    static inline T minimum_##S(T a, T b) { return minimum_##C(a, b); }                                    \
    static inline T where_gt_##S(T a, T b, T x, T y) { return a > b ? x : y; }                             \
    static inline T where_lt_##S(T a, T b, T x, T y) { return a < b ? x : y; }                             \
    static inline T where_ge_##S(T a, T b, T x, T y) { return a >= b ? x : y; }                            \
    static inline T where_le_##S(T a, T b, T x, T y) { return a <= b ? x : y; }
FGD_SINGLE(vf, f, float, fgd_mf)
FGD_SINGLE(vd, d, double, fgd_md)
#endif

#endif
