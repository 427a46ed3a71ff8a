/* Passes of linear models over rows of data: dot products, losses, sums of slope times row, and the update, with the rows
   where they are. `fgd_network` with one layer describes the work, as in network_kernels.h.

   A sum over the inputs of a row is one of 32 chains of additions (64 in float): input k goes to chain k modulo 32. The
   chains are then added in pairs, neighbours first, until one is left. So the bits do not depend on how long a vector
   is, and no multiply-add is fused: `fastgd.engines.reference.linear` has the same bits. */
#ifndef FASTGD_LINEAR_KERNELS_H
#define FASTGD_LINEAR_KERNELS_H

#include <math.h>
#include <string.h>

#include "floating.h"
#include "gather.h"
#include "network.h"
#include "precisions.h"

#define FGD_CHAIN_CHUNKS 4   /* of 64 bytes each: the chains of a row's sum */
#define FGD_LOSS_CHAINS 8    /* of a block's losses, which are summed in double */
#define FGD_TILE_ROWS 64     /* rows that are read twice while they are in the first-level cache; a multiple of 16 */
#define FGD_TILE_BYTES 32768 /* fewer rows if they are long */
#define FGD_BLOCK_NUMBERS 65536 /* of the rows of a block, whose sums are taken apart from those of others */
#define FGD_BLOCK_ROWS 2048     /* the most of them */

#if defined(__GNUC__)
#define FGD_INLINE static inline __attribute__((always_inline))
#else
#define FGD_INLINE static inline
#endif

/* Neighbours among the lanes of two vectors, added; the sums of the first vector come first. */
#if defined(FGD_VECTOR_BYTES) && ((defined(__GNUC__) && __GNUC__ >= 12) || defined(__clang__))
#if FGD_VECTOR_BYTES == 64
#define FGD_EVEN_f 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define FGD_ODD_f 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define FGD_EVEN_d 0, 2, 4, 6, 8, 10, 12, 14
#define FGD_ODD_d 1, 3, 5, 7, 9, 11, 13, 15
#elif FGD_VECTOR_BYTES == 32
#define FGD_EVEN_f 0, 2, 4, 6, 8, 10, 12, 14
#define FGD_ODD_f 1, 3, 5, 7, 9, 11, 13, 15
#define FGD_EVEN_d 0, 2, 4, 6
#define FGD_ODD_d 1, 3, 5, 7
#else
#define FGD_EVEN_f 0, 2, 4, 6
#define FGD_ODD_f 1, 3, 5, 7
#define FGD_EVEN_d 0, 2
#define FGD_ODD_d 1, 3
#endif
#define FGD_PAIRS(S, T, V, LANES)                                                                         \
    FGD_INLINE V fgd_pairs_##S(V a, V b) {                                                                 \
        return __builtin_shufflevector(a, b, FGD_EVEN_##S) + __builtin_shufflevector(a, b, FGD_ODD_##S);   \
    }
#else
#define FGD_PAIRS(S, T, V, LANES)                                                                         \
    FGD_INLINE V fgd_pairs_##S(V a, V b) {                                                                 \
        T both[2 * LANES], sums[LANES];                                                                    \
        memcpy(both, &a, sizeof a);                                                                        \
        memcpy(both + LANES, &b, sizeof b);                                                                \
        for (int k = 0; k < LANES; k++) sums[k] = both[2 * k] + both[2 * k + 1];                           \
        memcpy(&a, sums, sizeof a);                                                                        \
        return a;                                                                                          \
    }
#endif
FGD_PAIRS(f, float, fgd_vf, FGD_LANES_f)
FGD_PAIRS(d, double, fgd_vd, FGD_LANES_d)

/* The sum of a few numbers, neighbours first. */
static double fgd_paired(const double *chains) {
    double sums[FGD_LOSS_CHAINS];
    memcpy(sums, chains, sizeof sums);
    for (int n = FGD_LOSS_CHAINS / 2; n; n /= 2)
        for (int k = 0; k < n; k++) sums[k] = sums[2 * k] + sums[2 * k + 1];
    return sums[0];
}

#define FGD_KIND_f FGD_SINGLE_ROWS
#define FGD_KIND_d FGD_DOUBLE_ROWS
#define FGD_KIND FGD_CAT(FGD_KIND_, FGD_S)
#define FGD_CHUNK ((int)(64 / sizeof(FGD_T)))  /* numbers of a chunk */
#define FGD_PER (FGD_CHUNK / (int)FGD_LANES)   /* its vectors */

#define FGD_S f
#include "batch.h"
#include "linear_rows.h"
#include "linear_passes.h"
#undef FGD_S
#define FGD_S d
#include "batch.h"
#include "linear_rows.h"
#include "linear_passes.h"
#undef FGD_S

#endif
