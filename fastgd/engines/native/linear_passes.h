/* A batch of a linear model, for one precision: linear_kernels.h includes this twice.

   A block of rows is summed tile by tile; a thread takes whole blocks, and their sums are added in the order of the rows.
   While the kernels run, the weights lie output by output in whole chunks. */

/* A thread's own memory. Only the first thread uses what follows `part`. */
typedef struct {
    double *loss;               /* of a block */
    FGD_T *z, *y, *value, *slope; /* of a tile: output by output, FGD_TILE_ROWS of each */
    FGD_T *copies;              /* of rows that cannot be read where they are */
    FGD_T *chains;              /* of the intercepts' sums, a chunk for each output */
    FGD_T *part;                /* a block's sums: weights as they lie here, then intercepts */
    FGD_T *total, *weights, *gradient;
    FGD_(cut_t) cut;
    ptrdiff_t width, inputs, outputs;
} FGD_(desk);

static ptrdiff_t FGD_(tile_rows)(ptrdiff_t width) {
    ptrdiff_t rows = FGD_TILE_BYTES / (width * (ptrdiff_t)sizeof(FGD_T)) / 16 * 16;
    return rows < 16 ? 16 : rows < FGD_TILE_ROWS ? rows : FGD_TILE_ROWS;
}

static ptrdiff_t FGD_(block_rows)(ptrdiff_t width) {
    ptrdiff_t rows = FGD_BLOCK_NUMBERS / width / FGD_TILE_ROWS * FGD_TILE_ROWS;
    return rows < FGD_TILE_ROWS ? FGD_TILE_ROWS : rows < FGD_BLOCK_ROWS ? rows : FGD_BLOCK_ROWS;
}

static inline ptrdiff_t FGD_(sums)(ptrdiff_t width, ptrdiff_t outputs) { return outputs * width + FGD_(width)(outputs); }

/* How many numbers a thread's memory holds. */
static ptrdiff_t FGD_(linear_room)(ptrdiff_t inputs, ptrdiff_t outputs) {
    ptrdiff_t width = FGD_(width)(inputs);
    return FGD_CHUNK * (1 + outputs) + FGD_TILE_ROWS * (4 * outputs + width) + 4 * FGD_(sums)(width, outputs);
}

static FGD_(desk) FGD_(desk_of)(const fgd_network *net, int rank) {
    FGD_(desk) desk;
    desk.inputs = net->sizes[0];
    desk.outputs = net->sizes[1];
    desk.width = FGD_(width)(desk.inputs);
    desk.cut = FGD_(cut_of)(desk.inputs);
    ptrdiff_t tile = FGD_TILE_ROWS * desk.outputs, sums = FGD_(sums)(desk.width, desk.outputs);
    desk.loss = (double *)net->scratch[rank];
    desk.z = (FGD_T *)net->scratch[rank] + FGD_CHUNK;
    desk.y = desk.z + tile;
    desk.value = desk.y + tile;
    desk.slope = desk.value + tile;
    desk.copies = desk.slope + tile;
    desk.chains = desk.copies + FGD_TILE_ROWS * desk.width;
    desk.part = desk.chains + FGD_CHUNK * desk.outputs;
    desk.total = desk.part + sums;
    desk.weights = desk.total + sums;
    desk.gradient = desk.weights + sums;
    return desk;
}

/* --- rows ----------------------------------------------------------------------------------------------------------- */

static FGD_T *FGD_(copied_row)(const fgd_network *net, const char *row, ptrdiff_t n, FGD_T *out) {
    FGD_T scale = (FGD_T)net->scale;
    for (ptrdiff_t k = 0; k < n; k++)
        out[k] = net->kind == FGD_BYTES         ? (FGD_T)((const uint8_t *)row)[k] * scale
                 : net->kind == FGD_SINGLE_ROWS ? (FGD_T)((const float *)row)[k] * scale
                                                : (FGD_T)((const double *)row)[k] * scale;
    return out;
}

/* Ask for row k of the order, and its target: where rows are read in any order, no processor foresees them. (Not inlined,
   it would have no effect in GCC's eyes, and no calls.) */
FGD_INLINE void FGD_(fetch_row)(const fgd_network *net, ptrdiff_t k, ptrdiff_t outputs) {
    const char *row = fgd_row(net, k);
    for (ptrdiff_t at = 0; at < net->row; at += 64) FGD_PREFETCH(row + at);
    FGD_PREFETCH(row + net->row - 1);
    if (net->y && net->loss) FGD_PREFETCH((const FGD_T *)net->y + fgd_place(net, k) * outputs);
    else if (net->y) FGD_PREFETCH((const int32_t *)net->y + fgd_place(net, k));
}

