/* Rows of the data gathered for networks side by side, their forward pass, their losses, and what their outputs are worth.
   Part of lane_passes.h, for one precision. */

/* --- gather: rows of the data, their targets and their shares of the loss -------------------------------------------------- */

static FGD_ALWAYS FGD_T FGD_(number_of)(const char *row, int kind, ptrdiff_t k, FGD_T scale) {
    if (kind == FGD_BYTES) return (FGD_T)((const uint8_t *)row)[k] * scale;
    if (kind == FGD_SINGLE_ROWS) return (FGD_T)((const float *)row)[k] * scale;
    return (FGD_T)((const double *)row)[k] * scale;
}

/* Inputs of one row, side by side. */
static FGD_ALWAYS void FGD_(lane_row)(const char *row, const int kind, ptrdiff_t n, FGD_T scale, FGD_T *x) {
    for (ptrdiff_t k = 0; k < n; k++) x[k] = FGD_(number_of)(row, kind, k, scale);
}

/* Inputs of row r of the panels, for one lane. */
static FGD_ALWAYS void FGD_(lane_column)(const char *row, const int kind, ptrdiff_t n, FGD_T scale, ptrdiff_t rows,
                                         ptrdiff_t r, int lane, FGD_T *x) {
    for (ptrdiff_t first = 0; first < n; first += FGD_ACROSS) {
        ptrdiff_t wide = fgd_wide(n, first);
        for (ptrdiff_t k = 0; k < wide; k++)
            x[(first * rows + r * wide + k) * FGD_LANES + lane] = FGD_(number_of)(row, kind, first + k, scale);
    }
}

/* The inputs of the rows from `first` on, counted in the order: single numbers where all lanes have the same. */
static FGD_HOT const void *FGD_(lane_inputs)(const fgd_lane_network *net, ptrdiff_t first, ptrdiff_t rows) {
    ptrdiff_t n = net->sizes[0];
    FGD_T *x = (FGD_T *)net->values[0], scale = (FGD_T)net->scale;
    int own = sizeof(FGD_T) == 4 ? FGD_SINGLE_ROWS : FGD_DOUBLE_ROWS;
    if (!net->orders && net->kind == own && net->scale == 1 && net->row == n * (ptrdiff_t)sizeof(FGD_T))
        return net->x + first * net->row;
    for (ptrdiff_t r = 0; r < rows; r++)
        for (int l = 0; l < (net->alike ? 1 : FGD_LANES); l++) {
            const char *row = net->x + fgd_lane_place(net, l, first + r) * net->row;
            if (net->alike && net->kind == FGD_BYTES) FGD_(lane_row)(row, FGD_BYTES, n, scale, x + r * n);
            else if (net->alike && net->kind == own) FGD_(lane_row)(row, own, n, scale, x + r * n);
            else if (net->alike) FGD_(lane_row)(row, net->kind, n, scale, x + r * n);
            else if (net->kind == own) FGD_(lane_column)(row, own, n, scale, rows, r, l, x);
            else FGD_(lane_column)(row, net->kind, n, scale, rows, r, l, x);
        }
    return x;
}

static FGD_HOT void FGD_(lane_targets)(const fgd_lane_network *net, ptrdiff_t first, ptrdiff_t rows) {
    ptrdiff_t n = net->sizes[net->layers];
    FGD_V *targets = (FGD_V *)net->targets;
    for (ptrdiff_t r = 0; r < rows; r++)
        for (int l = 0; l < (net->alike ? 1 : FGD_LANES); l++) {
            ptrdiff_t k = fgd_lane_place(net, l, first + r);
            if (!net->loss) {
                int32_t *label = net->labels + r * FGD_LANES;
                for (int m = l; m < (net->alike ? FGD_LANES : l + 1); m++) label[m] = ((const int32_t *)net->y)[k];
                continue;
            }
            for (ptrdiff_t j = 0; j < n; j++) {
                FGD_T number = ((const FGD_T *)net->y)[k * n + j];
                FGD_V *to = targets + fgd_in_panels(n, rows, r, j);
                if (net->alike) *to = FGD_SET1(number);
                else ((FGD_T *)to)[l] = number;
            }
        }
}

/* The sum of the weights of an update's rows, for each lane. */
static void FGD_(lane_totals)(const fgd_lane_network *net, double *totals) {
    FGD_EACH_LANE(l) totals[l] = net->weights ? 0 : (double)(net->stop - net->start);
    for (ptrdiff_t k = net->start; net->weights && k < net->stop; k++)
        FGD_EACH_LANE(l) totals[l] += net->weights[fgd_lane_place(net, l, k)];
}

/* Each row's share of the loss, [row][lane]. */
static void FGD_(lane_shares)(const fgd_lane_network *net, ptrdiff_t first, ptrdiff_t rows, const double *totals) {
    for (ptrdiff_t r = 0; r < rows; r++) {
        double *share = net->share + r * FGD_LANES;
        if (net->weights)
            FGD_EACH_LANE(l) {
                double weight = net->weights[fgd_lane_place(net, l, first + r)];
                share[l] = totals[l] > 0 ? weight / totals[l] : 0;
            }
        else if (r)
            memcpy(share, net->share, FGD_LANES * sizeof *share);
        else
            FGD_EACH_LANE(l) share[l] = 1.0 / totals[l];
    }
}

