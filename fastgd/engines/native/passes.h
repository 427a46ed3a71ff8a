/* The phases of a pass, for one precision: network_kernels.h includes this once for float and once for double. */

#define FGD_PANELS(n) (((n) + FGD_NR - 1) / FGD_NR)

/* Where things lie in a thread's own memory; all begin on a cache line. */
typedef struct {
    FGD_T *z, *packed, *strip, *row, *values;
} FGD_(room);

static inline ptrdiff_t FGD_(padded)(ptrdiff_t n) { return FGD_PANELS(n) * FGD_NR; }
static inline ptrdiff_t FGD_(strip_rows)(void) { return FGD_STRIP > FGD_NR ? FGD_STRIP / FGD_NR * FGD_NR : FGD_NR; }

/* The numbers of a thread's memory, for the widest layer. */
static ptrdiff_t FGD_(room_size)(ptrdiff_t widest) {
    ptrdiff_t wide = FGD_(padded)(widest);
    ptrdiff_t panels = FGD_ABREAST * (FGD_ROWS + FGD_DEPTH) + FGD_TALLEST;
    return panels * FGD_NR + FGD_(strip_rows)() * wide + 2 * wide + 2 * FGD_ROWS + 64;
}

static FGD_(room) FGD_(room_of)(const fgd_network *net, int rank) {
    FGD_(room) room;
    ptrdiff_t widest = 0;
    for (int l = 0; l <= net->layers; l++) widest = net->sizes[l] > widest ? net->sizes[l] : widest;
    room.z = (FGD_T *)net->scratch[rank];
    room.packed = room.z + FGD_ABREAST * FGD_ROWS * FGD_NR;
    room.row = room.packed + (FGD_ABREAST * FGD_DEPTH + FGD_TALLEST) * FGD_NR;
    room.values = room.row + 2 * FGD_(padded)(widest);
    room.strip = room.values + 2 * FGD_ROWS;
    return room;
}

/* --- gather: rows of the data into panels -------------------------------------------------------------------------- */

