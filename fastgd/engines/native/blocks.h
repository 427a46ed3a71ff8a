/* Rows of a prediction in blocks, each of which one thread takes through the whole network. So no thread waits for
   another, and one that sleeps when the work begins holds nobody up. */
#ifndef FASTGD_BLOCKS_H
#define FASTGD_BLOCKS_H

#include <stdatomic.h>

#include "network.h"

#define FGD_MOST_BLOCKS 256 /* threads of a team, the caller included */

typedef struct {
    void (*run)(void *net, int rank);
    fgd_network *nets[FGD_MOST_BLOCKS]; /* with memory of its own for each thread that may be at work */
    _Atomic int taken[FGD_MOST_BLOCKS];
    int count;
} fgd_blocks;

/* Job of a team: batch number `chunk` of the rows, in memory that nobody uses. */
static void fgd_take_block(void *arg, int chunk) {
    fgd_blocks *blocks = (fgd_blocks *)arg;
    int k = 0;
    while (atomic_exchange(&blocks->taken[k], 1)) k = (k + 1) % blocks->count;
    fgd_network *net = blocks->nets[k];
    net->first = net->origin = chunk;
    net->last = chunk + 1;
    net->dense_until = 0; /* what a block leaves out must not depend on which came before */
    blocks->run(net, 0);
    atomic_store(&blocks->taken[k], 0);
}

#endif
