/* Where the threads of a crew wait for each other: a while with pauses, then yielding, for there may be fewer
   processors than threads. */
#ifndef FASTGD_BARRIER_H
#define FASTGD_BARRIER_H

#include <stdatomic.h>

#include "waiting.h"

#define FGD_PAUSES 50

typedef struct {
    FGD_LINE _Atomic int arrived;
    FGD_LINE _Atomic int round;
    int members;
} fgd_barrier;

static inline void fgd_meet(fgd_barrier *barrier) {
    if (barrier->members == 1) return;
    int round = atomic_load(&barrier->round);
    if (atomic_fetch_add(&barrier->arrived, 1) == barrier->members - 1) {
        atomic_store(&barrier->arrived, 0);
        atomic_fetch_add(&barrier->round, 1);
        return;
    }
    for (int k = 0; atomic_load(&barrier->round) == round; k++) {
        if (k < FGD_PAUSES) fgd_pause();
        else fgd_yield();
    }
}

#endif
