/* The description of the training of small networks side by side (lane_kernels.h): each is a lane of every vector. */
#ifndef FASTGD_LANE_NETWORK_H
#define FASTGD_LANE_NETWORK_H

#include "network.h"

#define FGD_ACROSS 4 /* units of a panel */

typedef struct { /* how one parameter array is updated; all arrays are [number][lane] */
    fgd_loop loop;   /* NULL: it is not trained */
    void **arrays;   /* parameter, gradient, state... */
    const void *coefficients; /* vectors */
} fgd_lane_update;

typedef struct {
    /* networks of one architecture */
    int layers;
    ptrdiff_t sizes[FGD_MOST_LAYERS + 1];
    void *parameters[2 * FGD_MOST_LAYERS]; /* weights, biases (NULL: networks without any), weights, ... */
    void *gradients[2 * FGD_MOST_LAYERS];
    fgd_lane_update updates[2 * FGD_MOST_LAYERS];
    fgd_loop activation; /* (z, value, slope) */
    const void *activation_constants;
    fgd_loop loss; /* (z, y, value, slope); NULL: softmax with cross-entropy */
    const void *loss_constants;
    fgd_loop exponential, logarithm;
    double reduce, cap, dropout;
    int penalty_per_row, penalized;
    const double *l1, *l2;  /* of each lane */
    const uint64_t *seeds;  /* of each lane, for dropout */
    /* the rows */
    const char *x;
    ptrdiff_t row, n; /* bytes from one row to the next; how many */
    int kind;
    double scale;
    const void *y; /* int32 or this precision, rows of outputs */
    const double *weights;
    /* an update: rows start..stop of the order of each lane, or of lane 0 if they are alike, or as they are */
    int alike;
    const int32_t **orders;
    ptrdiff_t start, stop;
    uint64_t t;    /* its number, counted from 1 */
    int training;  /* with dropout and a backward pass; else outputs are judged */
    int separate;  /* gradients first, then updates: their norm is needed */
    double *losses, *penalties, *squares; /* of each lane */
    int predicts;            /* see network.h */
    double *right, *residual; /* of each lane: correct predictions, squares of errors */
    /* memory */
    ptrdiff_t part; /* most rows that are processed together */
    void *values[FGD_MOST_LAYERS + 1];
    void *deltas[FGD_MOST_LAYERS + 1]; /* what is passed back; before, the slopes of a hidden layer's units */
    void *targets, *room, *packed, *zeros; /* zeros: as wide as the widest layer */
    double *share, *row_losses;
    int32_t *labels;
    /* the part that was passed last: its inputs and rows; whether gradients of other parts are there already */
    const void *inputs;
    ptrdiff_t rows;
    int add;
} fgd_lane_network;

#endif
