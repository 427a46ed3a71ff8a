/* A batch of one row, on one thread: rows of weights whose input is zero are skipped, forward and back, and plain
   descent takes place while the dot product for the way back passes over a row. */

/* The numbers that are not zero among x[0..n), as their places; how many. */
static ptrdiff_t FGD_(nonzero)(const FGD_T *x, ptrdiff_t n, ptrdiff_t *list) {
    ptrdiff_t count = 0;
    for (ptrdiff_t k = 0; k < n; k++) {
        list[count] = k;
        count += x[k] != 0;
    }
    return count;
}

/* z = bias + the rows of w in the list, each times its number. */
static void FGD_(sum_rows)(const FGD_T *w, const FGD_T *bias, ptrdiff_t n, const FGD_T *x, const ptrdiff_t *list,
                           ptrdiff_t count, FGD_T *z) {
    ptrdiff_t k = 0;
    memcpy(z, bias, (size_t)n * sizeof(FGD_T));
    for (; k + 4 <= count; k += 4) {
        FGD_T four[] = {x[list[k]], x[list[k + 1]], x[list[k + 2]], x[list[k + 3]]};
        FGD_(add_four)(z, n, four, w + list[k] * n, w + list[k + 1] * n, w + list[k + 2] * n, w + list[k + 3] * n);
    }
    for (; k < count; k++) FGD_(add_one)(z, n, x[list[k]], w + list[k] * n);
}

/* One row of weights: its gradient a d with the penalty, kept or used for the update; the penalty. */
static double FGD_(single_row)(const fgd_network *net, int layer, ptrdiff_t k, FGD_T a, const FGD_T *d, int separate,
                               double share, FGD_T *row) {
    ptrdiff_t n = net->sizes[layer + 1];
    FGD_T *g = separate ? (FGD_T *)net->gradients[2 * layer] + k * n : row;
    double penalty = 0;
    for (ptrdiff_t j = 0; j < n; j++) g[j] = a * d[j];
    if (separate) return 0;
    if (FGD_(penalized)(net))
        penalty = FGD_(penalize)(net, g, (const FGD_T *)net->parameters[2 * layer] + k * n, n, share);
    FGD_(update)(&net->updates[2 * layer], k * n, (k + 1) * n, g);
    return penalty;
}

/* Plain descent on the weights of units that gave something on, and the delta before them. The units are listed first,
   without branches: whether one is dead cannot be predicted. */
static void FGD_(descend_layer)(FGD_T *w, const FGD_T *x, const FGD_T *slope, const FGD_T *d, ptrdiff_t units,
                                ptrdiff_t n, FGD_T rate, ptrdiff_t *list, FGD_T *before) {
    ptrdiff_t count = 0;
    if (!before) {
        count = FGD_(nonzero)(x, units, list);
        for (ptrdiff_t i = 0; i < count; i++) FGD_(descend)(w + list[i] * n, d, n, x[list[i]], rate);
        return;
    }
    for (ptrdiff_t k = 0; k < units; k++) {
        before[k] = 0;
        list[count] = k;
        count += (x[k] != 0) | (slope[k] != 0);
    }
    for (ptrdiff_t i = 0; i < count; i++) {
        ptrdiff_t k = list[i];
        if (x[k] != 0) before[k] = FGD_(dot_and_descend)(w + k * n, d, n, x[k], rate) * slope[k];
        else before[k] = FGD_(dot)(w + k * n, d, n) * slope[k];
    }
}

/* One layer back: the delta before it, where there is one, its gradients and updates; the penalties. */
static double FGD_(single_layer)(const fgd_network *net, int layer, int separate, double share, FGD_(room) room) {
    ptrdiff_t units = net->sizes[layer], n = net->sizes[layer + 1];
    const FGD_T *d = (const FGD_T *)net->deltas[layer + 1], *x = (const FGD_T *)net->values[layer];
    FGD_T *w = (FGD_T *)net->parameters[2 * layer], *before = layer ? (FGD_T *)net->deltas[layer] : NULL;
    const FGD_T *slope = layer ? (const FGD_T *)net->slopes[layer] : NULL;
    const fgd_update *update = &net->updates[2 * layer];
    double penalty = 0;
    if (!separate && update->plain && !FGD_(penalized)(net))
        FGD_(descend_layer)(w, x, slope, d, units, n, ((const FGD_T *)update->coefficients)[0], net->lists[0], before);
    else
        for (ptrdiff_t k = 0; k < units; k++) {
            if (before) before[k] = slope[k] != 0 ? FGD_(dot)(w + k * n, d, n) * slope[k] : 0;
            if (!separate || x[k] != 0)
                penalty += FGD_(single_row)(net, layer, k, x[k], d, separate, share, room.row);
        }
    if (separate) memcpy(net->gradients[2 * layer + 1], d, (size_t)n * sizeof(FGD_T));
    else FGD_(update)(&net->updates[2 * layer + 1], 0, n, d);
    return penalty;
}

