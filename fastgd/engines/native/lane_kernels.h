/* Small networks of one architecture side by side, each a lane of every vector: passes over a batch, and updates.

   `fgd_lane_network` describes an update. `fgd_lanes_pass_f` (or _d) makes the forward pass, computes the losses, and all of
   the backward pass but the gradients of the last part of the rows; these and the update are `fgd_lanes_train_f`, or, where
   the norm of the gradients is needed first, `fgd_lanes_gradients_f` and then `fgd_lanes_update_f`. A pass without training
   judges the outputs instead. */
#ifndef FASTGD_LANE_KERNELS_H
#define FASTGD_LANE_KERNELS_H

#include <math.h>
#include <string.h>

#include "dropout.h"
#include "lane_network.h"
#include "precisions.h"

#if defined(__GNUC__)
#define FGD_ALWAYS inline __attribute__((always_inline))
#else
#define FGD_ALWAYS inline
#endif

#if FGD_VECTOR_BYTES == 64 && defined(__AVX512F__)
#define FGD_DOWN 4 /* rows of a tile: 16 sums, of 32 registers */
#else
#define FGD_DOWN 3 /* 12 of 16 */
#endif
#define FGD_LANE_STRIP 12 /* inputs whose weights are updated together: whole panels, and whole tiles */

/* Units of the panel that begins at `first`. */
static inline ptrdiff_t fgd_wide(ptrdiff_t n, ptrdiff_t first) {
    return n - first < FGD_ACROSS ? n - first : FGD_ACROSS;
}

/* Where unit j of row r lies in panels of n units. */
static inline ptrdiff_t fgd_in_panels(ptrdiff_t n, ptrdiff_t rows, ptrdiff_t r, ptrdiff_t j) {
    ptrdiff_t first = j / FGD_ACROSS * FGD_ACROSS;
    return first * rows + r * fgd_wide(n, first) + j - first;
}

/* Where row k of an update lies in the data, for a lane. */
static inline ptrdiff_t fgd_lane_place(const fgd_lane_network *net, int lane, ptrdiff_t k) {
    return net->orders ? net->orders[net->alike ? 0 : lane][k] : k;
}

/* Numbers in parameter array k. */
static inline ptrdiff_t fgd_lane_length(const fgd_lane_network *net, int k) {
    if (!net->parameters[k]) return 0; /* no biases */
    return net->sizes[k / 2 + 1] * (k % 2 ? 1 : net->sizes[k / 2]);
}

#define FGD_LE FGD_CAT(le_v, FGD_S)
#define FGD_CHOOSE FGD_CAT(choose_v, FGD_S)
#define FGD_WHERE_GT FGD_CAT(where_gt_v, FGD_S)
#define FGD_WHERE_LT FGD_CAT(where_lt_v, FGD_S)

#define FGD_S f
#include "lane_products.h"
#include "lane_passes.h"
#undef FGD_S
#define FGD_S d
#include "lane_products.h"
#include "lane_passes.h"
#undef FGD_S

#endif
