/* Whether the threads of a team make updates faster together than one of them alone. That depends on what else the machine
   does: where a processor is busy, all wait for the thread that does not run. So one begins alone, and both ways are
   measured, in pieces of a few milliseconds. Most pieces are made by what was faster; the other is tried again the less
   often, the more often it was slower, and the more that cost. The results are the same, whoever makes an update. */
#ifndef FASTGD_PACE_H
#define FASTGD_PACE_H

#include <stddef.h>

#define FGD_PIECE 2e-3    /* seconds */
#define FGD_TRIAL 5e-4    /* the same of a piece by what was slower before */
#define FGD_PATIENCE 1e-2 /* from one trial to the next, at first */
#define FGD_LONGEST 2.0   /* and at most, unless trials cost much */
#define FGD_COST 20.0     /* times what a trial has lost */
#define FGD_GAIN 0.95     /* of the time: what is less faster than that does not count */
#define FGD_WAKING 1e-3   /* seconds that it may take to wake the threads, which is longer than many a small update */
#define FGD_STALL 3.0     /* times what was expected: threads that take this long wait for one that does not run */

enum { FGD_ALONE, FGD_TOGETHER };

typedef struct {
    double seconds[2];       /* of an update, alone and together; 0 where it is not known */
    double rested, patience; /* seconds since a trial, and from one to the next */
    int best, woken;         /* woken: the threads have made an update of this trial, so that they are awake */
} fgd_pace;

static fgd_pace fgd_new_pace(void) {
    fgd_pace pace = {{0, 0}, 0, FGD_PATIENCE, FGD_ALONE, 0};
    return pace;
}

/* Whether the next piece is a trial: the last one is long ago, or what was slower seems to have become better. */
static int fgd_is_trial(const fgd_pace *pace) {
    int better = pace->seconds[!pace->best] > 0 && pace->seconds[pace->best] * FGD_GAIN > pace->seconds[!pace->best];
    return pace->woken || pace->rested > pace->patience || (better && pace->rested > FGD_PATIENCE);
}

/* Who makes the next piece. *updates becomes how many updates it has, at most as many as before; *limit the seconds after
   which it should end early. */
static int fgd_next_piece(fgd_pace *pace, ptrdiff_t *updates, double *limit) {
    int trial = fgd_is_trial(pace), who = trial ? !pace->best : pace->best;
    double each = pace->seconds[pace->best], most = 1.0;
    if (each > 0 && (who == FGD_ALONE || !trial || pace->woken)) most = (trial ? FGD_TRIAL : FGD_PIECE) / each;
    if (most < (double)*updates) *updates = most < 1.0 ? 1 : (ptrdiff_t)most;
    *limit = FGD_STALL * each * (double)*updates;
    return who;
}

/* Take down how long a piece took. */
static void fgd_note_piece(fgd_pace *pace, int who, ptrdiff_t updates, double seconds) {
    double each = seconds / (double)updates, known = pace->seconds[who];
    pace->rested += seconds;
    if (who == pace->best) {
        pace->seconds[who] = known > 0 ? (known + each) / 2 : each;
        return;
    }
    if (who == FGD_TOGETHER && !pace->woken && each < FGD_STALL * pace->seconds[FGD_ALONE] + FGD_WAKING) {
        pace->woken = 1;
        return;
    }
    pace->seconds[who] = each;
    pace->woken = 0;
    pace->rested = 0;
    if (each < FGD_GAIN * pace->seconds[pace->best]) {
        pace->best = who;
        pace->patience = FGD_PATIENCE;
        return;
    }
    double lost = FGD_COST * (seconds - (double)updates * pace->seconds[pace->best]);
    pace->patience = 2 * pace->patience < FGD_LONGEST ? 2 * pace->patience : FGD_LONGEST;
    if (lost > pace->patience) pace->patience = lost;
}

#endif