#define FGD_GATHER(U, name)                                                                               \
    static void FGD_(gather_##name)(const U *row, const ptrdiff_t *list, ptrdiff_t n, FGD_T scale,         \
                                    ptrdiff_t panel, FGD_T *out) {                                         \
        ptrdiff_t c = 0;                                                                                   \
        for (; c + FGD_NR <= n && !list; c += FGD_NR, out += panel)                                        \
            for (int k = 0; k < FGD_NR; k++) out[k] = (FGD_T)row[c + k] * scale;                           \
        for (; c + FGD_NR <= n; c += FGD_NR, out += panel)                                                 \
            for (int k = 0; k < FGD_NR; k++) out[k] = (FGD_T)row[list[c + k]] * scale;                     \
        for (int k = 0; c < n; c++, k++) out[k] = (FGD_T)row[list ? list[c] : c] * scale;                  \
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

/* The inputs that are not zero in all of these rows, into `list`; how many, or all where few would be left out. */
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

/* The targets of row k of the order into row b of the panels. */
static void FGD_(gather_target)(const fgd_network *net, ptrdiff_t k, ptrdiff_t b, ptrdiff_t panel) {
    ptrdiff_t n = net->sizes[net->layers];
    const FGD_T *y = (const FGD_T *)net->y + fgd_place(net, k) * n;
    for (ptrdiff_t j = 0; j < FGD_(padded)(n); j++)
        ((FGD_T *)net->targets)[j / FGD_NR * panel + b * FGD_NR + j % FGD_NR] = j < n ? y[j] : 0;
}

static FGD_HOT void FGD_(gather)(const fgd_network *net, ptrdiff_t first, ptrdiff_t m, int rank, const ptrdiff_t *list,
                         ptrdiff_t count) {
    ptrdiff_t panel = m * FGD_NR;
    for (ptrdiff_t b = fgd_share(m, rank, net->barrier.members); b < fgd_share(m, rank + 1, net->barrier.members); b++) {
        if (first + b + 4 < net->n)
            for (ptrdiff_t k = 0; k < net->row; k += 64) FGD_PREFETCH(fgd_row(net, first + b + 4) + k);
        FGD_(gather_row)(net, first + b, count < net->sizes[0] ? list : NULL, count, panel,
                         (FGD_T *)net->values[0] + b * FGD_NR);
        if (net->loss && net->mode != FGD_FORWARD_ONLY) FGD_(gather_target)(net, first + b, b, panel);
    }
}

/* --- forward ------------------------------------------------------------------------------------------------------- */

/* A thread's share of a product: some panels of all rows, or, where there are few panels, all panels of some rows. */
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

/* Units column.. of a row: out or scaled up, value and slope alike. */
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

/* A layer's sums in `count` panels from p on, for rows lo..hi, into panels of `z`. */
static FGD_HOT void FGD_(sums)(const fgd_network *net, int layer, ptrdiff_t m, ptrdiff_t inputs,
                               const ptrdiff_t *offsets, ptrdiff_t p, ptrdiff_t count, ptrdiff_t lo, ptrdiff_t hi,
                               FGD_(room) room, FGD_T *z) {
    ptrdiff_t n = net->sizes[layer + 1], panel = m * FGD_NR;
    const FGD_T *w = (const FGD_T *)net->parameters[2 * layer], *bias = (const FGD_T *)net->parameters[2 * layer + 1];
    FGD_T begin[FGD_ABREAST * FGD_NR];
    for (ptrdiff_t j = 0; j < count * FGD_NR; j++) begin[j] = p * FGD_NR + j < n ? bias[p * FGD_NR + j] : 0;
    for (ptrdiff_t k = 0; k < inputs || k == 0; k += FGD_DEPTH) {
        ptrdiff_t depth = inputs - k < FGD_DEPTH ? inputs - k : FGD_DEPTH;
        const FGD_T *a = (const FGD_T *)net->values[layer] + k / FGD_NR * panel;
        for (ptrdiff_t q = 0; q < count; q++) {
            ptrdiff_t column = (p + q) * FGD_NR;
            FGD_T *to = z + q * panel;
            const FGD_T *from = k ? to : begin + q * FGD_NR;
            if (m <= FGD_FEW && column + FGD_NR <= n)
                FGD_(multiply)(a, panel, lo, hi, depth, w + column, offsets + k, from, k ? FGD_NR : 0, to, FGD_NR);
            else {
                FGD_(pack)(w, n, column, offsets + k, depth, room.packed);
                FGD_(multiply)(a, panel, lo, hi, depth, room.packed, NULL, from, k ? FGD_NR : 0, to, n - column);
            }
        }
    }
}

static void FGD_(forward)(const fgd_network *net, int layer, ptrdiff_t m, ptrdiff_t row, ptrdiff_t update,
                          ptrdiff_t inputs, const ptrdiff_t *offsets, int rank) {
    FGD_(room) room = FGD_(room_of)(net, rank);
    ptrdiff_t panel = m * FGD_NR;
    FGD_(share_t) share = FGD_(share)(FGD_PANELS(net->sizes[layer + 1]), m, rank, net->barrier.members);
    uint64_t base = fgd_drop_base(net, layer, update);
    int last = layer == net->layers - 1;
    for (ptrdiff_t p = share.first; p < share.last; p += FGD_ABREAST) {
        ptrdiff_t count = share.last - p < FGD_ABREAST ? share.last - p : FGD_ABREAST;
        FGD_T *values = (FGD_T *)net->values[layer + 1] + p * panel, *z = last ? values : room.z;
        FGD_(sums)(net, layer, m, inputs, offsets, p, count, share.lo, share.hi, room, z);
        for (ptrdiff_t q = 0; q < count && !last; q++) {
            ptrdiff_t at = q * panel + share.lo * FGD_NR, rows = share.hi - share.lo;
            FGD_T *value = values + at, *slope = (FGD_T *)net->slopes[layer + 1] + p * panel + at;
            void *arrays[] = {z + at, value, slope};
            net->activation(arrays, net->activation_constants, 0, rows * FGD_NR);
            for (ptrdiff_t b = 0; b < rows && net->dropout != 0 && net->mode == FGD_TRAIN; b++)
                FGD_(drop)(net, base, net->sizes[layer + 1], row + share.lo + b, (p + q) * FGD_NR, FGD_NR,
                           value + b * FGD_NR, slope + b * FGD_NR);
        }
    }
}

/* --- loss ---------------------------------------------------------------------------------------------------------- */

/* Outputs of rows lo..hi, less each row's largest, side by side: so exp is taken of whole vectors. */
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
    ptrdiff_t n = net->sizes[net->layers], widest = 0, whole = (hi - lo + FGD_LANES - 1) / FGD_LANES * FGD_LANES;
    FGD_T *delta = (FGD_T *)net->deltas[net->layers], *totals = room.values;
    double *losses = (double *)net->row_losses;
    for (int l = 0; l <= net->layers; l++) widest = net->sizes[l] > widest ? net->sizes[l] : widest;
    ptrdiff_t together = 2 * FGD_(padded)(widest) / n; /* rows that fit into room.row */
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

static void FGD_(separate_outputs)(const fgd_network *net, ptrdiff_t m, ptrdiff_t lo, ptrdiff_t hi, FGD_(room) room) {
    ptrdiff_t n = net->sizes[net->layers], panel = m * FGD_NR;
    double *losses = (double *)net->row_losses;
    for (ptrdiff_t b = lo; b < hi; b++) losses[b] = 0;
    for (ptrdiff_t p = 0; p < FGD_PANELS(n); p++) {
        ptrdiff_t at = p * panel + lo * FGD_NR, left = n - p * FGD_NR < FGD_NR ? n - p * FGD_NR : FGD_NR;
        FGD_T *delta = (FGD_T *)net->deltas[net->layers] + at;
        void *arrays[] = {(FGD_T *)net->values[net->layers] + at, (FGD_T *)net->targets + at, room.z, delta};
        net->loss(arrays, net->loss_constants, 0, (hi - lo) * FGD_NR);
        for (ptrdiff_t b = lo; b < hi; b++, delta += FGD_NR) {
            FGD_T share = (FGD_T)(net->share[b] * net->reduce);
            for (ptrdiff_t j = 0; j < left; j++) {
                double value = (double)room.z[(b - lo) * FGD_NR + j];
                losses[b] += value > net->cap ? net->cap : value;
            }
            for (ptrdiff_t j = 0; j < FGD_NR; j++) delta[j] = j < left ? delta[j] * share : 0;
        }
    }
    for (ptrdiff_t b = lo; b < hi; b++) losses[b] *= net->reduce;
}

static void FGD_(losses)(const fgd_network *net, ptrdiff_t first, ptrdiff_t m, double total, int rank,
                         int members) {
    ptrdiff_t lo = fgd_share(m, rank, members), hi = fgd_share(m, rank + 1, members);
    for (ptrdiff_t b = lo; b < hi; b++) {
        ptrdiff_t k = fgd_place(net, first + b);
        net->share[b] = total > 0 ? (net->weights ? net->weights[k] : 1.0) / total : 0.0;
    }
    if (hi <= lo) return;
    if (net->loss) FGD_(separate_outputs)(net, m, lo, hi, FGD_(room_of)(net, rank));
    else FGD_(softmax)(net, first, m, lo, hi, FGD_(room_of)(net, rank));
}

/* --- backward ------------------------------------------------------------------------------------------------------ */

/* Through the weights of `layer` to what left the layer before, times its slopes. */
static FGD_HOT void FGD_(backward)(const fgd_network *net, int layer, ptrdiff_t m, int rank) {
    FGD_T *packed = FGD_(room_of)(net, rank).packed;
    ptrdiff_t units = net->sizes[layer], n = net->sizes[layer + 1], panel = m * FGD_NR;
    FGD_(share_t) share = FGD_(share)(FGD_PANELS(units), m, rank, net->barrier.members);
    const FGD_T *delta = (const FGD_T *)net->deltas[layer + 1], *w = (const FGD_T *)net->parameters[2 * layer];
    for (ptrdiff_t p = share.first; p < share.last; p++) {
        FGD_T *out = (FGD_T *)net->deltas[layer] + p * panel;
        const FGD_T *slope = (const FGD_T *)net->slopes[layer] + p * panel;
        for (ptrdiff_t j = 0; j < n; j += FGD_DEPTH) {
            ptrdiff_t stop = j + FGD_DEPTH < n ? j + FGD_DEPTH : n;
            FGD_(pack_transposed)(w, n, p * FGD_NR, units, j, stop, packed);
            FGD_(multiply)(delta + j / FGD_NR * panel, panel, share.lo, share.hi, stop - j, packed, NULL,
                           j ? out : NULL, FGD_NR, out, units - p * FGD_NR);
        }
        for (ptrdiff_t i = share.lo * FGD_NR; i < share.hi * FGD_NR; i++) out[i] *= slope[i];
    }
}

/* --- gradients and updates ----------------------------------------------------------------------------------------- */

static int FGD_(penalized)(const fgd_network *net) { return net->l1 != 0 || net->l2 != 0; }

/* Add the penalties' gradient to that of n weights; the penalties themselves. */
static FGD_HOT double FGD_(penalize)(const fgd_network *net, FGD_T *g, const FGD_T *w, ptrdiff_t n, double share) {
    FGD_T l2 = (FGD_T)(net->l2 * share), l1 = (FGD_T)(net->l1 * share);
    double squares = 0, sizes = 0;
    for (ptrdiff_t i = 0; i < n; i++) g[i] += l2 * w[i] + l1 * ((w[i] > 0) - (w[i] < 0));
    if (net->l2 != 0) squares = FGD_SQUARES_OF(w, n);
    if (net->l1 != 0)
        for (ptrdiff_t i = 0; i < n; i++) sizes += fabs((double)w[i]);
    return share * (net->l1 * sizes + net->l2 / 2 * squares);
}

/* Update elements lo..hi of a parameter array by gradients that begin at `g`. */
static void FGD_(update)(const fgd_update *update, ptrdiff_t lo, ptrdiff_t hi, const FGD_T *g) {
    void *arrays[FGD_MOST_ARRAYS];
    for (int k = 0; k < update->count; k++) arrays[k] = (FGD_T *)update->arrays[k] + lo;
    arrays[1] = (void *)g;
    update->loop(arrays, update->coefficients, 0, hi - lo);
}

/* Gradient of the weights of inputs k..k + rows, which lie in whole panels: n columns, added to `g` or new. New ones are
   written as whole vectors, the last panel first: what that writes too much, into the next row, the others write over. */
static FGD_HOT void FGD_(outer_strip)(const fgd_network *net, int layer, ptrdiff_t m, ptrdiff_t k, ptrdiff_t rows,
                                      int add, FGD_(room) room, FGD_T *g) {
    ptrdiff_t n = net->sizes[layer + 1], panel = m * FGD_NR;
    const FGD_T *a = (const FGD_T *)net->values[layer], *d = (const FGD_T *)net->deltas[layer + 1];
    FGD_T *corner = room.packed;
    for (ptrdiff_t q = FGD_PANELS(n) - 1; q >= 0; q--) {
        ptrdiff_t left = n - q * FGD_NR < FGD_NR ? n - q * FGD_NR : FGD_NR;
        for (ptrdiff_t r = 0; r < rows; r += FGD_NR) {
            ptrdiff_t many = rows - r < FGD_NR ? rows - r : FGD_NR, tiles = (many + FGD_TALLEST - 1) / FGD_TALLEST;
            for (ptrdiff_t tile = 0; tile < tiles; tile++) {
                ptrdiff_t i = FGD_(cut)(many, tiles, tile), height = FGD_(cut)(many, tiles, tile + 1) - i;
                FGD_T *to = g + (r + i) * n + q * FGD_NR;
                const FGD_T *from = a + (k + r) / FGD_NR * panel + i;
                if (left == FGD_NR || !add) {
                    FGD_(outers)[left > FGD_LANES][height - 1](from, d + q * panel, m, add ? to : NULL, to, n);
                    continue;
                }
                for (ptrdiff_t c = 0; c < height; c++)
                    memcpy(corner + c * FGD_NR, to + c * n, (size_t)left * sizeof(FGD_T));
                FGD_(outers)[left > FGD_LANES][height - 1](from, d + q * panel, m, corner, corner, FGD_NR);
                for (ptrdiff_t c = 0; c < height; c++)
                    memcpy(to + c * n, corner + c * FGD_NR, (size_t)left * sizeof(FGD_T));
            }
        }
    }
}

/* Update the rows from..to of a layer's weights, whose gradient is zero but for the penalties. */
static double FGD_(update_unused)(const fgd_network *net, int layer, ptrdiff_t from, ptrdiff_t to, double share,
                                  FGD_(room) room) {
    ptrdiff_t n = net->sizes[layer + 1];
    const fgd_update *update = &net->updates[2 * layer];
    double penalty = 0;
    if (update->plain && !FGD_(penalized)(net)) return 0;
    for (ptrdiff_t k = from; k < to; k++) {
        memset(room.row, 0, (size_t)n * sizeof(FGD_T));
        if (FGD_(penalized)(net))
            penalty += FGD_(penalize)(net, room.row, (const FGD_T *)net->parameters[2 * layer] + k * n, n, share);
        FGD_(update)(update, k * n, (k + 1) * n, room.row);
    }
    return penalty;
}

/* Gradients of a strip of weights, and their update while both are in the cache; penalties by panels of inputs. */
static void FGD_(train_strip)(const fgd_network *net, int layer, ptrdiff_t m, ptrdiff_t k, ptrdiff_t rows,
                              const ptrdiff_t *list, ptrdiff_t count, double share, FGD_(room) room, double *parts) {
    ptrdiff_t n = net->sizes[layer + 1], next = k ? (list ? list[k - 1] + 1 : k) : 0;
    const fgd_update *update = &net->updates[2 * layer];
    int penalized = FGD_(penalized)(net);
    FGD_(outer_strip)(net, layer, m, k, rows, 0, room, room.strip);
    for (ptrdiff_t r = 0; r < rows;) {
        ptrdiff_t row = list ? list[k + r] : k + r, many = 1;
        double *part = parts + (k + r) / FGD_NR, penalty;
        while (r + many < rows && !(penalized && (r + many) % FGD_NR == 0) &&
               (!list || list[k + r + many] == row + many))
            many++;
        penalty = FGD_(update_unused)(net, layer, next, row, share, room);
        FGD_T *g = room.strip + r * n;
        if (penalized)
            penalty += FGD_(penalize)(net, g, (const FGD_T *)net->parameters[2 * layer] + row * n, many * n, share);
        *part = r % FGD_NR ? *part + penalty : penalty;
        FGD_(update)(update, row * n, (row + many) * n, g);
        next = row + many;
        r += many;
    }
    if (k + rows == count)
        parts[(count - 1) / FGD_NR] += FGD_(update_unused)(net, layer, next, net->sizes[layer], share, room);
}

static void FGD_(sum_strip)(const fgd_network *net, int layer, ptrdiff_t m, ptrdiff_t k, ptrdiff_t rows,
                            const ptrdiff_t *list, FGD_(room) room) {
    ptrdiff_t n = net->sizes[layer + 1];
    FGD_T *g = (FGD_T *)net->gradients[2 * layer];
    if (!list) {
        FGD_(outer_strip)(net, layer, m, k, rows, 1, room, g + k * n);
        return;
    }
    for (ptrdiff_t r = 0; r < rows; r++)
        memcpy(room.strip + r * n, g + list[k + r] * n, (size_t)n * sizeof(FGD_T));
    FGD_(outer_strip)(net, layer, m, k, rows, 1, room, room.strip);
    for (ptrdiff_t r = 0; r < rows; r++)
        memcpy(g + list[k + r] * n, room.strip + r * n, (size_t)n * sizeof(FGD_T));
}

/* Gradient of the biases of a few panels, and their update. */
static FGD_HOT void FGD_(biases)(const fgd_network *net, int layer, ptrdiff_t m, ptrdiff_t first, ptrdiff_t last,
                                 int separate, FGD_(room) room) {
    ptrdiff_t n = net->sizes[layer + 1], panel = m * FGD_NR, lo = first * FGD_NR;
    ptrdiff_t hi = last * FGD_NR < n ? last * FGD_NR : n;
    const FGD_T *delta = (const FGD_T *)net->deltas[layer + 1];
    FGD_T *sum = room.row, *kept = (FGD_T *)net->gradients[2 * layer + 1];
    for (ptrdiff_t j = lo; j < last * FGD_NR; j++) sum[j - lo] = separate && j < n ? kept[j] : 0;
    for (ptrdiff_t b = 0; b < m; b++)
        for (ptrdiff_t p = first; p < last; p++)
            for (int h = 0; h < 2; h++) {
                FGD_T *to = sum + (p - first) * FGD_NR + h * FGD_LANES;
                FGD_(store)(to, FGD_(load)(to) + FGD_(load)(delta + p * panel + b * FGD_NR + h * FGD_LANES));
            }
    if (separate) memcpy(kept + lo, sum, (size_t)(hi - lo) * sizeof(FGD_T));
    else FGD_(update)(&net->updates[2 * layer + 1], lo, hi, sum);
}

#define FGD_BIAS_PANELS 4

/* Strips into which a layer's panels of inputs are cut: as many for each thread. */
static ptrdiff_t FGD_(strips)(ptrdiff_t panels, int members) {
    ptrdiff_t each = FGD_(strip_rows)() / FGD_NR, least = (panels + each - 1) / each;
    return (least + members - 1) / members * members;
}

/* All gradients of a part of a batch: added to what is there, or used for the update at once; how many penalty_parts
   there are then. */
static ptrdiff_t FGD_(gradients)(const fgd_network *net, ptrdiff_t m, const ptrdiff_t *list, ptrdiff_t count,
                                 int separate, double share, int rank) {
    FGD_(room) room = FGD_(room_of)(net, rank);
    ptrdiff_t parts = 0;
    int members = net->barrier.members;
    for (int layer = 0; layer < net->layers; layer++) {
        ptrdiff_t inputs = layer ? net->sizes[layer] : count, panels = FGD_PANELS(inputs);
        const ptrdiff_t *used = layer || count == net->sizes[0] ? NULL : list;
        ptrdiff_t strips = FGD_(strips)(panels, members);
        if (inputs == 0) {
            if (!separate && rank == 0)
                net->penalty_parts[parts] = FGD_(update_unused)(net, layer, 0, net->sizes[layer], share, room);
            parts++;
        }
        for (ptrdiff_t s = fgd_share(strips, rank, members); s < fgd_share(strips, rank + 1, members); s++) {
            ptrdiff_t k = FGD_(cut)(panels, strips, s) * FGD_NR, end = FGD_(cut)(panels, strips, s + 1) * FGD_NR;
            ptrdiff_t rows = (end < inputs ? end : inputs) - k;
            if (rows > 0 && separate) FGD_(sum_strip)(net, layer, m, k, rows, used, room);
            else if (rows > 0)
                FGD_(train_strip)(net, layer, m, k, rows, used, inputs, share, room, net->penalty_parts + parts);
        }
        parts += panels;
        panels = FGD_PANELS(net->sizes[layer + 1]);
        ptrdiff_t groups = (panels + FGD_BIAS_PANELS - 1) / FGD_BIAS_PANELS;
        for (ptrdiff_t q = rank; q < groups; q += members) {
            ptrdiff_t end = (q + 1) * FGD_BIAS_PANELS < panels ? (q + 1) * FGD_BIAS_PANELS : panels;
            FGD_(biases)(net, layer, m, q * FGD_BIAS_PANELS, end, separate, room);
        }
    }
    return parts;
}

/* --- gradients that are complete before any update ------------------------------------------------------------------ */

static inline ptrdiff_t FGD_(length)(const fgd_network *net, int k) {
    return net->sizes[k / 2 + 1] * (k % 2 ? 1 : net->sizes[k / 2]);
}

static void FGD_(clear_gradients)(const fgd_network *net, int rank) {
    for (int k = 0; k < 2 * net->layers; k++) {
        ptrdiff_t n = FGD_(length)(net, k), lo = fgd_share(n, rank, net->barrier.members);
        ptrdiff_t hi = fgd_share(n, rank + 1, net->barrier.members);
        memset((FGD_T *)net->gradients[k] + lo, 0, (size_t)(hi - lo) * sizeof(FGD_T));
    }
}

/* Penalties' gradients and squares, block by block; how many blocks there are. */
static ptrdiff_t FGD_(penalize_blocks)(const fgd_network *net, double share, int squares, int rank, int members) {
    ptrdiff_t block = 0;
    for (int k = 0; k < 2 * net->layers; k++) {
        ptrdiff_t n = FGD_(length)(net, k);
        for (ptrdiff_t lo = 0; lo < n; lo += FGD_BLOCK, block++) {
            if (block % members != rank) continue;
            ptrdiff_t many = n - lo < FGD_BLOCK ? n - lo : FGD_BLOCK;
            FGD_T *g = (FGD_T *)net->gradients[k] + lo;
            net->penalty_parts[block] = 0;
            if (k % 2 == 0 && FGD_(penalized)(net))
                net->penalty_parts[block] =
                    FGD_(penalize)(net, g, (const FGD_T *)net->parameters[k] + lo, many, share);
            if (squares) net->squares[block] = FGD_SQUARES_OF(g, many);
        }
    }
    return block;
}

static void FGD_(update_blocks)(const fgd_network *net, int rank, int members) {
    ptrdiff_t block = 0;
    for (int k = 0; k < 2 * net->layers; k++) {
        ptrdiff_t n = FGD_(length)(net, k);
        for (ptrdiff_t lo = 0; lo < n; lo += FGD_BLOCK, block++)
            if (block % members == rank)
                FGD_(update)(&net->updates[k], lo, lo + FGD_BLOCK < n ? lo + FGD_BLOCK : n,
                             (FGD_T *)net->gradients[k] + lo);
    }
}

static double FGD_(total)(const double *parts, ptrdiff_t n) {
    double total = 0;
    for (ptrdiff_t k = 0; k < n; k++) total += parts[k];
    return total;
}

/* --- a batch ------------------------------------------------------------------------------------------------------- */

static double FGD_(weight_of)(const fgd_network *net, ptrdiff_t start, ptrdiff_t stop) {
    double total = 0;
    if (!net->weights) return (double)(stop - start);
    for (ptrdiff_t k = start; k < stop; k++) total += net->weights[fgd_place(net, k)];
    return total;
}

static void FGD_(write_outputs)(const fgd_network *net, ptrdiff_t first, ptrdiff_t m, int rank) {
    ptrdiff_t n = net->sizes[net->layers], panel = m * FGD_NR;
    const FGD_T *z = (const FGD_T *)net->values[net->layers];
    for (ptrdiff_t b = fgd_share(m, rank, net->barrier.members); b < fgd_share(m, rank + 1, net->barrier.members); b++)
        for (ptrdiff_t j = 0; j < n; j++)
            ((FGD_T *)net->outputs)[(first + b) * n + j] = z[j / FGD_NR * panel + b * FGD_NR + j % FGD_NR];
}

/* The rows first..first + m: their share of the batch's loss; gradients unless it is not finite. */
static double FGD_(part)(fgd_network *net, ptrdiff_t first, ptrdiff_t m, ptrdiff_t row, ptrdiff_t update, double total,
                         double before, int separate, double share, int rank, ptrdiff_t *tasks) {
    ptrdiff_t *list = net->lists[rank];
    ptrdiff_t count = FGD_(inputs_in_use)(net, first, m, rank, update, list);
    const ptrdiff_t *offsets = count < net->sizes[0] ? list + net->sizes[0] : net->offsets[0];
    FGD_(gather)(net, first, m, rank, list, count);
    fgd_meet(&net->barrier);
    for (int layer = 0; layer < net->layers; layer++) {
        ptrdiff_t inputs = layer ? net->sizes[layer] : count;
        FGD_(forward)(net, layer, m, row, update, inputs, layer ? net->offsets[layer] : offsets, rank);
        fgd_meet(&net->barrier);
    }
    if (net->mode == FGD_FORWARD_ONLY) {
        FGD_(write_outputs)(net, first, m, rank);
        fgd_meet(&net->barrier);
        return 0;
    }
    FGD_(losses)(net, first, m, total, rank, net->barrier.members);
    fgd_meet(&net->barrier);
    for (ptrdiff_t b = 0; b < m; b++) before += net->share[b] * ((double *)net->row_losses)[b];
    if (net->mode == FGD_TRAIN && (net->failed || !isfinite(before))) {
        fgd_meet(&net->barrier);
        return before;
    }
    for (int layer = net->layers - 1; layer > 0; layer--) {
        FGD_(backward)(net, layer, m, rank);
        fgd_meet(&net->barrier);
    }
    *tasks = FGD_(gradients)(net, m, list, count, separate, share, rank);
    fgd_meet(&net->barrier);
    return before;
}

#include "single.h"

/* Update number `update` of the stretch; 0 where it was the last. */
static int FGD_(batch)(fgd_network *net, ptrdiff_t update, int rank) {
    ptrdiff_t start = update * net->batch, stop = start + net->batch < net->n ? start + net->batch : net->n;
    ptrdiff_t place = update - net->first, tasks = 0;
    double loss = 0, total = FGD_(weight_of)(net, start, stop), penalty = 0, squares = 0;
    double share = net->penalty_per_row ? (total > 0 ? 1.0 / total : 1.0) : 1.0;
    int whole = net->mode == FGD_GRADIENT;
    int separate = whole || net->separate || stop - start > FGD_ROWS;
    if (net->mode == FGD_TRAIN && rank == 0) net->failed = !net->begin(net->owner, place);
    if (net->mode != FGD_FORWARD_ONLY && separate) FGD_(clear_gradients)(net, rank);
    int one = net->mode != FGD_FORWARD_ONLY && stop - start == 1;
    if (one) {
        loss = FGD_(single)(net, start, place, total, separate, share, rank);
        tasks = 2;
    }
    for (ptrdiff_t k = start; k < stop && !one; k += FGD_ROWS) {
        ptrdiff_t m = stop - k < FGD_ROWS ? stop - k : FGD_ROWS;
        loss = FGD_(part)(net, k, m, k - start, place, total, loss, separate, share, rank, &tasks);
    }
    if (net->failed) return 0;
    if (net->mode == FGD_FORWARD_ONLY) return 1;
    if (rank == 0) net->losses[place] = loss;
    if (net->mode == FGD_TRAIN && !isfinite(loss)) {
        if (rank == 0) net->diverged = 1;
        return 0;
    }
    if (separate) {
        int measured = net->separate && net->mode == FGD_TRAIN;
        tasks = FGD_(penalize_blocks)(net, share, measured, rank, net->barrier.members);
        fgd_meet(&net->barrier);
        if (measured) {
            squares = FGD_(total)(net->squares, tasks);
            if (rank == 0) net->finish(net->owner, place, squares);
            fgd_meet(&net->barrier);
        }
        if (net->mode == FGD_TRAIN) FGD_(update_blocks)(net, rank, net->barrier.members);
    }
    if (rank == 0) {
        if (FGD_(penalized)(net)) penalty = FGD_(total)(net->penalty_parts, tasks);
        net->penalties[place] = penalty;
        if (net->norms) net->norms[place] = sqrt(squares);
        net->done = place + 1;
    }
    fgd_meet(&net->barrier);
    return 1;
}

/* What each thread of a crew runs. */
static void FGD_(run)(void *arg, int rank) {
    fgd_network *net = (fgd_network *)arg;
    uint64_t mode = fgd_flush_subnormals(net->flush);
    for (ptrdiff_t update = net->first; update < net->last; update++)
        if (!FGD_(batch)(net, update, rank)) break;
    fgd_restore_mode(mode);
}