/* --- forward ------------------------------------------------------------------------------------------------------------- */

static void FGD_(lane_drop)(const fgd_lane_network *net, int layer, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t first,
                            FGD_V *value, FGD_V *slope) {
    ptrdiff_t units = net->sizes[layer + 1], wide = fgd_wide(units, first);
    uint64_t least = (uint64_t)llround(net->dropout * 16777216.0), base[FGD_LANES];
    FGD_T kept = (FGD_T)(1.0 / (1.0 - net->dropout));
    FGD_EACH_LANE(l) base[l] = fgd_drop_base(net->seeds[l], net->t, layer);
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t j = 0; j < wide; j++, value++, slope++) {
            uint64_t place = (uint64_t)((row + r) * units + first + j);
            FGD_T factor[FGD_LANES];
            FGD_V factors;
            FGD_EACH_LANE(l) factor[l] = fgd_mixed(base[l] + place * FGD_GOLDEN) >> 40 >= least ? kept : 0;
            memcpy(&factors, factor, sizeof factors);
            *value *= factors;
            *slope *= factors;
        }
}

/* A layer's outputs for rows that begin with the `row`-th of the update. */
static FGD_HOT void FGD_(lane_forward)(const fgd_lane_network *net, int layer, const void *inputs, int alike,
                                       ptrdiff_t row, ptrdiff_t rows) {
    ptrdiff_t many = net->sizes[layer], n = net->sizes[layer + 1];
    const FGD_V *weights = (const FGD_V *)net->parameters[2 * layer];
    const FGD_V *bias = (const FGD_V *)net->parameters[2 * layer + 1], *zeros = (const FGD_V *)net->zeros;
    int last = layer == net->layers - 1;
    /* Columns of a matrix that fills the cache lie in few of its sets: they are copied to be beside one another. */
    int packing = n > FGD_ACROSS && many * n * (ptrdiff_t)sizeof(FGD_V) > 16384 && rows >= 8;
    for (ptrdiff_t first = 0; first < n; first += FGD_ACROSS) {
        ptrdiff_t wide = fgd_wide(n, first), at = first * rows, step = packing ? wide : n;
        const FGD_V *w = weights + first;
        FGD_V *value = (FGD_V *)net->values[layer + 1] + at, *slope = (FGD_V *)net->deltas[layer + 1] + at;
        FGD_V *z = last ? value : (FGD_V *)net->room, *packed = (FGD_V *)net->packed;
        if (packing) {
            for (ptrdiff_t k = 0; k < many; k++)
                for (ptrdiff_t j = 0; j < wide; j++) packed[k * wide + j] = w[k * n + j];
            w = packed;
        }
        FGD_OF_PANEL(lane_sums, wide, alike, inputs, rows, many, w, step, bias ? bias + first : zeros, z);
        if (last) continue;
        void *arrays[] = {z, value, slope};
        net->activation(arrays, net->activation_constants, 0, rows * wide * FGD_LANES);
        if (net->dropout != 0 && net->training) FGD_(lane_drop)(net, layer, row, rows, first, value, slope);
    }
}

/* --- loss ------------------------------------------------------------------------------------------------------------------ */

/* What a row's outputs pass back is multiplied by this: the row's share of the loss. */
static FGD_ALWAYS FGD_V FGD_(lane_factors)(const double *share, double factor) {
    FGD_T numbers[FGD_LANES];
    FGD_V factors;
    FGD_EACH_LANE(l) numbers[l] = (FGD_T)(share[l] * factor);
    memcpy(&factors, numbers, sizeof factors);
    return factors;
}

