/* A batch of all networks side by side, for one precision: lane_kernels.h includes this once for float and once for double. */

#define FGD_EACH_LANE(l) FGD_KEPT for (int l = 0; l < FGD_LANES; l++)

#include "lane_forward.h"
#include "lane_backward.h"

/* --- what is called from outside: see lane_kernels.h ------------------------------------------------------------------------- */

/* Forward, losses, and back, but for the gradients of the last part of the rows. */
static void FGD_(lanes_pass)(fgd_lane_network *net) {
    double totals[FGD_LANES], losses[FGD_LANES] = {0};
    FGD_(lane_totals)(net, totals);
    FGD_EACH_LANE(l) net->right[l] = net->residual[l] = 0;
    for (ptrdiff_t first = net->start; first < net->stop; first += net->part) {
        ptrdiff_t rows = net->stop - first < net->part ? net->stop - first : net->part;
        net->rows = rows;
        net->add = first > net->start;
        net->inputs = FGD_(lane_inputs)(net, first, rows);
        FGD_(lane_targets)(net, first, rows);
        FGD_(lane_shares)(net, first, rows, totals);
        for (int layer = 0; layer < net->layers; layer++)
            FGD_(lane_forward)(net, layer, FGD_(lane_layer_inputs)(net, layer), net->alike && !layer,
                               first - net->start, rows);
        if (net->loss) FGD_(lane_separate)(net, rows);
        else FGD_(lane_softmax)(net, rows);
        for (ptrdiff_t r = 0; r < rows; r++)
            FGD_EACH_LANE(l) losses[l] += net->share[r * FGD_LANES + l] * net->row_losses[r * FGD_LANES + l];
        if (!net->training) FGD_(lane_judge)(net, rows);
        for (int layer = net->layers - 1; layer > 0 && net->training; layer--) FGD_(lane_back)(net, layer, rows);
        for (int layer = 0; layer < net->layers && net->training && first + rows < net->stop; layer++)
            FGD_(lane_layer)(net, layer, 0, net->sizes[layer]);
    }
    memcpy(net->losses, losses, sizeof losses);
}

/* The rest of the gradients and the update, strip by strip, while a strip's numbers are in the cache. */
static void FGD_(lanes_train)(fgd_lane_network *net) {
    double share[FGD_LANES];
    if (net->penalized) FGD_(lane_penalty_share)(net, share);
    FGD_EACH_LANE(l) net->penalties[l] = 0;
    for (int layer = 0; layer < net->layers; layer++) {
        ptrdiff_t many = net->sizes[layer], n = net->sizes[layer + 1], each = net->penalized ? FGD_NR : FGD_LANE_STRIP;
        for (ptrdiff_t k = 0; k < many; k += each) {
            ptrdiff_t end = k + each < many ? k + each : many, lo = k * n, hi = end * n;
            FGD_(lane_layer)(net, layer, k, end);
            if (net->penalized)
                FGD_(lane_penalize)(net, (FGD_V *)net->gradients[2 * layer] + lo,
                                    (const FGD_V *)net->parameters[2 * layer] + lo, hi - lo, share, net->penalties);
            FGD_(lane_update)(net, 2 * layer, lo, hi);
        }
        FGD_(lane_update)(net, 2 * layer + 1, 0, fgd_lane_length(net, 2 * layer + 1));
    }
}

/* The rest of the gradients, with penalties, and the sum of their squares. */
static void FGD_(lanes_gradients)(fgd_lane_network *net) {
    double share[FGD_LANES];
    if (net->penalized) FGD_(lane_penalty_share)(net, share);
    FGD_EACH_LANE(l) net->penalties[l] = net->squares[l] = 0;
    for (int layer = 0; layer < net->layers; layer++) FGD_(lane_layer)(net, layer, 0, net->sizes[layer]);
    for (int k = 0; k < 2 * net->layers; k++) {
        ptrdiff_t n = fgd_lane_length(net, k);
        for (ptrdiff_t lo = 0; lo < n && net->updates[k].loop; lo += FGD_BLOCK) {
            ptrdiff_t many = n - lo < FGD_BLOCK ? n - lo : FGD_BLOCK;
            FGD_V *g = (FGD_V *)net->gradients[k] + lo;
            if (k % 2 == 0 && net->penalized)
                FGD_(lane_penalize)(net, g, (const FGD_V *)net->parameters[k] + lo, many, share, net->penalties);
            FGD_(lane_squares)(g, many, net->squares);
        }
    }
}

static void FGD_(lanes_update)(fgd_lane_network *net) {
    for (int k = 0; k < 2 * net->layers; k++)
        FGD_(lane_update)(net, k, 0, fgd_lane_length(net, k));
}

/* Which lanes have a parameter that is not finite, as bits. */
static uint64_t FGD_(lanes_broken)(const fgd_lane_network *net) {
    FGD_V sum = {0};
    FGD_T numbers[FGD_LANES];
    uint64_t broken = 0;
    for (int k = 0; k < 2 * net->layers; k++) {
        ptrdiff_t n = fgd_lane_length(net, k);
        const FGD_V *p = (const FGD_V *)net->parameters[k];
        for (ptrdiff_t i = 0; i < n; i++) sum += p[i] - p[i];
    }
    memcpy(numbers, &sum, sizeof numbers);
    FGD_EACH_LANE(l) broken |= (uint64_t)(numbers[l] != 0) << l;
    return broken;
}