/* Where rows first..first + m of the order are; copied if they need converting, or end where the data do. */
static void FGD_(find_rows)(const fgd_network *net, FGD_(desk) *desk, ptrdiff_t first, ptrdiff_t m, const FGD_T **rows) {
    int in_place = net->kind == FGD_KIND && net->scale == 1.0;
    ptrdiff_t bytes = desk->width * (ptrdiff_t)sizeof(FGD_T), ahead = first + (m > FGD_AHEAD ? m : FGD_AHEAD);
    for (ptrdiff_t b = 0; b < m; b++) {
        const char *row = fgd_row(net, first + b);
        if (net->order && ahead + b < net->n) FGD_(fetch_row)(net, ahead + b, desk->outputs);
        rows[b] = in_place && net->end - row >= bytes
                      ? (const FGD_T *)row
                      : FGD_(copied_row)(net, row, desk->inputs, desk->copies + b * desk->width);
    }
}

static void FGD_(outputs_of)(const fgd_network *net, FGD_(desk) *desk, const FGD_T **rows, ptrdiff_t m,
                             const FGD_T *weights) {
    const FGD_T *intercepts = (const FGD_T *)net->parameters[1];
    FGD_(dots_t) dots = FGD_(dots)[desk->cut.groups > 0][desk->cut.rest - 1];
    for (ptrdiff_t c = 0; c < desk->outputs; c++)
        dots(rows, m, weights + c * desk->width, intercepts[c], &desk->cut, desk->z + c * FGD_TILE_ROWS);
}

/* --- losses --------------------------------------------------------------------------------------------------------- */

/* Values and slopes of a tile's outputs, each by itself. */
static void FGD_(separate_losses)(const fgd_network *net, FGD_(desk) *desk, ptrdiff_t first, ptrdiff_t m, double *losses) {
    ptrdiff_t n = desk->outputs;
    const FGD_T *y = (const FGD_T *)net->y;
    for (ptrdiff_t b = 0; b < m; b++)
        for (ptrdiff_t c = 0; c < n; c++) desk->y[c * FGD_TILE_ROWS + b] = y[fgd_place(net, first + b) * n + c];
    for (ptrdiff_t b = 0; b < m; b++) losses[b] = 0;
    for (ptrdiff_t c = 0; c < n; c++) {
        ptrdiff_t at = c * FGD_TILE_ROWS;
        void *arrays[] = {desk->z + at, desk->y + at, desk->value + at, desk->slope + at};
        net->loss(arrays, net->loss_constants, 0, m);
        for (ptrdiff_t b = 0; b < m; b++) {
            double value = (double)desk->value[at + b];
            losses[b] += value > net->cap ? net->cap : value;
        }
    }
    for (ptrdiff_t b = 0; b < m; b++) losses[b] *= net->reduce;
}

/* Softmax with cross-entropy; `value` has the totals. */
static void FGD_(coupled_losses)(const fgd_network *net, FGD_(desk) *desk, ptrdiff_t first, ptrdiff_t m, double *losses) {
    ptrdiff_t n = desk->outputs, labels[FGD_TILE_ROWS];
    FGD_T *most = desk->y, *total = desk->value, *slope = desk->slope;
    for (ptrdiff_t b = 0; b < m; b++) {
        labels[b] = ((const int32_t *)net->y)[fgd_place(net, first + b)];
        most[b] = desk->z[b];
        total[b] = 0;
    }
    for (ptrdiff_t b = m; b < FGD_TILE_ROWS; b++) total[b] = 1;
    for (ptrdiff_t c = 1; c < n; c++)
        for (ptrdiff_t b = 0; b < m; b++) {
            FGD_T z = desk->z[c * FGD_TILE_ROWS + b];
            most[b] = z > most[b] ? z : most[b];
        }
    for (ptrdiff_t c = 0; c < n; c++) {
        FGD_T *out = slope + c * FGD_TILE_ROWS;
        void *arrays[] = {out, out};
        for (ptrdiff_t b = 0; b < m; b++) out[b] = desk->z[c * FGD_TILE_ROWS + b] - most[b];
        for (ptrdiff_t b = 0; b < m; b++)
            if (labels[b] == c) losses[b] = -(double)out[b];
        net->exponential(arrays, NULL, 0, m);
        for (ptrdiff_t b = 0; b < m; b++) total[b] += out[b];
    }
    for (ptrdiff_t c = 0; c < n; c++)
        for (ptrdiff_t b = 0; b < m; b++)
            slope[c * FGD_TILE_ROWS + b] = slope[c * FGD_TILE_ROWS + b] / total[b] - (FGD_T)(labels[b] == c);
    void *arrays[] = {total, total};
    net->logarithm(arrays, NULL, 0, m);
    for (ptrdiff_t b = 0; b < m; b++) {
        losses[b] += (double)total[b];
        if (losses[b] > net->cap) losses[b] = net->cap;
    }
}