static FGD_HOT void FGD_(lane_softmax)(const fgd_lane_network *net, ptrdiff_t rows) {
    ptrdiff_t n = net->sizes[net->layers];
    const FGD_V *z = (const FGD_V *)net->values[net->layers];
    FGD_V *e = (FGD_V *)net->room, *totals = e + rows * n, *delta = (FGD_V *)net->deltas[net->layers];
    FGD_V factors = FGD_(lane_factors)(net->share, 1);
#define FGD_OUTPUT(r, j) fgd_in_panels(n, rows, r, j)
    for (ptrdiff_t r = 0; r < rows; r++) {
        FGD_V most = z[FGD_OUTPUT(r, 0)];
        double *losses = net->row_losses + r * FGD_LANES;
        for (ptrdiff_t j = 1; j < n; j++) most = FGD_WHERE_GT(z[FGD_OUTPUT(r, j)], most, z[FGD_OUTPUT(r, j)], most);
        for (ptrdiff_t j = 0; j < n; j++) e[r * n + j] = z[FGD_OUTPUT(r, j)] - most;
        FGD_EACH_LANE(l)
            losses[l] = -(double)((const FGD_T *)(e + r * n + net->labels[r * FGD_LANES + l]))[l];
    }
    void *arrays[] = {e, e}, *sums[] = {totals, totals};
    net->exponential(arrays, NULL, 0, rows * n * FGD_LANES);
    for (ptrdiff_t r = 0; r < rows; r++) {
        FGD_V total = {0};
        for (ptrdiff_t j = 0; j < n; j++) total += e[r * n + j];
        totals[r] = total;
        if (!net->training) continue;
        for (ptrdiff_t j = 0; j < n; j++) delta[FGD_OUTPUT(r, j)] = e[r * n + j] / total;
        for (int l = 0; l < FGD_LANES && !net->alike; l++)
            ((FGD_T *)(delta + FGD_OUTPUT(r, net->labels[r * FGD_LANES + l])))[l] -= 1;
        if (net->alike) delta[FGD_OUTPUT(r, net->labels[r * FGD_LANES])] -= FGD_SET1(1);
        if (net->weights) factors = FGD_(lane_factors)(net->share + r * FGD_LANES, 1);
        for (ptrdiff_t j = 0; j < n; j++) delta[FGD_OUTPUT(r, j)] *= factors;
    }
#undef FGD_OUTPUT
    net->logarithm(sums, NULL, 0, rows * FGD_LANES);
    for (ptrdiff_t i = 0; i < rows * FGD_LANES; i++) {
        double loss = net->row_losses[i] + (double)((const FGD_T *)totals)[i];
        net->row_losses[i] = loss > net->cap ? net->cap : loss;
    }
}

static FGD_HOT void FGD_(lane_separate)(const fgd_lane_network *net, ptrdiff_t rows) {
    ptrdiff_t n = net->sizes[net->layers];
    double *losses = net->row_losses, cap = net->cap, reduce = net->reduce;
    FGD_V factors = FGD_(lane_factors)(net->share, reduce);
    memset(losses, 0, (size_t)(rows * FGD_LANES) * sizeof *losses);
    for (ptrdiff_t first = 0; first < n; first += FGD_ACROSS) {
        ptrdiff_t wide = fgd_wide(n, first), at = first * rows;
        FGD_V *delta = (FGD_V *)net->deltas[net->layers] + at;
        const FGD_T *value = (const FGD_T *)net->room;
        void *arrays[] = {(FGD_V *)net->values[net->layers] + at, (FGD_V *)net->targets + at, net->room, delta};
        net->loss(arrays, net->loss_constants, 0, rows * wide * FGD_LANES);
        for (ptrdiff_t r = 0; r < rows; r++) {
            if (net->weights) factors = FGD_(lane_factors)(net->share + r * FGD_LANES, reduce);
            for (ptrdiff_t j = 0; j < wide; j++, value += FGD_LANES) {
                FGD_EACH_LANE(l) {
                    double number = (double)value[l];
                    losses[r * FGD_LANES + l] += number > cap ? cap : number;
                }
                delta[r * wide + j] *= factors;
            }
        }
    }
    for (ptrdiff_t i = 0; i < rows * FGD_LANES; i++) losses[i] *= reduce;
}

/* --- what the outputs are worth: as in passes_assess.h ------------------------------------------------------------------- */

static void FGD_(lane_judge_classes)(const fgd_lane_network *net, ptrdiff_t rows) {
    ptrdiff_t n = net->sizes[net->layers];
    const FGD_V *z = (const FGD_V *)net->values[net->layers];
    for (ptrdiff_t r = 0; r < rows; r++) {
        FGD_T numbers[FGD_LANES];
        FGD_V most = z[r * fgd_wide(n, 0)], best = {0};
        for (ptrdiff_t j = 1; j < n; j++) {
            FGD_V value = z[fgd_in_panels(n, rows, r, j)];
            FGD_M larger = ~FGD_LE(value, most) & FGD_LE(most, most); /* NaN is the largest */
            best = FGD_CHOOSE(larger, FGD_SET1((FGD_T)j), best);
            most = FGD_CHOOSE(larger, value, most);
        }
        memcpy(numbers, &best, sizeof numbers);
        FGD_EACH_LANE(l) net->right[l] += numbers[l] == (FGD_T)net->labels[r * FGD_LANES + l];
    }
}

static void FGD_(lane_judge)(const fgd_lane_network *net, ptrdiff_t rows) {
    ptrdiff_t n = net->sizes[net->layers];
    FGD_T *z = (FGD_T *)net->values[net->layers];
    const FGD_T *y = (const FGD_T *)net->targets;
    void *arrays[] = {z, z};
    if (net->predicts == FGD_CLASSES) {
        FGD_(lane_judge_classes)(net, rows);
        return;
    }
    if (net->predicts == FGD_COUNTS) net->exponential(arrays, NULL, 0, rows * n * FGD_LANES);
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t j = 0; j < n; j++) {
            ptrdiff_t at = fgd_in_panels(n, rows, r, j) * FGD_LANES;
            FGD_EACH_LANE(l) {
                double error = (double)y[at + l] - (double)z[at + l];
                if (net->predicts == FGD_LABELS) net->right[l] += (FGD_T)(z[at + l] >= 0) == y[at + l];
                else net->residual[l] += error * error;
            }
        }
}
