/* A batch of one row: rows of weights whose input is zero are skipped, forward and back, and plain descent takes place
   while the dot product for the way back passes over a row.

   The rows of each matrix are cut into two halves, which two threads share, or one goes through in turn: each half of
   the weights stays in its thread's own cache. (Halves of the columns would not: what a processor fetches ahead at the
   end of half a row belongs to the other thread.) A layer's sum is that of its halves, whoever computes them. */

typedef struct {
    ptrdiff_t lo, hi;
} FGD_(half_t);

/* Half of n units; the cut lies between vectors. */
static FGD_(half_t) FGD_(half)(ptrdiff_t n, int half) {
    ptrdiff_t cut = (n / 2 + FGD_LANES - 1) / FGD_LANES * FGD_LANES;
    cut = cut < n ? cut : n;
    FGD_(half_t) part = {half ? cut : 0, half ? n : cut};
    return part;
}
#define FGD_EACH_HALF(h, rank, members) for (int h = rank; h < 2; h += members)

/* z += the rows of w whose number in x is not zero, each times it, between rows lo and hi. They are listed first,
   without branches: which are zero could not be predicted. */
static void FGD_(add_rows)(const FGD_T *w, ptrdiff_t n, FGD_(half_t) part, const FGD_T *x, ptrdiff_t *list, FGD_T *z) {
    ptrdiff_t count = 0, i = 0;
    for (ptrdiff_t k = part.lo; k < part.hi; k++) {
        list[count] = k;
        count += x[k] != 0;
    }
    for (; i + 4 <= count; i += 4) {
        const ptrdiff_t *k = list + i;
        FGD_T four[] = {x[k[0]], x[k[1]], x[k[2]], x[k[3]]};
        FGD_(add_four)(z, n, four, w + k[0] * n, w + k[1] * n, w + k[2] * n, w + k[3] * n);
    }
    for (; i < count; i++) FGD_(add_one)(z, n, x[list[i]], w + list[i] * n);
}

/* What half of the inputs adds to a layer's sums; the bias counts with the first half. */
static void FGD_(single_sums)(const fgd_network *net, int layer, int half, ptrdiff_t *list) {
    ptrdiff_t n = net->sizes[layer + 1];
    FGD_T *z = (FGD_T *)net->halves[half];
    const void *bias = net->parameters[2 * layer + 1];
    if (half || !bias) memset(z, 0, (size_t)n * sizeof(FGD_T));
    else memcpy(z, bias, (size_t)n * sizeof(FGD_T));
    FGD_(add_rows)((const FGD_T *)net->parameters[2 * layer], n, FGD_(half)(net->sizes[layer], half),
                   (const FGD_T *)net->values[layer], list, z);
}

/* Half of the outputs of a layer. */
static void FGD_(single_values)(const fgd_network *net, int layer, int half, ptrdiff_t place, FGD_T *z) {
    ptrdiff_t n = net->sizes[layer + 1];
    FGD_(half_t) part = FGD_(half)(n, half);
    int last = layer == net->layers - 1;
    FGD_T *value = (FGD_T *)net->values[layer + 1], *slope = (FGD_T *)net->slopes[layer + 1];
    ptrdiff_t end = part.hi <= part.lo ? part.lo : part.lo + (part.hi - part.lo + FGD_LANES - 1) / FGD_LANES * FGD_LANES;
    z = last ? value : z;
    for (ptrdiff_t j = part.lo; j < part.hi; j++) z[j] = ((FGD_T *)net->halves[0])[j] + ((FGD_T *)net->halves[1])[j];
    for (ptrdiff_t j = part.hi; j < end; j++) z[j] = 0;
    if (last) return;
    void *arrays[] = {z, value, slope};
    net->activation(arrays, net->activation_constants, part.lo, end);
    if (net->dropout != 0 && net->mode == FGD_TRAIN)
        FGD_(drop)(net, fgd_drop_base(net->seed, net->t + (uint64_t)place + 1, layer), n, 0, part.lo, part.hi - part.lo, value + part.lo,
                   slope + part.lo);
}

/* One row of weights: its gradient a d with the penalty, stored or used for the update; returns the penalty. */
static double FGD_(single_row)(const fgd_network *net, int layer, ptrdiff_t k, FGD_T a, const FGD_T *d, int separate,
                               double share, FGD_T *row) {
    ptrdiff_t n = net->sizes[layer + 1];
    FGD_T *g = separate ? (FGD_T *)net->gradients[2 * layer] + k * n : row;
    const FGD_T *w = (const FGD_T *)net->parameters[2 * layer] + k * n;
    double penalty = 0;
    for (ptrdiff_t j = 0; j < n; j++) g[j] = a * d[j];
    if (separate) return 0;
    if (FGD_(penalized)(net)) {
        FGD_(penalize)(net, g, w, n, share);
        penalty = FGD_(penalty)(net, w, n, share);
    }
    FGD_(update)(&net->updates[2 * layer], k * n, (k + 1) * n, g);
    return penalty;
}

