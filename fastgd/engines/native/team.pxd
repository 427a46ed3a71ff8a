# A job is called once for every chunk from 0 to chunks - 1, by any thread, in any order.
ctypedef void (*job)(void* arg, int chunk) noexcept nogil

# Runs all chunks and returns when they are done: 1 with the team's help, 0 by the caller alone
# (one thread wanted, one chunk, or the team at work for another caller). Needs no GIL; where the
# team must grow it takes the GIL for that moment.
cdef int team_run(job fn, void* arg, int chunks, int n_threads) noexcept nogil

# For work in which threads wait for each other: how many are there (1 where the team is busy or
# the system gives no more), then the job once for each of them, at the same time.
cdef int team_gather(int n_threads) noexcept nogil
cdef void team_together(job fn, void* arg, int members) noexcept nogil