/* --- sums of a block -------------------------------------------------------------------------------------------------- */

/* Add what a tile's rows give to the sums of the block; `each` is the share of a row without weights. */
static FGD_HOT void FGD_(tile)(const fgd_network *net, FGD_(desk) *desk, ptrdiff_t first, ptrdiff_t m, double total,
                               const FGD_T *weights) {
    const FGD_T *rows[FGD_TILE_ROWS];
    double losses[FGD_TILE_ROWS], share[FGD_TILE_ROWS];
    FGD_T scale[FGD_TILE_ROWS];
    ptrdiff_t whole = (m + FGD_CHUNK - 1) / FGD_CHUNK * FGD_CHUNK;
    FGD_(find_rows)(net, desk, first, m, rows);
    FGD_(outputs_of)(net, desk, rows, m, weights);
    if (net->loss) FGD_(separate_losses)(net, desk, first, m, losses);
    else FGD_(coupled_losses)(net, desk, first, m, losses);
    for (ptrdiff_t b = 0; b < m; b++) {
        double weight = net->weights ? net->weights[fgd_place(net, first + b)] : 1.0;
        share[b] = total > 0 ? weight / total : 0.0;
        scale[b] = (FGD_T)(net->loss ? share[b] * net->reduce : share[b]);
    }
    for (ptrdiff_t b = 0; b < m; b++) desk->loss[b % FGD_LOSS_CHAINS] += share[b] * losses[b];
    for (ptrdiff_t c = 0; c < desk->outputs; c++) {
        FGD_T *slope = desk->slope + c * FGD_TILE_ROWS, *chains = desk->chains + c * FGD_CHUNK;
        for (ptrdiff_t b = 0; b < m; b++) slope[b] *= scale[b];
        for (ptrdiff_t b = m; b < whole; b++) slope[b] = 0;
        for (ptrdiff_t b = 0; b < whole; b += FGD_CHUNK)
            for (ptrdiff_t k = 0; k < FGD_CHUNK; k++) chains[k] += slope[b + k];
        FGD_(add)[desk->cut.rest - 1](rows, m, slope, &desk->cut, desk->part + c * desk->width);
    }
}

/* Loss and gradient sums of rows start..stop. */
static void FGD_(block)(const fgd_network *net, FGD_(desk) *desk, ptrdiff_t start, ptrdiff_t stop, double total,
                        const FGD_T *weights) {
    ptrdiff_t tile = FGD_(tile_rows)(desk->width), n = desk->outputs;
    memset(desk->part, 0, (size_t)FGD_(sums)(desk->width, n) * sizeof(FGD_T));
    memset(desk->chains, 0, (size_t)(n * FGD_CHUNK) * sizeof(FGD_T));
    memset(desk->loss, 0, 64);
    for (ptrdiff_t k = start; k < stop; k += tile)
        FGD_(tile)(net, desk, k, stop - k < tile ? stop - k : tile, total, weights);
    for (ptrdiff_t c = 0; c < n; c++) {
        FGD_V chunk[FGD_PER];
        memcpy(chunk, desk->chains + c * FGD_CHUNK, sizeof chunk);
        desk->part[n * desk->width + c] = FGD_(sum_of)(chunk);
    }
    desk->loss[0] = fgd_paired(desk->loss);
}

#include "linear_single.h"

