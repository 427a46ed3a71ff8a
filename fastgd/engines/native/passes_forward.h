/* Rows of the data gathered into panels, the forward pass through the layers, and the losses of the outputs.
   Part of passes.h, for one precision. */

/* --- gather: rows of the data into panels -------------------------------------------------------------------------- */

#define FGD_GATHER(U, name)                                                                               \
    static void FGD_(gather_##name)(const U *row, const ptrdiff_t *list, ptrdiff_t n, FGD_T scale,         \
                                    ptrdiff_t panel, FGD_T *out) {                                         \
        ptrdiff_t c = 0;                                                                                   \
        for (; c + FGD_NR <= n && !list; c += FGD_NR, out += panel)                                        \
            for (int k = 0; k < FGD_NR; k++) out[k] = (FGD_T)row[c + k] * scale;                           \
        for (; c + FGD_NR <= n; c += FGD_NR, out += panel)                                                 \
            for (int k = 0; k < FGD_NR; k++) out[k] = (FGD_T)row[list[c + k]] * scale;                     \
        row += list ? 0 : c;                                                                               \
        if (list) for (int k = 0; c < n; c++, k++) out[k] = (FGD_T)row[list[c]] * scale;                   \
        else for (ptrdiff_t k = 0; k < n - c; k++) out[k] = (FGD_T)row[k] * scale;                         \
    }
FGD_GATHER(uint8_t, bytes)
FGD_GATHER(float, single)
FGD_GATHER(double, double)
#undef FGD_GATHER

static FGD_HOT void FGD_(gather_row)(const fgd_network *net, ptrdiff_t k, const ptrdiff_t *list, ptrdiff_t n,
                             ptrdiff_t panel, FGD_T *out) {
    const char *row = fgd_row(net, k);
    FGD_T scale = (FGD_T)net->scale;
    if (net->kind == FGD_BYTES) FGD_(gather_bytes)((const uint8_t *)row, list, n, scale, panel, out);
    else if (net->kind == FGD_SINGLE_ROWS) FGD_(gather_single)((const float *)row, list, n, scale, panel, out);
    else FGD_(gather_double)((const double *)row, list, n, scale, panel, out);
}

/* List the inputs that are not zero in all of these rows; returns how many, or all inputs if few are zero. */
static FGD_HOT ptrdiff_t FGD_(inputs_in_use)(fgd_network *net, ptrdiff_t first, ptrdiff_t m, int rank, ptrdiff_t update,
                                     ptrdiff_t *list) {
    ptrdiff_t n = net->sizes[0], count = 0;
    int members = net->barrier.members;
    uint32_t *mine = net->seen + (ptrdiff_t)rank * n;
    if (!net->sparse || update < net->dense_until) return n;
    memset(mine, 0, (size_t)n * sizeof *mine);
    for (ptrdiff_t b = fgd_share(m, rank, members); b < fgd_share(m, rank + 1, members); b++)
        fgd_see(fgd_row(net, first + b), net->kind, n, mine);
    fgd_meet(&net->barrier);
    if (rank == 0)
        for (int r = 1; r < members; r++)
            for (ptrdiff_t j = 0; j < n; j++) mine[j] |= net->seen[r * n + j];
    fgd_meet(&net->barrier);
    for (ptrdiff_t j = 0; j < n; j++)
        if (net->seen[j]) list[count++] = j;
    if (count > n - n / 8) {
        fgd_meet(&net->barrier); /* all have read `dense_until` */
        if (rank == 0) net->dense_until = update + FGD_LOOK_AGAIN;
        return n;
    }
    for (ptrdiff_t c = 0; c < count; c++) list[n + c] = list[c] * net->sizes[1];
    return count;
}

