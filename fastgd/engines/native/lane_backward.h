/* Gradients of networks side by side, their penalties and norms, and updates. Part of lane_passes.h, for one precision. */

/* Add the penalties' gradient to that of `many` weights; adds the penalties of each lane to `parts`. */
static FGD_HOT void FGD_(lane_penalize)(const fgd_lane_network *net, FGD_V *g, const FGD_V *w, ptrdiff_t many,
                                        const double *share, double *parts) {
    FGD_T small[2][FGD_LANES];
    FGD_V l1, l2, one = FGD_SET1(1), none = {0};
    double squares[FGD_PARTIALS][FGD_LANES], sizes[FGD_LANES];
    FGD_EACH_LANE(l) small[0][l] = (FGD_T)(net->l1[l] * share[l]);
    FGD_EACH_LANE(l) small[1][l] = (FGD_T)(net->l2[l] * share[l]);
    memcpy(&l1, small[0], sizeof l1);
    memcpy(&l2, small[1], sizeof l2);
    memset(squares, 0, sizeof squares);
    memset(sizes, 0, sizeof sizes);
    for (ptrdiff_t i = 0; i < many; i++) {
        const FGD_T *numbers = (const FGD_T *)(w + i);
        FGD_V sign = FGD_WHERE_GT(w[i], none, one, FGD_WHERE_LT(w[i], none, -one, none));
        g[i] += l2 * w[i] + l1 * sign;
        FGD_EACH_LANE(l) squares[i % FGD_PARTIALS][l] += (double)numbers[l] * (double)numbers[l];
        FGD_EACH_LANE(l) sizes[l] += fabs((double)numbers[l]);
    }
    for (int k = 1; k < FGD_PARTIALS; k++) FGD_EACH_LANE(l) squares[0][l] += squares[k][l];
    FGD_EACH_LANE(l) {
        double size = net->l1[l] != 0 ? sizes[l] : 0, square = net->l2[l] != 0 ? squares[0][l] : 0;
        parts[l] += share[l] * (net->l1[l] * size + net->l2[l] / 2 * square);
    }
}

/* Add the sums of squares of `many` numbers, in the order that fastgd.engines.layout states for a block. */
static void FGD_(lane_squares)(const FGD_V *g, ptrdiff_t many, double *squares) {
    double part[FGD_PARTIALS][FGD_LANES];
    memset(part, 0, sizeof part);
    for (ptrdiff_t i = 0; i < many; i++) {
        const FGD_T *numbers = (const FGD_T *)(g + i);
        FGD_EACH_LANE(l) part[i % FGD_PARTIALS][l] += (double)numbers[l] * (double)numbers[l];
    }
    for (int k = 1; k < FGD_PARTIALS; k++) FGD_EACH_LANE(l) part[0][l] += part[k][l];
    FGD_EACH_LANE(l) squares[l] += part[0][l];
}

/* What the penalties of each lane are multiplied by. */
static void FGD_(lane_penalty_share)(const fgd_lane_network *net, double *share) {
    double totals[FGD_LANES];
    FGD_(lane_totals)(net, totals);
    FGD_EACH_LANE(l) share[l] = net->penalty_per_row ? (totals[l] > 0 ? 1.0 / totals[l] : 1.0) : 1.0;
}

/* Gradients of the weights of the inputs from..to of a layer, from `rows` rows; added to those there or new. With the first
   inputs, those of the biases: what is passed back is in the cache then. */
static void FGD_(lane_weights)(const fgd_lane_network *net, int layer, const void *inputs, int alike, ptrdiff_t rows,
                               ptrdiff_t from, ptrdiff_t to, int add) {
    ptrdiff_t many = net->sizes[layer], n = net->sizes[layer + 1];
    FGD_V *g = (FGD_V *)net->gradients[2 * layer], *biases = (FGD_V *)net->gradients[2 * layer + 1];
    for (ptrdiff_t first = 0; first < n; first += FGD_ACROSS) {
        const FGD_V *delta = (const FGD_V *)net->deltas[layer + 1] + first * rows;
        ptrdiff_t wide = fgd_wide(n, first);
        if (alike)
            FGD_OF_PANEL(lane_outer, wide, 1, (const FGD_T *)inputs + from, many, to - from, delta, rows, add,
                         g + from * n + first, n);
        for (ptrdiff_t k = from; k < to && !alike; k += FGD_ACROSS)
            FGD_OF_PANEL(lane_outer, wide, 0, (const FGD_V *)inputs + k * rows, fgd_wide(many, k), fgd_wide(many, k), delta,
                         rows, add, g + k * n + first, n);
        if (!from && net->parameters[2 * layer + 1]) FGD_OF_PANEL(lane_over_rows, wide, delta, rows, add, biases + first);
    }
}

static void FGD_(lane_update)(const fgd_lane_network *net, int k, ptrdiff_t lo, ptrdiff_t hi) {
    const fgd_lane_update *update = &net->updates[k];
    if (update->loop) update->loop(update->arrays, update->coefficients, lo, hi);
}

/* Back through the weights of a layer. */
static FGD_HOT void FGD_(lane_back)(const fgd_lane_network *net, int layer, ptrdiff_t rows) {
    ptrdiff_t many = net->sizes[layer], n = net->sizes[layer + 1];
    const FGD_V *delta = (const FGD_V *)net->deltas[layer + 1], *w = (const FGD_V *)net->parameters[2 * layer];
    for (ptrdiff_t first = 0; first < many; first += FGD_ACROSS)
        FGD_OF_PANEL(lane_backward, fgd_wide(many, first), delta, rows, n, w + first * n,
                     (FGD_V *)net->deltas[layer] + first * rows);
}

static const void *FGD_(lane_layer_inputs)(const fgd_lane_network *net, int layer) {
    return layer ? net->values[layer] : net->inputs;
}

/* The same from the part of the rows that was passed last. */
static void FGD_(lane_layer)(const fgd_lane_network *net, int layer, ptrdiff_t from, ptrdiff_t to) {
    FGD_(lane_weights)(net, layer, FGD_(lane_layer_inputs)(net, layer), net->alike && !layer, net->rows, from, to,
                       net->add);
}
