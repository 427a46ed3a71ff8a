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
#define FGD_UNROLLED _Pragma("GCC unroll 8")
#define FGD_INLINED static inline __attribute__((always_inline))
#else
#define FGD_UNROLLED
#define FGD_INLINED static inline
#endif

/* A tile is R rows high and N vectors wide, both known when it is compiled: its sums stay in registers, of which wide
   vectors have twice as many. Enough sums are under way that none waits for the one before. */
#if defined(FGD_VECTOR_BYTES) && FGD_VECTOR_BYTES == 64
#define FGD_WIDEST 4
#define FGD_HEIGHT(N) ((N) == 4 ? 6 : 8)
#else
#define FGD_WIDEST 2
#define FGD_HEIGHT(N) ((N) == 2 ? 4 : 8)
#endif
/* So few runs that a matrix is rather read by its rows. */
#if defined(FGD_VECTOR_BYTES)
#define FGD_FEW_f (FGD_VECTOR_BYTES >= 32 ? 4 : 2)
#else
#define FGD_FEW_f 1
#endif
#define FGD_FEW_d ((FGD_FEW_f + 1) / 2)
#define FGD_CHUNK 512 /* vectors of a point that a panel goes through at once: half a first-level cache */

/* All tiles of a panel: as high as they come, and what is left in smaller ones. */
#define FGD_CUT(TILE, many, N)                                                                            \
    do {                                                                                                   \
        ptrdiff_t r_ = 0;                                                                                  \
        for (; r_ + FGD_HEIGHT(N) <= (many); r_ += FGD_HEIGHT(N)) TILE(FGD_HEIGHT(N), N, r_);              \
        if (r_ + 4 <= (many)) { TILE(4, N, r_); r_ += 4; }                                                 \
        if (r_ + 2 <= (many)) { TILE(2, N, r_); r_ += 2; }                                                 \
        if (r_ < (many)) TILE(1, N, r_);                                                                   \
    } while (0)
/* All panels of a product: `many` vectors of runs. */
#define FGD_PANELS(PANEL, many)                                                                           \
    do {                                                                                                   \
        ptrdiff_t v_ = 0;                                                                                  \
        for (; FGD_WIDEST == 4 && v_ + 4 <= (many); v_ += 4) PANEL(4);                                 \
        for (; v_ + 2 <= (many); v_ += 2) PANEL(2);                                                    \
        if (v_ < (many)) PANEL(1);                                                                     \
    } while (0)

/* V is a vector of the products, W one of the residuals, which may be wider. Rows of numbers are `row` apart: the target
   follows the features. */