/* Copy the targets of row k of the order into row b of the panels. */
static void FGD_(gather_target)(const fgd_network *net, ptrdiff_t k, ptrdiff_t b, ptrdiff_t panel) {
    ptrdiff_t n = net->sizes[net->layers];
    const FGD_T *y = (const FGD_T *)net->y + fgd_place(net, k) * n;
    FGD_T *to = (FGD_T *)net->targets + b * FGD_NR;
    for (ptrdiff_t j = 0; j < n; j += FGD_NR, to += panel)
        for (ptrdiff_t c = 0; c < FGD_NR && j + c < n; c++) to[c] = y[j + c];
}

static int FGD_(row_is_finite)(const FGD_T *row, ptrdiff_t n, ptrdiff_t panel);

static FGD_HOT void FGD_(gather)(fgd_network *net, ptrdiff_t first, ptrdiff_t m, int rank, const ptrdiff_t *list,
                         ptrdiff_t count) {
    ptrdiff_t panel = m * FGD_NR, ahead = net->row < FGD_AHEAD_BYTES / FGD_AHEAD ? FGD_AHEAD : 4;
    for (ptrdiff_t b = fgd_share(m, rank, net->barrier.members); b < fgd_share(m, rank + 1, net->barrier.members); b++) {
        if (first + b + ahead < net->n) {
            const char *next = fgd_row(net, first + b + ahead);
            for (ptrdiff_t k = 0; k < net->row; k += 64) FGD_PREFETCH(next + k);
            FGD_PREFETCH(next + net->row - 1);
        }
        FGD_(gather_row)(net, first + b, count < net->sizes[0] ? list : NULL, count, panel,
                         (FGD_T *)net->values[0] + b * FGD_NR);
        if (net->strict && !FGD_(row_is_finite)((const FGD_T *)net->values[0] + b * FGD_NR, count, panel))
            net->not_finite = 1;
        if (net->loss && net->mode != FGD_FORWARD_ONLY) FGD_(gather_target)(net, first + b, b, panel);
    }
}

/* --- forward ------------------------------------------------------------------------------------------------------- */

/* A thread's share of a product: some panels of all rows, or, if there are few panels, all panels of some rows. */
typedef struct {
    ptrdiff_t first, last, lo, hi;
} FGD_(share_t);

static FGD_(share_t) FGD_(share)(ptrdiff_t panels, ptrdiff_t m, int rank, int members) {
    FGD_(share_t) share = {0, panels, 0, m};
    if (panels >= 8 * members || m < 2 * FGD_TALLEST) {
        share.first = fgd_share(panels, rank, members);
        share.last = fgd_share(panels, rank + 1, members);
    } else {
        share.lo = fgd_share(m, rank, members);
        share.hi = fgd_share(m, rank + 1, members);
    }
    return share;
}

/* Dropout of `count` units of a row from `column` on: value and slope become zero or are scaled up. */
static void FGD_(drop)(const fgd_network *net, uint64_t base, ptrdiff_t units, ptrdiff_t row, ptrdiff_t column,
                       ptrdiff_t count, FGD_T *value, FGD_T *slope) {
    uint64_t least = (uint64_t)llround(net->dropout * 16777216.0);
    FGD_T kept = (FGD_T)(1.0 / (1.0 - net->dropout));
    for (ptrdiff_t j = 0; j < count; j++) {
        uint64_t place = (uint64_t)(row * units + column + j);
        FGD_T factor = fgd_mixed(base + place * FGD_GOLDEN) >> 40 >= least ? kept : 0;
        value[j] *= factor;
        slope[j] *= factor;
    }
}

/* Values and slopes of rows lo..hi of a panel from their sums; `row` is the first row's number in the batch. */
static void FGD_(activate)(const fgd_network *net, int layer, ptrdiff_t m, ptrdiff_t p, ptrdiff_t lo, ptrdiff_t hi,
                           ptrdiff_t row, ptrdiff_t update, FGD_T *z) {
    ptrdiff_t at = (p * m + lo) * FGD_NR;
    FGD_T *value = (FGD_T *)net->values[layer + 1] + at, *slope = (FGD_T *)net->slopes[layer + 1] + at;
    void *arrays[] = {z, value, slope};
    net->activation(arrays, net->activation_constants, 0, (hi - lo) * FGD_NR);
    if (net->dropout == 0 || net->mode != FGD_TRAIN) return;
    uint64_t base = fgd_drop_base(net->seed, net->t + (uint64_t)update + 1, layer);
    for (ptrdiff_t b = 0; b < hi - lo; b++)
        FGD_(drop)(net, base, net->sizes[layer + 1], row + lo + b, p * FGD_NR, FGD_NR, value + b * FGD_NR,
                   slope + b * FGD_NR);
}

