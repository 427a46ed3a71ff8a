/* The description of the work of passes over batches of rows (network_kernels.h), and their results. */
#ifndef FASTGD_NETWORK_H
#define FASTGD_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include "barrier.h"
#include "layout.h"

#define FGD_ROWS 256       /* rows of a batch that are processed together: the input of a layer stays in the cache */
#define FGD_DEPTH 128      /* rows of packed weights: a panel of them stays in the first-level cache */
#define FGD_ABREAST 4      /* panels of weights that are read together: whole cache lines, and their neighbours */
#define FGD_MOST_LAYERS 64
#define FGD_MOST_ARRAYS 8  /* parameter, gradient, state of a rule */
#define FGD_FEW 10         /* rows up to which weights are read in place */
#define FGD_NEAR 48        /* rows of a panel that are multiplied and then activated: both stay in the first-level cache */
#define FGD_STRIP 48       /* rows of weights whose gradient is computed together: it stays in the second-level cache */
#define FGD_LOOK_AGAIN 64  /* updates until dense inputs are examined again */

typedef void (*fgd_loop)(void **arrays, const void *c, ptrdiff_t lo, ptrdiff_t hi);

typedef struct { /* how one parameter array is updated */
    fgd_loop loop;
    void **arrays; /* parameter, gradient, state... */
    int count;
    const void *coefficients;
    int plain; /* p - lr g only: nothing to do where g is 0 */
} fgd_update;

enum { FGD_FORWARD_ONLY, FGD_ASSESS, FGD_GRADIENT, FGD_TRAIN };
enum { FGD_CLASSES, FGD_LABELS, FGD_COUNTS, FGD_VALUES }; /* what the outputs predict */
enum { FGD_BYTES, FGD_SINGLE_ROWS, FGD_DOUBLE_ROWS };

typedef struct {
    /* the network */
    int layers;
    ptrdiff_t sizes[FGD_MOST_LAYERS + 1];
    void *parameters[2 * FGD_MOST_LAYERS]; /* weights, biases (NULL: a network without any), weights, ... */
    void *gradients[2 * FGD_MOST_LAYERS]; /* full size, if they are results or summed over parts of a batch */
    fgd_update updates[2 * FGD_MOST_LAYERS];
    fgd_loop activation; /* (z, value, slope) */
    const void *activation_constants;
    fgd_loop loss; /* (z, y, value, slope); NULL: softmax with cross-entropy */
    const void *loss_constants;
    fgd_loop exponential, logarithm; /* (x, y) as whole vectors */
    double reduce;                  /* factor of a row's loss: 1, or 1 / outputs */
    double cap;                     /* upper limit of the loss of an output */
    double l1, l2, dropout;
    int penalty_per_row;
    uint64_t seed, t; /* t: updates before the first */
    /* the rows */
    const char *x;
    ptrdiff_t row, n; /* bytes from one row to the next; rows in `order`, epoch after epoch */
    const char *end;  /* of linear models: behind the last number of a row */
    int kind;
    double scale;
    const void *y; /* int32 or this precision, rows of outputs */
    const double *weights;
    const int32_t *order; /* NULL: in the order of the data */
    /* the work */
    int mode, flush, sparse; /* sparse: leave out zero inputs */
    int separate;            /* gradients first, then the updates: their norm is needed */
    ptrdiff_t batch, first, last, origin; /* origin: the update whose results come first */
    ptrdiff_t epoch_rows, epoch_updates; /* the last batch of an epoch may be short */
    void *outputs; /* of FGD_FORWARD_ONLY */
    int predicts;  /* of FGD_ASSESS and FGD_FORWARD_ONLY, where FGD_VALUES are the outputs as they are */
    int strict;    /* test whether the inputs are finite */
    _Atomic int not_finite;
    double *means; /* of FGD_ASSESS: of each output's targets */
    double loss_sum, right, residual, spread; /* right: correct predictions; the last two: squares */
    double *losses, *penalties, *norms;
    double *averages[2];    /* of one layer, if not NULL: sums of its weights and biases after updates */
    ptrdiff_t average_from; /* the first of these updates, counted from `origin` */
    ptrdiff_t done;
    double deadline; /* a stretch ends early with the update that is made then, by the clock; 0: never */
    int diverged, late;
    ptrdiff_t check_every, check_since; /* after which updates parameters are tested; 0: never */
    int keep, overflowed;               /* overflowed: not all were finite */
    void *kept[2 * FGD_MOST_LAYERS];    /* with `keep`, gets the parameters there, if all are finite */
    int (*begin)(void *owner, ptrdiff_t step);                    /* sets the coefficients; returns 0 on failure */
    void (*finish)(void *owner, ptrdiff_t step, double squares);  /* the same, once the gradients' norm is known */
    void *owner;
    int failed;
    /* memory for all threads */
    void *values[FGD_MOST_LAYERS + 1], *slopes[FGD_MOST_LAYERS + 1], *deltas[FGD_MOST_LAYERS + 1];
    void *targets, *row_losses, *halves[2]; /* halves: of the sums of one row */
    double *share, *squares, *penalty_parts;
    uint32_t *seen; /* members x inputs */
    ptrdiff_t *offsets[FGD_MOST_LAYERS]; /* of each row among a layer's weights */
    /* memory of each thread */
    void **scratch;     /* see fgd_room_f */
    ptrdiff_t **lists;  /* the inputs in use, then the offset of each one's weights */
    fgd_barrier barrier;
    ptrdiff_t dense_until;
} fgd_network;

/* Where number k of the order lies among the rows. */
static inline ptrdiff_t fgd_place(const fgd_network *net, ptrdiff_t k) {
    return net->order ? (ptrdiff_t)net->order[k] : k;
}

static inline const char *fgd_row(const fgd_network *net, ptrdiff_t k) { return net->x + fgd_place(net, k) * net->row; }

static inline ptrdiff_t fgd_share(ptrdiff_t n, int rank, int members) { return n * rank / members; }

#endif
