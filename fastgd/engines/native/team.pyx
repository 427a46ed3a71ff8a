"""The thread team: daemon threads that wait in C and, together with the caller, claim chunks of work.

Steps call `team_run`, networks `team_gather` and `team_together` (see ``team.pxd``). The team starts empty, grows as
calls need it and is dropped in a forked child.
"""

import os
import threading

from cpython.exc cimport PyErr_SetInterrupt
from libc.stdint cimport uintptr_t
from libc.string cimport memset

cdef extern from "team.h" nogil:
    ctypedef struct fgd_team:
        int workers
    enum: FGD_MAX_WORKERS
    void fgd_work(fgd_team* team, int rank)
    bint fgd_acquire(fgd_team* team)
    void fgd_release(fgd_team* team)
    enum: FGD_SPINS, FGD_LONG_SPINS
    void fgd_run(fgd_team* team, job fn, void* arg, int chunks, int n_threads, int spins)

cdef extern from *:
    """
    #ifdef FGD_FUTEX
    #define fgd_prepare_worker(team, rank) 1
    #else
    static int fgd_prepare_worker(fgd_team *team, int rank) {
        if (!team->locks[rank - 1]) {
            team->locks[rank - 1] = PyThread_allocate_lock();
            if (!team->locks[rank - 1]) return 0;
            PyThread_acquire_lock(team->locks[rank - 1], NOWAIT_LOCK);
        }
        return 1;
    }
    #endif
    """
    bint fgd_prepare_worker(fgd_team* team, int rank)

cdef fgd_team team


def _work(int rank):
    with nogil:
        fgd_work(&team, rank)


cdef void _grow(int workers) noexcept with gil:
    """Start threads until there are `workers`, or as many as the system allows."""
    try:
        while team.workers < workers and fgd_prepare_worker(&team, team.workers + 1):
            rank = team.workers + 1
            name = f"fastgd-{rank}"
            threading.Thread(target=_work, args=(rank,), name=name, daemon=True).start()
            team.workers = rank
    except RuntimeError:
        pass  # no more threads, or the interpreter is shutting down: the caller does the work
    except KeyboardInterrupt:
        PyErr_SetInterrupt()  # nothing may be raised here: let it come again after the call


cdef int team_run(job fn, void* arg, int chunks, int n_threads) noexcept nogil:
    cdef int chunk
    n_threads = min(n_threads, chunks, FGD_MAX_WORKERS + 1)
    if n_threads > 1 and fgd_acquire(&team):
        if team.workers < n_threads - 1:
            _grow(n_threads - 1)
        fgd_run(&team, fn, arg, chunks, n_threads, FGD_SPINS)
        fgd_release(&team)
        return 1
    for chunk in range(chunks):
        fn(arg, chunk)
    return 0


cdef int team_gather(int n_threads) noexcept nogil:
    n_threads = min(n_threads, FGD_MAX_WORKERS + 1)
    if n_threads < 2 or not fgd_acquire(&team):
        return 1
    if team.workers < n_threads - 1:
        _grow(n_threads - 1)
    n_threads = min(n_threads, team.workers + 1)
    if n_threads == 1:
        fgd_release(&team)
    return n_threads


cdef void team_together(job fn, void* arg, int members) noexcept nogil:
    if members == 1:
        fn(arg, 0)
        return
    fgd_run(&team, fn, arg, members, members, FGD_LONG_SPINS)
    fgd_release(&team)


def _drop():
    """Forget the team in a forked child, which has no copies of the threads."""
    memset(&team, 0, sizeof(team))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop)


def workers():
    """How many threads the team has, without the caller."""
    return team.workers


def run(uintptr_t function, uintptr_t arg, int chunks, int n_threads):
    """Run a job given by addresses, for example of a Numba cfunc; True if the team helped."""
    cdef int helped
    with nogil:
        helped = team_run(<job>function, <void*>arg, chunks, n_threads)
    return helped == 1


# For the tests: jobs that count how often each chunk ran, and by how many threads.

cdef struct Tally:
    int* counts
    long pauses


cdef void _count(void* arg, int chunk) noexcept nogil:
    cdef Tally* tally = <Tally*>arg
    cdef volatile long k = 0
    while k < tally.pauses:
        k = k + 1
    tally.counts[chunk] += 1


def exercise(counts, int runs, int n_threads, long pauses=0):
    """Run a counting job `runs` times, a chunk per element of an array of C ints; how often the team helped."""
    cdef Tally tally
    cdef int _k, helped = 0, chunks = len(counts)
    tally.counts = <int*><uintptr_t>counts.ctypes.data
    tally.pauses = pauses
    with nogil:
        for _k in range(runs):
            helped += team_run(_count, &tally, chunks, n_threads)
    return helped