/* A layer's values in `count` panels from p on, for rows lo..hi: sums in panels of `z`, of which those of a few rows are
   activated while they are near. The last layer has sums only. */
static FGD_HOT void FGD_(values)(const fgd_network *net, int layer, ptrdiff_t m, ptrdiff_t row, ptrdiff_t update,
                                 ptrdiff_t inputs, const ptrdiff_t *offsets, ptrdiff_t p, ptrdiff_t count,
                                 ptrdiff_t lo, ptrdiff_t hi, FGD_(room) room, FGD_T *z) {
    ptrdiff_t n = net->sizes[layer + 1], panel = m * FGD_NR;
    const FGD_T *w = (const FGD_T *)net->parameters[2 * layer], *bias = (const FGD_T *)net->parameters[2 * layer + 1];
    FGD_T begin[FGD_ABREAST * FGD_NR];
    for (ptrdiff_t j = 0; j < count * FGD_NR; j++) begin[j] = bias && p * FGD_NR + j < n ? bias[p * FGD_NR + j] : 0;
    for (ptrdiff_t k = 0; k < inputs || k == 0; k += FGD_DEPTH) {
        ptrdiff_t depth = inputs - k < FGD_DEPTH ? inputs - k : FGD_DEPTH, first = k ? FGD_NR : 0;
        const FGD_T *a = (const FGD_T *)net->values[layer] + k / FGD_NR * panel;
        for (ptrdiff_t q = 0; q < count; q++) {
            ptrdiff_t column = (p + q) * FGD_NR;
            int in_place = m <= FGD_FEW && column + FGD_NR <= n, whole = k + depth >= inputs;
            FGD_T *to = z + q * panel;
            const FGD_T *from = k ? to : begin + q * FGD_NR, *packed = in_place ? w + column : room.packed;
            if (!in_place) FGD_(pack)(w, n, column, offsets + k, depth, room.packed);
            for (ptrdiff_t b = lo; b < hi; b += FGD_NEAR) {
                ptrdiff_t end = b + FGD_NEAR < hi ? b + FGD_NEAR : hi;
                FGD_(multiply)(a, panel, b, end, depth, packed, in_place ? offsets + k : NULL, from, first, to, n - column);
                if (whole && layer < net->layers - 1)
                    FGD_(activate)(net, layer, m, p + q, b, end, row, update, to + b * FGD_NR);
            }
        }
    }
}

/* The sums of one row: weights are read where they are, row after row, so that all sums go on side by side. */
static FGD_HOT void FGD_(row_sums)(const fgd_network *net, int layer, ptrdiff_t inputs, const ptrdiff_t *offsets,
                                   ptrdiff_t p, ptrdiff_t count, FGD_T *z) {
    ptrdiff_t lo = p * FGD_NR, n = net->sizes[layer + 1] - lo, k = 0;
    const FGD_T *w = (const FGD_T *)net->parameters[2 * layer] + lo, *a = (const FGD_T *)net->values[layer];
    const FGD_T *bias = (const FGD_T *)net->parameters[2 * layer + 1];
    for (ptrdiff_t j = 0; j < count * FGD_NR; j++) z[j] = bias && j < n ? bias[lo + j] : 0;
    n = n < count * FGD_NR ? n : count * FGD_NR;
    for (; k + 4 <= inputs; k += 4) {
        const ptrdiff_t *at = offsets + k;
        FGD_(add_four)(z, n, a + k, w + at[0], w + at[1], w + at[2], w + at[3]);
    }
    for (; k < inputs; k++) FGD_(add_one)(z, n, a[k], w + offsets[k]);
}