#define FGD_PRODUCTS(S, T, W, V, LANES)                                                                   \
    /* z[r][v] = sum over features j of a[r][j] * x[j][v]: features first..last-1 of it, which go on from what is      \
       there unless they are the first. */                                                                 \
    FGD_INLINED void fgd_forward_tile_##S(const int R, const int N, const T *a, ptrdiff_t row,             \
                                          ptrdiff_t first, ptrdiff_t last, const V *x, ptrdiff_t stride,   \
                                          V *z) {                                                          \
        V total[8][4];                                                                                     \
        FGD_UNROLLED for (int r = 0; r < R; r++)                                                           \
            FGD_UNROLLED for (int v = 0; v < N; v++)                                                       \
                if (first) total[r][v] = z[r * stride + v];                                                \
                else total[r][v] = a[r * row] * x[v];                                                      \
        for (ptrdiff_t j = first ? first : 1; j < last; j++)                                               \
            FGD_UNROLLED for (int r = 0; r < R; r++)                                                       \
                FGD_UNROLLED for (int v = 0; v < N; v++)                                                   \
                    total[r][v] = total[r][v] + a[r * row + j] * x[j * stride + v];                        \
        FGD_UNROLLED for (int r = 0; r < R; r++)                                                           \
            FGD_UNROLLED for (int v = 0; v < N; v++) z[r * stride + v] = total[r][v];                      \
    }                                                                                                      \
    /* g[j][v] += sum over rows k of z[k][v] * a[k][j], for R features. */                                 \
    FGD_INLINED void fgd_backward_tile_##S(const int R, const int N, const T *a, ptrdiff_t rows,           \
                                           ptrdiff_t row, const V *z, ptrdiff_t stride, V *g) {            \
        V total[8][4];                                                                                     \
        FGD_UNROLLED for (int r = 0; r < R; r++)                                                           \
            FGD_UNROLLED for (int v = 0; v < N; v++) total[r][v] = g[r * stride + v];                      \
        for (ptrdiff_t k = 0; k < rows; k++)                                                               \
            FGD_UNROLLED for (int r = 0; r < R; r++)                                                       \
                FGD_UNROLLED for (int v = 0; v < N; v++)                                                   \
                    total[r][v] = total[r][v] + a[k * row + r] * z[k * stride + v];                        \
        FGD_UNROLLED for (int r = 0; r < R; r++)                                                           \
            FGD_UNROLLED for (int v = 0; v < N; v++) g[r * stride + v] = total[r][v];                      \
    }                                                                                                      \
    /* Of the `vectors` that each row of `points` and `out` has room for, those with the first `lanes` runs. */        \
    static void fgd_forward_##S(const T *a, ptrdiff_t rows, ptrdiff_t row, ptrdiff_t features,             \
                                const W *points, ptrdiff_t vectors, ptrdiff_t lanes, W *out) {             \
        const ptrdiff_t stride = vectors * (ptrdiff_t)(sizeof(W) / sizeof(V));                             \
        const ptrdiff_t each = (ptrdiff_t)(sizeof(V) / sizeof(T)), many = (lanes + each - 1) / each;       \
        const V *x = (const V *)points;                                                                    \
        V *z = (V *)out;                                                                                   \
        FGD_PANELS(FGD_FORWARD_PANEL_##S, many);                                                           \
    }                                                                                                      \
    static void fgd_backward_##S(const T *a, ptrdiff_t rows, ptrdiff_t row, ptrdiff_t features,            \
                                 const W *residuals, ptrdiff_t vectors, ptrdiff_t lanes, W *sums) {        \
        const ptrdiff_t stride = vectors * (ptrdiff_t)(sizeof(W) / sizeof(V));                             \
        const ptrdiff_t each = (ptrdiff_t)(sizeof(V) / sizeof(T)), many = (lanes + each - 1) / each;       \
        const V *z = (const V *)residuals;                                                                 \
        V *g = (V *)sums;                                                                                  \
        FGD_PANELS(FGD_BACKWARD_PANEL_##S, many);                                                          \
    }                                                                                                      \
    /* Rows of `width` runs from and to `n` vectors each, of which the first `lanes` numbers count. */     \
    static void fgd_pack_##S(const T *x, ptrdiff_t width, ptrdiff_t lanes, ptrdiff_t count, ptrdiff_t n,   \
                             W *packed) {                                                                  \
        for (ptrdiff_t i = 0; i < count; i++)                                                              \
            for (ptrdiff_t v = 0; v < n; v++) {                                                            \
                const T *from = x + i * width + v * LANES;                                                 \
                ptrdiff_t left = lanes - v * LANES;                                                        \
                W numbers = (W){0};                                                                        \
                if (left >= LANES) memcpy((void *)&numbers, from, sizeof(W));                              \
                else if (left > 0) memcpy((void *)&numbers, from, (size_t)left * sizeof(T));               \
                packed[i * n + v] = numbers;                                                               \
            }                                                                                              \
    }                                                                                                      \
    static void fgd_unpack_##S(const W *packed, ptrdiff_t n, T scale, T *g, ptrdiff_t width,               \
                               ptrdiff_t lanes, ptrdiff_t first, ptrdiff_t last) {                         \
        for (ptrdiff_t i = first; i < last; i++)                                                           \
            for (ptrdiff_t v = 0; v < n; v++) {                                                            \
                W scaled = scale * packed[i * n + v];                                                      \
                T *to = g + i * width + v * LANES;                                                         \
                ptrdiff_t left = lanes - v * LANES;                                                        \
                if (left >= LANES) memcpy(to, (void *)&scaled, sizeof(W));                                 \
                else if (left > 0) memcpy(to, (void *)&scaled, (size_t)left * sizeof(T));                  \
            }                                                                                              \
    }                                                                                                      \
    /* For runs that fill less than half a vector: g[r][i] = sum over j of h[j][i] * x[j][r], where h is symmetric, so \
       that its rows are the vectors. Each is read once, for all runs. */                                  \
    FGD_INLINED void fgd_add_rows_##S(const int J, const T *h, ptrdiff_t n, const T *x, ptrdiff_t width,   \
                                      ptrdiff_t runs, int begin, T *g) {                                   \
        const ptrdiff_t lanes = (ptrdiff_t)(sizeof(V) / sizeof(T));                                        \
        for (ptrdiff_t i = 0; i < n; i += lanes) {                                                         \
            ptrdiff_t many = n - i < lanes ? n - i : lanes;                                                \
            V row[4] = {(V){0}};                                                                           \
            FGD_UNROLLED for (int j = 0; j < J; j++) {                                                     \
                if (many == lanes) memcpy((void *)&row[j], h + j * n + i, sizeof(V));                      \
                else memcpy((void *)&row[j], h + j * n + i, (size_t)many * sizeof(T));                     \
            }                                                                                              \
            for (ptrdiff_t r = 0; r < runs; r++) {                                                         \
                V total;                                                                                   \
                if (begin) total = row[0] * x[r];                                                          \
                else {                                                                                     \
                    memcpy((void *)&total, g + r * (n + LANES) + i, sizeof(V));                            \
                    total = total + row[0] * x[r];                                                         \
                }                                                                                          \
                FGD_UNROLLED for (int j = 1; j < J; j++) total = total + row[j] * x[j * width + r];        \
                memcpy(g + r * (n + LANES) + i, (void *)&total, sizeof(V));                                \
            }                                                                                              \
        }                                                                                                  \
    }                                                                                                      \
    static void fgd_symmetric_##S(const T *h, ptrdiff_t n, const T *x, ptrdiff_t width, ptrdiff_t runs,    \
                                  T *g) {                                                                  \
        ptrdiff_t j = 0;                                                                                   \
        for (; j + 4 <= n; j += 4) fgd_add_rows_##S(4, h + j * n, n, x + j * width, width, runs, !j, g);   \
        for (; j < n; j++) fgd_add_rows_##S(1, h + j * n, n, x + j * width, width, runs, !j, g);           \
    }

