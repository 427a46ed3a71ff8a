/* A batch, phase by phase, for one precision: network_kernels.h includes this once for float and once for double. */

#define FGD_PANELS(n) (((n) + FGD_NR - 1) / FGD_NR)

/* The parts of a thread's own memory; each begins on a cache line. */
typedef struct {
    FGD_T *z, *packed, *strip, *row, *values;
} FGD_(room);

static inline ptrdiff_t FGD_(padded)(ptrdiff_t n) { return FGD_PANELS(n) * FGD_NR; }
static inline ptrdiff_t FGD_(strip_rows)(void) { return FGD_STRIP > FGD_NR ? FGD_STRIP / FGD_NR * FGD_NR : FGD_NR; }

/* How many numbers a thread's memory holds, for the widest layer. */
static ptrdiff_t FGD_(room_size)(ptrdiff_t widest, ptrdiff_t outputs) {
    (void)outputs;
    ptrdiff_t wide = FGD_(padded)(widest);
    ptrdiff_t panels = FGD_ABREAST * (FGD_ROWS + FGD_DEPTH) + FGD_TALLEST;
    return panels * FGD_NR + FGD_(strip_rows)() * wide + 2 * wide + 2 * FGD_ROWS + 64;
}

/* How many numbers fit into `row` of a thread's memory: two rows of the widest layer. */
static inline ptrdiff_t FGD_(row_room)(const fgd_network *net) {
    ptrdiff_t widest = 0;
    for (int l = 0; l <= net->layers; l++) widest = net->sizes[l] > widest ? net->sizes[l] : widest;
    return 2 * FGD_(padded)(widest);
}

static FGD_(room) FGD_(room_of)(const fgd_network *net, int rank) {
    FGD_(room) room;
    room.z = (FGD_T *)net->scratch[rank];
    room.packed = room.z + FGD_ABREAST * FGD_ROWS * FGD_NR;
    room.row = room.packed + (FGD_ABREAST * FGD_DEPTH + FGD_TALLEST) * FGD_NR;
    room.values = room.row + FGD_(row_room)(net);
    room.strip = room.values + 2 * FGD_ROWS;
    return room;
}

#include "passes_forward.h"
#include "passes_backward.h"
#include "passes_assess.h"
#include "passes_predict.h"

/* --- a batch ------------------------------------------------------------------------------------------------------- */

/* A pass over rows first..first + m: returns `before` plus their loss, computes gradients if that is finite. */
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
    if (net->mode == FGD_ASSESS) {
        if (rank == 0) FGD_(judge)(net, first, m);
        fgd_meet(&net->barrier);
        return before;
    }
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

/* Rows start..stop of the data without an update: their outputs, or what they add to the sums of FGD_ASSESS. */
static void FGD_(look)(fgd_network *net, ptrdiff_t start, ptrdiff_t stop, ptrdiff_t place, int rank) {
    double total = FGD_(weight_of)(net, 0, net->n), loss = net->loss_sum;
    ptrdiff_t tasks = 0;
    for (ptrdiff_t k = start; k < stop; k += FGD_ROWS) {
        ptrdiff_t m = stop - k < FGD_ROWS ? stop - k : FGD_ROWS;
        loss = FGD_(part)(net, k, m, k - start, place, total, loss, 0, 1.0, rank, &tasks);
    }
    if (rank == 0) net->loss_sum = loss;
    fgd_meet(&net->barrier);
}

/* Make an update, counted from the first epoch of the order; returns 0 if training ends with it. */
static int FGD_(batch)(fgd_network *net, ptrdiff_t update, int rank) {
    ptrdiff_t begin = net->order ? update / net->epoch_updates * net->epoch_rows : 0;
    ptrdiff_t end = begin + net->epoch_rows, start = begin + update % net->epoch_updates * net->batch;
    ptrdiff_t stop = start + net->batch < end ? start + net->batch : end;
    ptrdiff_t place = update - net->origin, tasks = 0;
    int check = net->check_every && (net->check_since + place + 1) % net->check_every == 0;
    double loss = 0, total = FGD_(weight_of)(net, start, stop), penalty = 0, squares = 0;
    double share = net->penalty_per_row ? (total > 0 ? 1.0 / total : 1.0) : 1.0;
    if (net->mode < FGD_GRADIENT) {
        FGD_(look)(net, start, stop, place, rank);
        return 1;
    }
    int whole = net->mode == FGD_GRADIENT;
    int separate = whole || net->separate || stop - start > FGD_ROWS;
    if (net->mode == FGD_TRAIN && rank == 0) net->failed = !net->begin(net->owner, place);
    if (separate) FGD_(clear_gradients)(net, rank);
    int one = stop - start == 1;
    if (one) {
        loss = FGD_(single)(net, start, place, total, separate, share, rank);
        tasks = 2;
    }
    for (ptrdiff_t k = start; k < stop && !one; k += FGD_ROWS) {
        ptrdiff_t m = stop - k < FGD_ROWS ? stop - k : FGD_ROWS;
        loss = FGD_(part)(net, k, m, k - start, place, total, loss, separate, share, rank, &tasks);
    }
    if (net->failed) return 0;
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
        if (check || net->averages[0]) fgd_meet(&net->barrier);
    }
    if (rank == 0) {
        if (FGD_(penalized)(net)) penalty = FGD_(total)(net->penalty_parts, tasks);
        net->penalties[place] = penalty;
        if (net->norms) net->norms[place] = sqrt(squares);
        if (net->averages[0]) FGD_(add_to_averages)(net, place, NULL, 0);
        net->done = place + 1;
        if (check) FGD_(check)(net);
        if (net->deadline != 0) net->late = fgd_seconds() > net->deadline;
    }
    fgd_meet(&net->barrier);
    return !net->overflowed && !net->late;
}

/* The work of each thread of the team. */
static void FGD_(run)(void *arg, int rank) {
    fgd_network *net = (fgd_network *)arg;
    uint64_t mode = fgd_flush_subnormals(net->flush);
    for (ptrdiff_t update = net->first; update < net->last; update++)
        if (!FGD_(batch)(net, update, rank)) break;
    fgd_restore_mode(mode);
}