/* The sums of all rows of a batch in the first thread's memory: returned where the loss is returned in `loss`. */
static FGD_T *FGD_(sum_rows)(const fgd_network *net, FGD_(desk) *desk, ptrdiff_t start, ptrdiff_t stop, int rank,
                             double *loss) {
    int members = net->barrier.members;
    ptrdiff_t rows = FGD_(block_rows)(desk->width), count = FGD_(sums)(desk->width, desk->outputs);
    const FGD_T *weights = FGD_(desk_of)(net, 0).weights;
    double total = FGD_(weight_of)(net, start, stop);
    if (stop - start == 1) {
        if (rank == 0) *loss = FGD_(single)(net, desk, start);
        return desk->part;
    }
    if (stop - start <= rows) {
        if (rank == 0) FGD_(block)(net, desk, start, stop, total, weights);
        *loss = desk->loss[0];
        return desk->part;
    }
    for (ptrdiff_t first = start; first < stop; first += members * rows) {
        ptrdiff_t own = first + rank * rows;
        if (own < stop) FGD_(block)(net, desk, own, own + rows < stop ? own + rows : stop, total, weights);
        fgd_meet((fgd_barrier *)&net->barrier);
        for (int r = 0; rank == 0 && r < members && first + r * rows < stop; r++) {
            FGD_(desk) other = FGD_(desk_of)(net, r);
            int begins = first == start && r == 0;
            *loss = begins ? other.loss[0] : *loss + other.loss[0];
            for (ptrdiff_t i = 0; i < count; i++) desk->total[i] = begins ? other.part[i] : desk->total[i] + other.part[i];
        }
        fgd_meet((fgd_barrier *)&net->barrier);
    }
    return desk->total;
}

/* --- updates -------------------------------------------------------------------------------------------------------------- */

/* Weights, (inputs, outputs), to output by output in whole chunks, and back. */
static void FGD_(pack_weights)(const FGD_T *w, FGD_(desk) *desk, FGD_T *packed) {
    ptrdiff_t n = desk->outputs;
    for (ptrdiff_t c = 0; c < n; c++)
        for (ptrdiff_t k = 0; k < desk->inputs; k++) packed[c * desk->width + k] = w[k * n + c];
}

static void FGD_(unpack_weights)(const FGD_T *packed, FGD_(desk) *desk, FGD_T *w) {
    ptrdiff_t n = desk->outputs;
    for (ptrdiff_t c = 0; c < n; c++)
        for (ptrdiff_t k = 0; k < desk->inputs; k++) w[k * n + c] = packed[c * desk->width + k];
}

/* Whether the updates are p - lr g and nothing else: then they are made where the weights are packed. */
static int FGD_(is_plain)(const fgd_network *net) {
    return net->updates[0].plain && net->updates[1].plain && !net->separate;
}

static double FGD_(norm_squares)(const FGD_T *g, ptrdiff_t n, double total) {
    for (ptrdiff_t lo = 0; lo < n; lo += FGD_BLOCK) total += FGD_SQUARES_OF(g + lo, n - lo < FGD_BLOCK ? n - lo : FGD_BLOCK);
    return total;
}

/* Update the parameters by sums of the rows; returns the squared norm of the gradients where it is wanted. */
static double FGD_(make_update)(fgd_network *net, FGD_(desk) *desk, FGD_T *sum, ptrdiff_t place) {
    ptrdiff_t n = desk->outputs, numbers = n * desk->width;
    FGD_T *w = desk->weights, *intercepts = (FGD_T *)net->parameters[1], *g = sum, *own = sum + numbers;
    double squares = 0;
    if (FGD_(is_plain)(net)) {
        FGD_T rate = ((const FGD_T *)net->updates[0].coefficients)[0];
        for (ptrdiff_t i = 0; i < numbers; i += FGD_LANES)
            FGD_(store)(w + i, FGD_(load)(w + i) - FGD_SET1(rate) * FGD_(load)(sum + i));
        rate = ((const FGD_T *)net->updates[1].coefficients)[0];
        for (ptrdiff_t c = 0; c < n; c++) intercepts[c] = intercepts[c] - rate * own[c];
        return 0;
    }
    if (n > 1) FGD_(unpack_weights)(sum, desk, g = desk->gradient);
    if (net->separate) {
        squares = FGD_(norm_squares)(own, n, FGD_(norm_squares)(g, n * desk->inputs, 0));
        net->finish(net->owner, place, squares);
    }
    FGD_(update)(&net->updates[0], 0, n * desk->inputs, g);
    FGD_(update)(&net->updates[1], 0, n, own);
    FGD_(pack_weights)((const FGD_T *)net->parameters[0], desk, w);
    return squares;
}