#define FGD_FORWARD_PANEL(S, N)                                                                           \
    for (ptrdiff_t first = 0, last; first < features; first = last) {                                      \
        last = first + FGD_CHUNK / N < features ? first + FGD_CHUNK / N : features;                        \
        FGD_CUT(FGD_FORWARD_TILE_##S, rows, N);                                                            \
    }
#define FGD_FORWARD_TILE(S, R, N, r) \
    fgd_forward_tile_##S(R, N, a + (r) * row, row, first, last, x + v_, stride, z + (r) * stride + v_)
#define FGD_BACKWARD_TILE(S, R, N, r) \
    fgd_backward_tile_##S(R, N, a + (r), rows, row, z + v_, stride, g + (r) * stride + v_)
#define FGD_FORWARD_PANEL_f(N) FGD_FORWARD_PANEL(f, N)
#define FGD_FORWARD_PANEL_d(N) FGD_FORWARD_PANEL(d, N)
#define FGD_FORWARD_TILE_f(R, N, r) FGD_FORWARD_TILE(f, R, N, r)
#define FGD_FORWARD_TILE_d(R, N, r) FGD_FORWARD_TILE(d, R, N, r)
#define FGD_BACKWARD_PANEL_f(N) FGD_CUT(FGD_BACKWARD_TILE_f, features, N)
#define FGD_BACKWARD_PANEL_d(N) FGD_CUT(FGD_BACKWARD_TILE_d, features, N)
#define FGD_BACKWARD_TILE_f(R, N, r) FGD_BACKWARD_TILE(f, R, N, r)
#define FGD_BACKWARD_TILE_d(R, N, r) FGD_BACKWARD_TILE(d, R, N, r)

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
