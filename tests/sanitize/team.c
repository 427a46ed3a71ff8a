/* The thread team and the barrier by themselves, for ThreadSanitizer: CPython around them would only add noise.

   Jobs count in plain memory, and phases read what other threads wrote before they met; so a chunk that runs twice, a
   job that is not over when `fgd_run` returns or a barrier that lets somebody through early is a race or a wrong sum.
   With -DFASTGD_NO_FUTEX workers sleep on locks, as outside Linux (see pythread.h beside this file). */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "barrier.h"
#include "team.h"

#define CALLERS 3
#define MEMBERS 4
#define MOST 40 /* chunks of a job */
#define JOBS 400
#define PHASES 50

static fgd_team team;
static int failures;

static void check(int holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "FAILED: %s\n", what);
    failures = 1;
}

static void *work(void *rank) {
    fgd_work(&team, (int)(intptr_t)rank);
    return NULL;
}

/* Called by the holder of the team, as the team's module does. */
static void grow(int workers) {
    while (team.workers < workers) {
        pthread_t thread;
        int rank = team.workers + 1;
#ifndef FGD_FUTEX
        team.locks[rank - 1] = PyThread_allocate_lock();
        PyThread_acquire_lock(team.locks[rank - 1], NOWAIT_LOCK);
#endif
        if (pthread_create(&thread, NULL, work, (void *)(intptr_t)rank)) exit(2);
        pthread_detach(thread);
        team.workers = rank;
    }
}

/* --- jobs in chunks ----------------------------------------------------------------------------------------------- */

static void count(void *counts, int chunk) { ((int *)counts)[chunk]++; }

static void *call(void *seed) {
    unsigned int random = (unsigned int)(intptr_t)seed;
    for (int k = 0; k < JOBS; k++) {
        int counts[MOST] = {0}, chunks = 1 + rand_r(&random) % MOST, threads = 2 + rand_r(&random) % (MEMBERS - 1);
        while (!fgd_acquire(&team)) fgd_yield(); /* at work for another caller */
        grow(threads - 1);
        fgd_run(&team, count, counts, chunks, threads, k % 7 ? FGD_SPINS : 1); /* 1: they sleep at once */
        fgd_release(&team);
        for (int c = 0; c < MOST; c++) check(counts[c] == (c < chunks), "every chunk runs once");
    }
    return NULL;
}

/* --- threads that meet -------------------------------------------------------------------------------------------- */

typedef struct {
    fgd_barrier barrier;
    long written[MEMBERS]; /* by its member alone, read by all after they met */
    long sums[MEMBERS];
} meeting;

static void take_part(void *arg, int member) {
    meeting *m = arg;
    for (int phase = 1; phase <= PHASES; phase++) {
        m->written[member] = phase * (member + 1);
        fgd_meet(&m->barrier);
        for (int k = 0; k < m->barrier.members; k++) m->sums[member] += m->written[k];
        fgd_meet(&m->barrier);
    }
}

static void meet(int members) {
    meeting m;
    memset(&m, 0, sizeof(m));
    m.barrier.members = members;
    if (!fgd_acquire(&team)) exit(2);
    grow(members - 1);
    fgd_run(&team, take_part, &m, members, members, FGD_LONG_SPINS);
    fgd_release(&team);
    long wanted = (long)PHASES * (PHASES + 1) / 2 * members * (members + 1) / 2;
    for (int k = 0; k < members; k++) check(m.sums[k] == wanted, "nobody is let through before all have met");
}

int main(void) {
    pthread_t callers[CALLERS];
    for (int k = 0; k < CALLERS; k++)
        if (pthread_create(&callers[k], NULL, call, (void *)(intptr_t)(k + 1))) return 2;
    for (int k = 0; k < CALLERS; k++) pthread_join(callers[k], NULL);
    for (int k = 0; k < 60; k++) meet(2 + k % (MEMBERS - 1));
    printf("%d callers of %d jobs, 60 meetings of up to %d threads\n", CALLERS, JOBS, MEMBERS);
    fflush(stdout);
    return failures;
}
