/* Products of rows of data with the parameters of many runs, tiles of them in registers.

   Each sum goes from first to last, one number after the other, and no multiply-add is fused: so the bits are those of
   the reference. Where a processor adds in other units than it multiplies in, that costs nothing; elsewhere half. */
#ifndef FASTGD_ROWS_H
#define FASTGD_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vocabulary.h"

#define FGD_ROWS_TOGETHER 64 /* rows whose residuals stay in the first-level cache; divides the block of rows */

#if defined(__GNUC__)
#define FGD_UNROLLED _Pragma("GCC unroll 4")
#else
#define FGD_UNROLLED
#endif

/* Rows of numbers are `row` apart: the target follows the features.
   z[r][v] = sum over features j of a[r][j] * x[j][v], for R rows and N vectors of runs. */
#define FGD_FORWARD(S, T, V, R, N)                                                                        \
    static void fgd_forward_##S##_##R##_##N(const T *a, ptrdiff_t row, ptrdiff_t features, const V *x,       \
                                            ptrdiff_t stride, V *z) {                                      \
        V total[R][N];                                                                                     \
        FGD_UNROLLED for (int r = 0; r < R; r++)                                                           \
            FGD_UNROLLED for (int v = 0; v < N; v++) total[r][v] = a[r * row] * x[v];                      \
        for (ptrdiff_t j = 1; j < features; j++) {                                                         \
            const V *point = x + j * stride;                                                               \
            FGD_UNROLLED for (int r = 0; r < R; r++)                                                       \
                FGD_UNROLLED for (int v = 0; v < N; v++)                                                   \
                    total[r][v] = total[r][v] + a[r * row + j] * point[v];                                 \
        }                                                                                                  \
        FGD_UNROLLED for (int r = 0; r < R; r++)                                                           \
            FGD_UNROLLED for (int v = 0; v < N; v++) z[r * stride + v] = total[r][v];                      \
    }

/* g[j][v] += sum over rows k of z[k][v] * a[k][j], for R features and N vectors of runs. */
#define FGD_BACKWARD(S, T, V, R, N)                                                                       \
    static void fgd_backward_##S##_##R##_##N(const T *a, ptrdiff_t rows, ptrdiff_t row, const V *z,        \
                                             ptrdiff_t stride, V *g) {                                     \
        V total[R][N];                                                                                     \
        FGD_UNROLLED for (int r = 0; r < R; r++)                                                           \
            FGD_UNROLLED for (int v = 0; v < N; v++) total[r][v] = g[r * stride + v];                      \
        for (ptrdiff_t k = 0; k < rows; k++) {                                                             \
            const V *residual = z + k * stride;                                                            \
            FGD_UNROLLED for (int r = 0; r < R; r++)                                                       \
                FGD_UNROLLED for (int v = 0; v < N; v++)                                                   \
                    total[r][v] = total[r][v] + a[k * row + r] * residual[v];                              \
        }                                                                                                  \
        FGD_UNROLLED for (int r = 0; r < R; r++)                                                           \
            FGD_UNROLLED for (int v = 0; v < N; v++) g[r * stride + v] = total[r][v];                      \
    }

#define FGD_TILES(MAKE, S, T, V)                                                                          \
    MAKE(S, T, V, 4, 1) MAKE(S, T, V, 2, 1) MAKE(S, T, V, 1, 1)                        \
    MAKE(S, T, V, 4, 2) MAKE(S, T, V, 2, 2) MAKE(S, T, V, 1, 2)

/* All tiles of a product: `many` is cut by fours, then by halves. */
#define FGD_CUT(CALL, many)                                                                               \
    do {                                                                                                   \
        ptrdiff_t r_ = 0;                                                                                  \
        for (; r_ + 4 <= (many); r_ += 4) CALL(4, r_);                                                     \
        if (r_ + 2 <= (many)) { CALL(2, r_); r_ += 2; }                                                    \
        if (r_ < (many)) CALL(1, r_);                                                                      \
    } while (0)