static void FGD_(forward)(const fgd_network *net, int layer, ptrdiff_t m, ptrdiff_t row, ptrdiff_t update,
                          ptrdiff_t inputs, const ptrdiff_t *offsets, int rank) {
    FGD_(room) room = FGD_(room_of)(net, rank);
    FGD_(share_t) share = FGD_(share)(FGD_PANELS(net->sizes[layer + 1]), m, rank, net->barrier.members);
    int last = layer == net->layers - 1;
    for (ptrdiff_t p = share.first; p < share.last; p += FGD_ABREAST) {
        ptrdiff_t count = share.last - p < FGD_ABREAST ? share.last - p : FGD_ABREAST;
        FGD_T *z = last ? (FGD_T *)net->values[layer + 1] + p * m * FGD_NR : room.z;
        if (m > 1) {
            FGD_(values)(net, layer, m, row, update, inputs, offsets, p, count, share.lo, share.hi, room, z);
            continue;
        }
        FGD_(row_sums)(net, layer, inputs, offsets, p, count, z);
        for (ptrdiff_t q = 0; q < count && !last; q++) FGD_(activate)(net, layer, 1, p + q, 0, 1, row, update, z + q * FGD_NR);
    }
}

/* --- loss ---------------------------------------------------------------------------------------------------------- */

/* Outputs of rows lo..hi minus the largest of each row, contiguous, so that exp is computed on whole vectors. */
static void FGD_(shifted_outputs)(const fgd_network *net, ptrdiff_t m, ptrdiff_t lo, ptrdiff_t hi, FGD_T *out) {
    ptrdiff_t n = net->sizes[net->layers];
    const FGD_T *z = (const FGD_T *)net->values[net->layers];
    for (ptrdiff_t b = lo; b < hi; b++, out += n) {
        FGD_T most = z[b * FGD_NR];
        for (ptrdiff_t j = 0; j < n; j += FGD_NR) {
            const FGD_T *from = z + j * m + b * FGD_NR;
            for (ptrdiff_t k = 0; k < FGD_NR && j + k < n; k++) {
                out[j + k] = from[k];
                most = from[k] > most ? from[k] : most;
            }
        }
        for (ptrdiff_t j = 0; j < n; j++) out[j] -= most;
    }
}

static FGD_HOT void FGD_(softmax)(const fgd_network *net, ptrdiff_t first, ptrdiff_t m, ptrdiff_t lo, ptrdiff_t hi,
                                  FGD_(room) room) {
    ptrdiff_t n = net->sizes[net->layers], whole = (hi - lo + FGD_LANES - 1) / FGD_LANES * FGD_LANES;
    FGD_T *delta = (FGD_T *)net->deltas[net->layers], *totals = room.values;
    double *losses = (double *)net->row_losses;
    ptrdiff_t together = FGD_(row_room)(net) / n; /* rows that fit into room.row */
    for (ptrdiff_t b = lo; b < hi; b += together) {
        ptrdiff_t end = b + together < hi ? b + together : hi, count = (end - b) * n;
        FGD_T *row = room.row;
        FGD_(shifted_outputs)(net, m, b, end, row);
        for (ptrdiff_t i = count; i % FGD_LANES; i++) row[i] = 0;
        void *arrays[] = {row, row};
        ptrdiff_t vectors = (count + FGD_LANES - 1) / FGD_LANES * FGD_LANES;
        for (ptrdiff_t i = b; i < end; i++) {
            ptrdiff_t k = fgd_place(net, first + i);
            losses[i] = -(double)row[(i - b) * n + ((const int32_t *)net->y)[k]];
        }
        net->exponential(arrays, NULL, 0, vectors);
        for (ptrdiff_t i = b; i < end; i++, row += n) {
            ptrdiff_t k = fgd_place(net, first + i);
            ptrdiff_t label = ((const int32_t *)net->y)[k];
            FGD_T total = 0, share = (FGD_T)net->share[i];
            for (ptrdiff_t j = 0; j < n; j++) total += row[j];
            totals[i - lo] = total;
            for (ptrdiff_t j = 0; j < n; j += FGD_NR) {
                FGD_T *to = delta + j * m + i * FGD_NR;
                for (ptrdiff_t c = 0; c < FGD_NR && j + c < n; c++)
                    to[c] = (row[j + c] / total - (j + c == label)) * share;
            }
        }
    }
    for (ptrdiff_t b = hi - lo; b < whole; b++) totals[b] = 1;
    void *arrays[] = {totals, totals};
    net->logarithm(arrays, NULL, 0, whole);
    for (ptrdiff_t b = lo; b < hi; b++) {
        losses[b] += (double)totals[b - lo];
        if (losses[b] > net->cap) losses[b] = net->cap;
    }
}