/* Plain descent on the weights of units that are not zero, and the backward pass through them. */
static void FGD_(descend_half)(const fgd_network *net, int layer, FGD_(half_t) part, ptrdiff_t *list) {
    ptrdiff_t n = net->sizes[layer + 1], count = 0;
    const FGD_T *x = (const FGD_T *)net->values[layer], *d = (const FGD_T *)net->deltas[layer + 1];
    const FGD_T *slope = (const FGD_T *)net->slopes[layer];
    FGD_T *w = (FGD_T *)net->parameters[2 * layer], *before = (FGD_T *)net->deltas[layer];
    FGD_T rate = ((const FGD_T *)net->updates[2 * layer].coefficients)[0];
    for (ptrdiff_t k = part.lo; k < part.hi; k++) {
        list[count] = k;
        count += (x[k] != 0) | (layer && slope[k] != 0);
    }
    for (ptrdiff_t i = 0; i < count; i++) {
        ptrdiff_t k = list[i];
        if (!layer) FGD_(descend)(w + k * n, d, n, x[k], rate);
        else if (x[k] != 0) before[k] = FGD_(dot_and_descend)(w + k * n, d, n, x[k], rate) * slope[k];
        else before[k] = FGD_(dot)(w + k * n, d, n) * slope[k];
    }
}

/* The backward pass through half of a layer: the delta before it, gradients or updates; returns the penalties. */
static double FGD_(single_backward)(const fgd_network *net, int layer, int half, int separate, double share,
                                    ptrdiff_t *list, FGD_T *row) {
    ptrdiff_t n = net->sizes[layer + 1];
    const FGD_T *d = (const FGD_T *)net->deltas[layer + 1], *x = (const FGD_T *)net->values[layer];
    const FGD_T *slope = (const FGD_T *)net->slopes[layer], *w = (const FGD_T *)net->parameters[2 * layer];
    FGD_T *before = (FGD_T *)net->deltas[layer];
    FGD_(half_t) part = FGD_(half)(net->sizes[layer], half);
    double penalty = 0;
    for (ptrdiff_t k = part.lo; layer && k < part.hi; k++) before[k] = 0;
    if (!separate && net->updates[2 * layer].plain && !FGD_(penalized)(net))
        FGD_(descend_half)(net, layer, part, list);
    else
        for (ptrdiff_t k = part.lo; k < part.hi; k++) {
            if (layer && slope[k] != 0) before[k] = FGD_(dot)(w + k * n, d, n) * slope[k];
            if (!separate || x[k] != 0) penalty += FGD_(single_row)(net, layer, k, x[k], d, separate, share, row);
        }
    if (!net->parameters[2 * layer + 1]) return penalty;
    if (half == 0 && separate) memcpy(net->gradients[2 * layer + 1], d, (size_t)n * sizeof(FGD_T));
    else if (half == 0) FGD_(update)(&net->updates[2 * layer + 1], 0, n, d);
    return penalty;
}

static void FGD_(fetch_row)(fgd_network *net, ptrdiff_t start) {
    FGD_(gather_row)(net, start, NULL, net->sizes[0], FGD_NR, (FGD_T *)net->values[0]);
    if (start + 1 < net->n) /* prefetch the next row */
        for (ptrdiff_t k = 0; k < net->row; k += 64) FGD_PREFETCH(fgd_row(net, start + 1) + k);
    if (net->loss) FGD_(gather_target)(net, start, 0, FGD_NR);
}

/* The row's loss, and its gradients or updates unless the loss is not finite; the penalties into penalty_parts[0..1]. */
static double FGD_(single)(fgd_network *net, ptrdiff_t start, ptrdiff_t place, double total, int separate, double share,
                           int rank) {
    FGD_(room) room = FGD_(room_of)(net, rank);
    ptrdiff_t *list = net->lists[rank];
    int members = net->barrier.members;
    double loss, penalty = 0;
    if (rank == 0) FGD_(fetch_row)(net, start);
    fgd_meet(&net->barrier);
    for (int layer = 0; layer < net->layers; layer++) {
        FGD_EACH_HALF(h, rank, members) FGD_(single_sums)(net, layer, h, list);
        fgd_meet(&net->barrier);
        FGD_EACH_HALF(h, rank, members) FGD_(single_values)(net, layer, h, place, room.strip);
        fgd_meet(&net->barrier);
    }
    if (rank == 0) FGD_(losses)(net, start, 1, total, 0, 1);
    fgd_meet(&net->barrier);
    loss = net->share[0] * ((double *)net->row_losses)[0];
    if (net->mode == FGD_TRAIN && (net->failed || !isfinite(loss))) return loss;
    FGD_EACH_HALF(h, rank, members) net->penalty_parts[h] = 0;
    for (int layer = net->layers - 1; layer >= 0; layer--) {
        FGD_EACH_HALF(h, rank, members) {
            penalty = FGD_(single_backward)(net, layer, h, separate, share, list, room.row);
            if (penalty != 0) net->penalty_parts[h] += penalty;
        }
        fgd_meet(&net->barrier);
    }
    return loss;
}