#define FGD_PRODUCTS(S, T, V, H, LANES)                                                                   \
    FGD_TILES(FGD_FORWARD, S, T, H)                                                                        \
    FGD_TILES(FGD_BACKWARD, S, T, H)                                                                       \
    static void fgd_forward_##S(const T *a, ptrdiff_t rows, ptrdiff_t row, ptrdiff_t features,             \
                                const V *points, ptrdiff_t vectors, V *out) {                              \
        const ptrdiff_t stride = vectors * (ptrdiff_t)(sizeof(V) / sizeof(H));                             \
        const H *x = (const H *)points;                                                                    \
        H *z = (H *)out;                                                                                   \
        ptrdiff_t v = 0;                                                                                   \
        for (; v + 2 <= stride; v += 2) FGD_CUT(FGD_FORWARD_##S##_2, rows);                                \
        for (; v < stride; v++) FGD_CUT(FGD_FORWARD_##S##_1, rows);                                        \
    }                                                                                                      \
    static void fgd_backward_##S(const T *a, ptrdiff_t rows, ptrdiff_t row, ptrdiff_t features,            \
                                 const V *residuals, ptrdiff_t vectors, V *sums) {                         \
        const ptrdiff_t stride = vectors * (ptrdiff_t)(sizeof(V) / sizeof(H));                             \
        const H *z = (const H *)residuals;                                                                 \
        H *g = (H *)sums;                                                                                  \
        ptrdiff_t v = 0;                                                                                   \
        for (; v + 2 <= stride; v += 2) FGD_CUT(FGD_BACKWARD_##S##_2, features);                           \
        for (; v < stride; v++) FGD_CUT(FGD_BACKWARD_##S##_1, features);                                   \
    }                                                                                                      \
    /* Rows of `width` runs from and to `n` vectors each, of which the first `lanes` numbers count. */     \
    static void fgd_pack_##S(const T *x, ptrdiff_t width, ptrdiff_t lanes, ptrdiff_t count, ptrdiff_t n,   \
                             V *packed) {                                                                  \
        if (lanes < n * LANES) memset((void *)packed, 0, (size_t)(count * n) * sizeof(V));                 \
        for (ptrdiff_t i = 0; i < count; i++)                                                              \
            memcpy((void *)(packed + i * n), x + i * width, (size_t)lanes * sizeof(T));                    \
    }                                                                                                      \
    static void fgd_unpack_##S(const V *packed, ptrdiff_t n, T scale, T *g, ptrdiff_t width,               \
                               ptrdiff_t lanes, ptrdiff_t first, ptrdiff_t last) {                         \
        for (ptrdiff_t i = first; i < last; i++)                                                           \
            for (ptrdiff_t v = 0; v < n; v++) {                                                            \
                V scaled = scale * packed[i * n + v];                                                      \
                ptrdiff_t left = lanes - v * LANES;                                                        \
                if (left > 0)                                                                              \
                    memcpy(g + i * width + v * LANES, (void *)&scaled,                                     \
                           (size_t)(left < LANES ? left : LANES) * sizeof(T));                             \
            }                                                                                              \
    }

#define FGD_FORWARD_CALL(S, R, N, r) \
    fgd_forward_##S##_##R##_##N(a + (r) * row, row, features, x + v, stride, z + (r) * stride + v)
#define FGD_BACKWARD_CALL(S, R, N, r) \
    fgd_backward_##S##_##R##_##N(a + (r), rows, row, z + v, stride, g + (r) * stride + v)
#define FGD_FORWARD_f_2(R, r) FGD_FORWARD_CALL(f, R, 2, r)
#define FGD_FORWARD_f_1(R, r) FGD_FORWARD_CALL(f, R, 1, r)
#define FGD_FORWARD_d_2(R, r) FGD_FORWARD_CALL(d, R, 2, r)
#define FGD_FORWARD_d_1(R, r) FGD_FORWARD_CALL(d, R, 1, r)
#define FGD_BACKWARD_f_2(R, r) FGD_BACKWARD_CALL(f, R, 2, r)
#define FGD_BACKWARD_f_1(R, r) FGD_BACKWARD_CALL(f, R, 1, r)
#define FGD_BACKWARD_d_2(R, r) FGD_BACKWARD_CALL(d, R, 2, r)
#define FGD_BACKWARD_d_1(R, r) FGD_BACKWARD_CALL(d, R, 1, r)

/* Vectors of 32 bytes also where there are wider ones: without fusing, those took 1.3 times as long on a Zen 4. */
#if defined(FGD_VECTOR_BYTES) && FGD_VECTOR_BYTES == 64
typedef float fgd_hf __attribute__((vector_size(32), may_alias));
typedef double fgd_hd __attribute__((vector_size(32), may_alias));
FGD_PRODUCTS(f, float, fgd_vf, fgd_hf, FGD_LANES_f)
FGD_PRODUCTS(d, double, fgd_vd, fgd_hd, FGD_LANES_d)
#else
FGD_PRODUCTS(f, float, fgd_vf, fgd_vf, FGD_LANES_f)
FGD_PRODUCTS(d, double, fgd_vd, fgd_vd, FGD_LANES_d)
#endif

/* Memory that begins on a cache line, or NULL; `raw` is to be passed to fgd_release. */
static void *fgd_scratch(size_t bytes, void **raw) {
    *raw = malloc(bytes + 64);
    return *raw ? (void *)(((uintptr_t)*raw + 63) & ~(uintptr_t)63) : NULL;
}
static void fgd_release(void *raw) { free(raw); }

#endif