static double FGD_(single_forward)(fgd_network *net, ptrdiff_t start, ptrdiff_t place, double total, FGD_(room) room) {
    ptrdiff_t *list = net->lists[0];
    FGD_(gather_row)(net, start, NULL, net->sizes[0], FGD_NR, (FGD_T *)net->values[0]);
    if (start + 1 < net->n) /* the next row is on its way from memory meanwhile */
        for (ptrdiff_t k = 0; k < net->row; k += 64) FGD_PREFETCH(fgd_row(net, start + 1) + k);
    for (int layer = 0; layer < net->layers; layer++) {
        ptrdiff_t n = net->sizes[layer + 1], count;
        const FGD_T *x = (const FGD_T *)net->values[layer];
        int last = layer == net->layers - 1;
        FGD_T *value = (FGD_T *)net->values[layer + 1], *z = last ? value : room.strip;
        count = FGD_(nonzero)(x, net->sizes[layer], list);
        FGD_(sum_rows)((const FGD_T *)net->parameters[2 * layer], (const FGD_T *)net->parameters[2 * layer + 1], n, x,
                       list, count, z);
        if (last) break;
        for (ptrdiff_t j = n; j < FGD_(padded)(n); j++) z[j] = 0;
        void *arrays[] = {z, value, net->slopes[layer + 1]};
        net->activation(arrays, net->activation_constants, 0, FGD_(padded)(n));
        if (net->dropout != 0 && net->mode == FGD_TRAIN)
            for (ptrdiff_t j = 0; j < n; j += FGD_NR)
                FGD_(drop)(net, layer, place, 0, 1, j, value + j, (FGD_T *)net->slopes[layer + 1] + j);
    }
    if (net->loss)
        for (ptrdiff_t j = 0; j < FGD_(padded)(net->sizes[net->layers]); j++) {
            ptrdiff_t n = net->sizes[net->layers], k = net->order ? (ptrdiff_t)net->order[start] : start;
            ((FGD_T *)net->targets)[j] = j < n ? ((const FGD_T *)net->y)[k * n + j] : 0;
        }
    FGD_(losses)(net, start, 1, total, 0, 1);
    return net->share[0] * ((double *)net->row_losses)[0];
}

/* The whole update; as `batch`. */
static int FGD_(single)(fgd_network *net, ptrdiff_t start, ptrdiff_t place, double total, double share, int separate) {
    FGD_(room) room = FGD_(room_of)(net, 0);
    double loss, penalty = 0, squares = 0;
    if (net->failed) return 0;
    loss = FGD_(single_forward)(net, start, place, total, room);
    net->losses[place] = loss;
    if (net->mode == FGD_TRAIN && !isfinite(loss)) {
        net->diverged = 1;
        return 0;
    }
    for (int layer = net->layers - 1; layer >= 0; layer--)
        penalty += FGD_(single_layer)(net, layer, separate, share, room);
    if (separate) {
        ptrdiff_t blocks = FGD_(penalize_blocks)(net, share, net->mode == FGD_TRAIN, 0, 1);
        penalty = FGD_(total)(net->penalty_parts, blocks);
        if (net->mode == FGD_TRAIN) {
            squares = FGD_(total)(net->squares, blocks);
            net->finish(net->owner, place, squares);
            FGD_(update_blocks)(net, 0, 1);
        }
    }
    net->penalties[place] = FGD_(penalized)(net) ? penalty : 0;
    if (net->norms) net->norms[place] = sqrt(squares);
    net->done = place + 1;
    return 1;
}
