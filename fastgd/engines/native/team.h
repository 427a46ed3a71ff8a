/* A team of threads that wait inside C for work, which they claim chunk by chunk, the caller included.

   Because chunks are claimed, a call never waits for a worker that still sleeps: whoever is awake does the work. */
#ifndef FASTGD_TEAM_H
#define FASTGD_TEAM_H

#include <stdatomic.h>
#include <stdint.h>

#if defined(__linux__) && !defined(FASTGD_NO_FUTEX)
#define FGD_FUTEX 1
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#include "pythread.h"
#endif

#include "waiting.h"

#define FGD_SPINS 2000       /* pauses before a worker sleeps */
#define FGD_LONG_SPINS 20000 /* the same after jobs that are soon followed by others: epochs of a network */
#define FGD_YIELD_EVERY 64   /* pauses after which a waiting thread yields: the other may need this processor */
#define FGD_MAX_WORKERS 255
#define FGD_MAX_CLAIMS 0x3ffff

typedef void (*fgd_job)(void *arg, int chunk);

typedef struct {
    /* limit << 54 | claims << 36 | back << 18 | front, in one word: a worker that comes late with the ticket of a
       finished job can never claim from a newer one with stale numbers, for its exchange fails unless all are today's.
       The caller claims from the front, workers from the back: so both find what they left in their own cache. */
    FGD_LINE _Atomic uint64_t ticket;
    FGD_LINE _Atomic int generation;
    FGD_LINE _Atomic int sleepers;
    FGD_LINE _Atomic int done;
    FGD_LINE _Atomic int busy;
    FGD_LINE _Atomic int spins;
    FGD_LINE fgd_job job; /* this and the next three are read after a claim: they stay until that claim is done */
    void *arg;
    int chunks;
    int per_claim;
    int workers; /* changed by the holder of `busy` only */
#ifndef FGD_FUTEX
    _Atomic int asleep[FGD_MAX_WORKERS];
    PyThread_type_lock locks[FGD_MAX_WORKERS];
#endif
} fgd_team;

static void fgd_wait(int k) {
    if (k % FGD_YIELD_EVERY) fgd_pause();
    else fgd_yield();
}

static int fgd_claim(fgd_team *team, int rank) {
    uint64_t ticket = atomic_load(&team->ticket);
    for (;;) {
        int front = (int)(ticket & FGD_MAX_CLAIMS), back = (int)(ticket >> 18 & FGD_MAX_CLAIMS);
        int claims = (int)(ticket >> 36 & FGD_MAX_CLAIMS);
        if (front + back >= claims || rank >= (int)(ticket >> 54)) return -1;
        if (atomic_compare_exchange_weak(&team->ticket, &ticket, ticket + (rank ? (uint64_t)1 << 18 : 1)))
            return rank ? claims - 1 - back : front;
    }
}

static void fgd_take_part(fgd_team *team, int rank) {
    int claim;
    while ((claim = fgd_claim(team, rank)) >= 0) {
        int per = team->per_claim, chunk = claim * per;
        int stop = team->chunks - chunk > per ? chunk + per : team->chunks;
        for (; chunk < stop; chunk++) team->job(team->arg, chunk);
        atomic_fetch_add(&team->done, 1);
    }
}

/* Returns once `generation` is no longer `seen`. */
static void fgd_sleep(fgd_team *team, int rank, int seen) {
#ifdef FGD_FUTEX
    (void)rank;
    atomic_fetch_add(&team->sleepers, 1);
    while (atomic_load(&team->generation) == seen)
        syscall(SYS_futex, &team->generation, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    atomic_fetch_sub(&team->sleepers, 1);
#else
    atomic_fetch_add(&team->sleepers, 1);
    while (atomic_load(&team->generation) == seen) {
        atomic_store(&team->asleep[rank - 1], 1);
        /* Whoever sets `asleep` back to 0 owns the wake-up: if that was the caller, its release is on the way. */
        if (atomic_load(&team->generation) != seen && atomic_exchange(&team->asleep[rank - 1], 0)) break;
        PyThread_acquire_lock(team->locks[rank - 1], WAIT_LOCK);
    }
    atomic_fetch_sub(&team->sleepers, 1);
#endif
}

static void fgd_wake(fgd_team *team) {
    if (!atomic_load(&team->sleepers)) return;
#ifdef FGD_FUTEX
    syscall(SYS_futex, &team->generation, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
#else
    for (int k = 0; k < team->workers; k++)
        if (atomic_exchange(&team->asleep[k], 0)) PyThread_release_lock(team->locks[k]);
#endif
}

/* The loop of a worker; `rank` counts from 1, the caller of a job has 0. */
static void fgd_work(fgd_team *team, int rank) {
    for (;;) {
        int seen = atomic_load(&team->generation);
        fgd_take_part(team, rank);
        int spins = atomic_load(&team->spins);
        for (int k = 1; k < spins && atomic_load(&team->generation) == seen; k++) fgd_wait(k);
        if (atomic_load(&team->generation) == seen) fgd_sleep(team, rank, seen);
    }
}

static int fgd_acquire(fgd_team *team) {
    int idle = 0;
    return atomic_compare_exchange_strong(&team->busy, &idle, 1);
}

static void fgd_release(fgd_team *team) { atomic_store(&team->busy, 0); }

/* Run all chunks with at most n_threads threads; the caller has acquired the team. */
static void fgd_run(fgd_team *team, fgd_job job, void *arg, int chunks, int n_threads, int spins) {
    int per = (chunks - 1) / FGD_MAX_CLAIMS + 1, claims = (chunks - 1) / per + 1;
    team->job = job;
    team->arg = arg;
    team->chunks = chunks;
    team->per_claim = per;
    atomic_store(&team->spins, spins);
    atomic_store(&team->done, 0);
    atomic_store(&team->ticket, (uint64_t)n_threads << 54 | (uint64_t)claims << 36);
    atomic_fetch_add(&team->generation, 1);
    fgd_wake(team);
    fgd_take_part(team, 0);
    for (int k = 1; atomic_load(&team->done) < claims; k++) fgd_wait(k);
}

#endif
