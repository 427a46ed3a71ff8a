/* A network's passes over batches of rows, and whole stretches of training updates without Python in between.

   `fgd_network` describes the work; each thread of the team executes `fgd_run_f` or `fgd_run_d`. Threads meet at a
   barrier between phases; within a phase each takes its share of panels or rows. */
#ifndef FASTGD_NETWORK_KERNELS_H
#define FASTGD_NETWORK_KERNELS_H

#include <math.h>
#include <string.h>

#include "dropout.h"
#include "floating.h"
#include "gather.h"
#include "network.h"
#include "precisions.h"

/* --- which inputs are not zero in all rows ------------------------------------------------------------------------- */

static void fgd_see(const char *row, int kind, ptrdiff_t n, uint32_t *seen) {
    if (kind == FGD_BYTES)
        for (ptrdiff_t j = 0; j < n; j++) seen[j] |= (uint8_t)row[j];
    else if (kind == FGD_SINGLE_ROWS)
        for (ptrdiff_t j = 0; j < n; j++) {
            uint32_t bits;
            memcpy(&bits, row + 4 * j, 4);
            seen[j] |= bits << 1;
        }
    else
        for (ptrdiff_t j = 0; j < n; j++) {
            uint64_t bits;
            memcpy(&bits, row + 8 * j, 8);
            seen[j] |= (uint32_t)(bits << 1 >> 32) | (uint32_t)bits;
        }
}

/* --- both precisions ----------------------------------------------------------------------------------------------- */

/* A small square of numbers, rows `n` apart, to columns a panel apart. */
#if defined(FGD_VECTOR_BYTES) && ((defined(__GNUC__) && __GNUC__ >= 12) || defined(__clang__))
typedef float fgd_four __attribute__((vector_size(16)));
typedef double fgd_two __attribute__((vector_size(16)));
static inline void fgd_transpose_f(const float *from, ptrdiff_t n, float *to) {
    fgd_four row[4], high, low, last, next;
    for (int k = 0; k < 4; k++) memcpy(&row[k], from + k * n, 16);
    low = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5);
    high = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
    next = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5);
    last = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
    row[0] = __builtin_shufflevector(low, next, 0, 1, 4, 5);
    row[1] = __builtin_shufflevector(low, next, 2, 3, 6, 7);
    row[2] = __builtin_shufflevector(high, last, 0, 1, 4, 5);
    row[3] = __builtin_shufflevector(high, last, 2, 3, 6, 7);
    for (int k = 0; k < 4; k++) memcpy(to + k * 2 * FGD_LANES_f, &row[k], 16);
}
static inline void fgd_transpose_d(const double *from, ptrdiff_t n, double *to) {
    fgd_two first, second, row[2];
    memcpy(&first, from, 16);
    memcpy(&second, from + n, 16);
    row[0] = __builtin_shufflevector(first, second, 0, 2);
    row[1] = __builtin_shufflevector(first, second, 1, 3);
    for (int k = 0; k < 2; k++) memcpy(to + k * 2 * FGD_LANES_d, &row[k], 16);
}
#define FGD_SQUARE_f 4
#define FGD_SQUARE_d 2
#else
static inline void fgd_transpose_f(const float *from, ptrdiff_t n, float *to) { (void)n; *to = *from; }
static inline void fgd_transpose_d(const double *from, ptrdiff_t n, double *to) { (void)n; *to = *from; }
#define FGD_SQUARE_f 1
#define FGD_SQUARE_d 1
#endif
#define FGD_SQUARE FGD_CAT(FGD_SQUARE_, FGD_S)

#define FGD_S f
#include "batch.h"
#include "products.h"
#include "passes.h"
#undef FGD_S
#define FGD_S d
#include "batch.h"
#include "products.h"
#include "passes.h"
#undef FGD_S

#endif