/* The first `left` columns of a panel side by side, and zeros behind them up to a whole number of vectors. */
static void FGD_(closer)(const FGD_T *from, ptrdiff_t rows, ptrdiff_t left, ptrdiff_t whole, FGD_T *to) {
    for (ptrdiff_t b = 0; b < rows; b++)
        for (ptrdiff_t j = 0; j < left; j++) to[b * left + j] = from[b * FGD_NR + j];
    for (ptrdiff_t i = rows * left; i < whole; i++) to[i] = 0;
}

static void FGD_(separate_outputs)(const fgd_network *net, ptrdiff_t m, ptrdiff_t lo, ptrdiff_t hi, FGD_(room) room) {
    ptrdiff_t n = net->sizes[net->layers], panel = m * FGD_NR;
    double *losses = (double *)net->row_losses;
    for (ptrdiff_t b = lo; b < hi; b++) losses[b] = 0;
    for (ptrdiff_t p = 0; p < FGD_PANELS(n); p++) {
        ptrdiff_t at = p * panel + lo * FGD_NR, left = n - p * FGD_NR < FGD_NR ? n - p * FGD_NR : FGD_NR;
        ptrdiff_t whole = ((hi - lo) * left + FGD_LANES - 1) / FGD_LANES * FGD_LANES;
        FGD_T *z = room.z, *y = z + whole, *value = y + whole, *slope = value + whole;
        FGD_T *delta = (FGD_T *)net->deltas[net->layers] + at;
        FGD_(closer)((const FGD_T *)net->values[net->layers] + at, hi - lo, left, whole, z);
        FGD_(closer)((const FGD_T *)net->targets + at, hi - lo, left, whole, y);
        void *arrays[] = {z, y, value, slope};
        net->loss(arrays, net->loss_constants, 0, whole);
        for (ptrdiff_t b = lo; b < hi; b++, delta += FGD_NR, value += left, slope += left) {
            FGD_T share = (FGD_T)(net->share[b] * net->reduce);
            for (ptrdiff_t j = 0; j < left; j++) losses[b] += (double)value[j] > net->cap ? net->cap : (double)value[j];
            for (ptrdiff_t j = 0; j < left; j++) delta[j] = slope[j] * share;
        }
    }
    for (ptrdiff_t b = lo; b < hi; b++) losses[b] *= net->reduce;
}

static void FGD_(losses)(const fgd_network *net, ptrdiff_t first, ptrdiff_t m, double total, int rank,
                         int members) {
    ptrdiff_t lo = fgd_share(m, rank, members), hi = fgd_share(m, rank + 1, members);
    double each = total > 0 ? 1.0 / total : 0.0;
    for (ptrdiff_t b = lo; b < hi; b++)
        net->share[b] = net->weights && total > 0 ? net->weights[fgd_place(net, first + b)] / total : each;
    if (hi <= lo) return;
    if (net->loss) FGD_(separate_outputs)(net, m, lo, hi, FGD_(room_of)(net, rank));
    else FGD_(softmax)(net, first, m, lo, hi, FGD_(room_of)(net, rank));
}