/* What the first thread does with the sums of a batch. */
static void FGD_(use_sums)(fgd_network *net, FGD_(desk) *desk, FGD_T *sum, double loss, double share, ptrdiff_t place) {
    ptrdiff_t n = desk->outputs, numbers = n * desk->width;
    int check = net->check_every && (net->check_since + place + 1) % net->check_every == 0;
    double squares = 0;
    net->losses[place] = loss;
    net->diverged = net->mode == FGD_TRAIN && !isfinite(loss);
    if (net->diverged) return;
    net->penalties[place] = 0;
    if (FGD_(penalized)(net)) {
        FGD_(penalize)(net, sum, desk->weights, numbers, share);
        net->penalties[place] = FGD_(penalty)(net, desk->weights, numbers, share);
    }
    if (net->mode == FGD_GRADIENT) {
        FGD_(unpack_weights)(sum, desk, (FGD_T *)net->gradients[0]);
        memcpy(net->gradients[1], sum + numbers, (size_t)n * sizeof(FGD_T));
        return;
    }
    squares = FGD_(make_update)(net, desk, sum, place);
    if (net->norms) net->norms[place] = sqrt(squares);
    FGD_(add_to_averages)(net, place, desk->weights, desk->width);
    net->done = place + 1;
    if (!check) return;
    if (FGD_(is_plain)(net)) FGD_(unpack_weights)(desk->weights, desk, (FGD_T *)net->parameters[0]);
    FGD_(check)(net);
}

/* Outputs of rows start..stop, or what they predict. */
static void FGD_(write_rows)(fgd_network *net, FGD_(desk) *desk, ptrdiff_t start, ptrdiff_t stop, int rank) {
    const FGD_T *rows[FGD_TILE_ROWS], *weights = FGD_(desk_of)(net, 0).weights;
    ptrdiff_t tile = FGD_(tile_rows)(desk->width), n = desk->outputs;
    for (ptrdiff_t k = start + rank * tile; k < stop; k += net->barrier.members * tile) {
        ptrdiff_t m = stop - k < tile ? stop - k : tile;
        FGD_(find_rows)(net, desk, k, m, rows);
        FGD_(outputs_of)(net, desk, rows, m, weights);
        if (net->strict && !FGD_(rows_are_finite)(rows, m, &desk->cut)) net->not_finite = 1;
        FGD_T *out = (FGD_T *)net->outputs + k * n;
        for (ptrdiff_t b = 0; b < m; b++)
            for (ptrdiff_t c = 0; c < n; c++) out[b * n + c] = desk->z[c * FGD_TILE_ROWS + b];
        if (net->predicts == FGD_CLASSES) FGD_(softmax_rows)(net, m, desk->value, out);
        else if (net->predicts != FGD_VALUES) FGD_(separate_rows)(net, m, desk->value, out);
    }
}

/* Make an update, counted from the first epoch of the order; returns 0 if training ends with it. */
static int FGD_(linear_batch)(fgd_network *net, FGD_(desk) *desk, ptrdiff_t update, int rank) {
    ptrdiff_t begin = net->order ? update / net->epoch_updates * net->epoch_rows : 0;
    ptrdiff_t end = begin + net->epoch_rows, start = begin + update % net->epoch_updates * net->batch;
    ptrdiff_t stop = start + net->batch < end ? start + net->batch : end, place = update - net->origin;
    double loss = 0, share = 1.0;
    if (net->mode == FGD_FORWARD_ONLY) {
        FGD_(write_rows)(net, desk, start, stop, rank);
        return 1;
    }
    if (net->penalty_per_row) {
        double total = FGD_(weight_of)(net, start, stop);
        share = total > 0 ? 1.0 / total : 1.0;
    }
    if (net->mode == FGD_TRAIN && rank == 0) net->failed = !net->begin(net->owner, place);
    FGD_T *sum = FGD_(sum_rows)(net, desk, start, stop, rank, &loss);
    if (rank == 0 && !net->failed) FGD_(use_sums)(net, desk, sum, loss, share, place);
    fgd_meet(&net->barrier);
    return !(net->failed || net->diverged || net->overflowed);
}

/* The work of each thread of the team. */
static void FGD_(linear_run)(void *arg, int rank) {
    fgd_network *net = (fgd_network *)arg;
    uint64_t mode = fgd_flush_subnormals(net->flush);
    FGD_(desk) desk = FGD_(desk_of)(net, rank);
    if (rank == 0) {
        memset(desk.weights, 0, (size_t)(desk.outputs * desk.width) * sizeof(FGD_T));
        FGD_(pack_weights)((const FGD_T *)net->parameters[0], &desk, desk.weights);
    }
    fgd_meet(&net->barrier);
    for (ptrdiff_t update = net->first; update < net->last; update++)
        if (!FGD_(linear_batch)(net, &desk, update, rank)) break;
    if (rank == 0 && net->mode == FGD_TRAIN && FGD_(is_plain)(net))
        FGD_(unpack_weights)(desk.weights, &desk, (FGD_T *)net->parameters[0]);
    fgd_restore_mode(mode);
}
