/* The backward pass through the layers; gradients of weights and biases, penalties, and updates.
   Part of passes.h, for one precision. */

/* --- backward ------------------------------------------------------------------------------------------------------ */

/* The gradient with respect to the sums of the layer before: through the weights of `layer`, times slopes. */
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
            for (ptrdiff_t b = share.lo; b < share.hi; b += FGD_NEAR) {
                ptrdiff_t end = b + FGD_NEAR < share.hi ? b + FGD_NEAR : share.hi;
                FGD_(multiply)(delta + j / FGD_NR * panel, panel, b, end, stop - j, packed, NULL, j ? out : NULL,
                               FGD_NR, out, units - p * FGD_NR);
                for (ptrdiff_t i = b * FGD_NR; i < end * FGD_NR && stop == n; i++) out[i] *= slope[i];
            }
        }
    }
}

/* --- gradients and updates ----------------------------------------------------------------------------------------- */

#define FGD_VECTORS(n) ((n) > FGD_LANES ? 2 : 1) /* of a panel that have columns in them */

/* Gradient of the weights from `inputs` inputs of a panel to `units` units of another, where these are fewer vectors the
   other way round: the inputs as vectors, the units number by number. The products and the order of the sums are the same. */
static void FGD_(outer_across)(const FGD_T *a, const FGD_T *d, ptrdiff_t m, ptrdiff_t inputs, ptrdiff_t units, int add,
                               FGD_T *corner, FGD_T *g, ptrdiff_t n) {
    ptrdiff_t tiles = (units + FGD_TALLEST - 1) / FGD_TALLEST;
    for (ptrdiff_t tile = 0; tile < tiles; tile++) {
        ptrdiff_t j = FGD_(cut)(units, tiles, tile), height = FGD_(cut)(units, tiles, tile + 1) - j;
        for (ptrdiff_t i = 0; i < inputs && add; i++)
            for (ptrdiff_t c = 0; c < height; c++) corner[c * FGD_NR + i] = g[i * n + j + c];
        FGD_(outers)[FGD_VECTORS(inputs) - 1][height - 1](d + j, a, m, add ? corner : NULL, corner, FGD_NR);
        for (ptrdiff_t i = 0; i < inputs; i++)
            for (ptrdiff_t c = 0; c < height; c++) g[i * n + j + c] = corner[c * FGD_NR + i];
    }
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
            ptrdiff_t moved = 2 * many * left; /* numbers that go to their places one by one */
            if (m * left * FGD_VECTORS(many) + moved < m * many * FGD_VECTORS(left)) {
                FGD_(outer_across)(a + (k + r) / FGD_NR * panel, d + q * panel, m, many, left, add, corner,
                                   g + r * n + q * FGD_NR, n);
                continue;
            }
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

/* Update the rows from..to of a layer's weights, whose gradient is zero except for penalties. */
static void FGD_(update_unused)(const fgd_network *net, int layer, ptrdiff_t from, ptrdiff_t to, double share,
                                FGD_(room) room) {
    ptrdiff_t n = net->sizes[layer + 1];
    const fgd_update *update = &net->updates[2 * layer];
    if (update->plain && !FGD_(penalized)(net)) return;
    for (ptrdiff_t k = from; k < to; k++) {
        memset(room.row, 0, (size_t)n * sizeof(FGD_T));
        if (FGD_(penalized)(net))
            FGD_(penalize)(net, room.row, (const FGD_T *)net->parameters[2 * layer] + k * n, n, share);
        FGD_(update)(update, k * n, (k + 1) * n, room.row);
    }
}

/* The penalties on the weights of a panel of a layer's inputs, whether they are in use or not. */
static double FGD_(panel_penalty)(const fgd_network *net, int layer, ptrdiff_t p, double share) {
    ptrdiff_t n = net->sizes[layer + 1], k = p * FGD_NR, left = net->sizes[layer] - k;
    return FGD_(penalty)(net, (const FGD_T *)net->parameters[2 * layer] + k * n, (left < FGD_NR ? left : FGD_NR) * n,
                         share);
}

/* Gradients of a strip of weights and their update, while both are in the cache. If all inputs are in use, the penalties
   too, by panel. */
static void FGD_(train_strip)(const fgd_network *net, int layer, ptrdiff_t m, ptrdiff_t k, ptrdiff_t rows,
                              const ptrdiff_t *list, ptrdiff_t count, double share, FGD_(room) room, double *parts) {
    ptrdiff_t n = net->sizes[layer + 1], next = k ? (list ? list[k - 1] + 1 : k) : 0;
    const fgd_update *update = &net->updates[2 * layer];
    int penalized = FGD_(penalized)(net);
    FGD_(outer_strip)(net, layer, m, k, rows, 0, room, room.strip);
    for (ptrdiff_t r = 0; r < rows;) {
        ptrdiff_t row = list ? list[k + r] : k + r, many = 1;
        FGD_T *g = room.strip + r * n;
        while (r + many < rows && !(penalized && (r + many) % FGD_NR == 0) &&
               (!list || list[k + r + many] == row + many))
            many++;
        FGD_(update_unused)(net, layer, next, row, share, room);
        if (penalized) FGD_(penalize)(net, g, (const FGD_T *)net->parameters[2 * layer] + row * n, many * n, share);
        if (penalized && !list) parts[row / FGD_NR] = FGD_(panel_penalty)(net, layer, row / FGD_NR, share);
        FGD_(update)(update, row * n, (row + many) * n, g);
        next = row + many;
        r += many;
    }
    if (k + rows == count) FGD_(update_unused)(net, layer, next, net->sizes[layer], share, room);
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

/* Add the rows of so many panels to `sum`, which stays in registers meanwhile. */
#define FGD_ADD_ROWS(P)                                                                                   \
    static FGD_HOT void FGD_(add_rows_##P)(const FGD_T *from, ptrdiff_t panel, ptrdiff_t m, FGD_T *sum) {  \
        FGD_V acc[2 * P];                                                                                  \
        FGD_ALL for (int h = 0; h < 2 * P; h++) acc[h] = FGD_(load)(sum + h * FGD_LANES);                  \
        for (ptrdiff_t b = 0; b < m; b++, from += FGD_NR)                                                  \
            FGD_ALL for (int h = 0; h < 2 * P; h++)                                                        \
                acc[h] += FGD_(load)(from + h / 2 * panel + h % 2 * FGD_LANES);                            \
        FGD_ALL for (int h = 0; h < 2 * P; h++) FGD_(store)(sum + h * FGD_LANES, acc[h]);                  \
    }
FGD_ADD_ROWS(1)
FGD_ADD_ROWS(4)
#undef FGD_ADD_ROWS
#define FGD_BIAS_PANELS 4

/* Gradient and update of the biases of a few panels. */
static FGD_HOT void FGD_(biases)(const fgd_network *net, int layer, ptrdiff_t m, ptrdiff_t first, ptrdiff_t last,
                                 int separate, FGD_(room) room) {
    ptrdiff_t n = net->sizes[layer + 1], panel = m * FGD_NR, lo = first * FGD_NR;
    ptrdiff_t hi = last * FGD_NR < n ? last * FGD_NR : n;
    const FGD_T *delta = (const FGD_T *)net->deltas[layer + 1];
    FGD_T *sum = room.row, *kept = (FGD_T *)net->gradients[2 * layer + 1];
    for (ptrdiff_t j = lo; j < last * FGD_NR; j++) sum[j - lo] = separate && j < n ? kept[j] : 0;
    if (last - first == FGD_BIAS_PANELS) FGD_(add_rows_4)(delta + first * panel, panel, m, sum);
    else
        for (ptrdiff_t p = first; p < last; p++) FGD_(add_rows_1)(delta + p * panel, panel, m, sum + (p - first) * FGD_NR);
    if (separate) memcpy(kept + lo, sum, (size_t)(hi - lo) * sizeof(FGD_T));
    else FGD_(update)(&net->updates[2 * layer + 1], lo, hi, sum);
}

/* How many strips a layer's panels of inputs are cut into: a multiple of the threads. */
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
        ptrdiff_t strips = FGD_(strips)(panels, members), whole = FGD_PANELS(net->sizes[layer]);
        if (used && !separate && FGD_(penalized)(net)) { /* the same sums as if all inputs were in use */
            for (ptrdiff_t p = fgd_share(whole, rank, members); p < fgd_share(whole, rank + 1, members); p++)
                net->penalty_parts[parts + p] = FGD_(panel_penalty)(net, layer, p, share);
            fgd_meet(&net->barrier);
        }
        if (inputs == 0 && !separate && rank == 0)
            FGD_(update_unused)(net, layer, 0, net->sizes[layer], share, room);
        for (ptrdiff_t s = fgd_share(strips, rank, members); s < fgd_share(strips, rank + 1, members); s++) {
            ptrdiff_t k = FGD_(cut)(panels, strips, s) * FGD_NR, end = FGD_(cut)(panels, strips, s + 1) * FGD_NR;
            ptrdiff_t rows = (end < inputs ? end : inputs) - k;
            if (rows > 0 && separate) FGD_(sum_strip)(net, layer, m, k, rows, used, room);
            else if (rows > 0)
                FGD_(train_strip)(net, layer, m, k, rows, used, inputs, share, room, net->penalty_parts + parts);
        }
        parts += whole;
        if (!net->parameters[2 * layer + 1]) continue;
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

static void FGD_(clear_gradients)(const fgd_network *net, int rank) {
    for (int k = 0; k < 2 * net->layers; k++) {
        ptrdiff_t n = FGD_(length)(net, k), lo = fgd_share(n, rank, net->barrier.members);
        ptrdiff_t hi = fgd_share(n, rank + 1, net->barrier.members);
        if (n) memset((FGD_T *)net->gradients[k] + lo, 0, (size_t)(hi - lo) * sizeof(FGD_T));
    }
}

/* Penalties, their gradients and sums of squares, block by block; returns the number of blocks. */
static ptrdiff_t FGD_(penalize_blocks)(const fgd_network *net, double share, int squares, int rank, int members) {
    ptrdiff_t block = 0;
    for (int k = 0; k < 2 * net->layers; k++) {
        ptrdiff_t n = FGD_(length)(net, k);
        for (ptrdiff_t lo = 0; lo < n; lo += FGD_BLOCK, block++) {
            if (block % members != rank) continue;
            ptrdiff_t many = n - lo < FGD_BLOCK ? n - lo : FGD_BLOCK;
            FGD_T *g = (FGD_T *)net->gradients[k] + lo;
            net->penalty_parts[block] = 0;
            if (k % 2 == 0 && FGD_(penalized)(net)) {
                const FGD_T *w = (const FGD_T *)net->parameters[k] + lo;
                FGD_(penalize)(net, g, w, many, share);
                net->penalty_parts[block] = FGD_(penalty)(net, w, many, share);
            }
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
