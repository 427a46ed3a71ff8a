/* CPython's locks as far as team.h needs them, so that it can be built without CPython. */
#ifndef FASTGD_TEST_PYTHREAD_H
#define FASTGD_TEST_PYTHREAD_H

#include <semaphore.h>
#include <stdlib.h>

typedef sem_t *PyThread_type_lock;
enum { NOWAIT_LOCK, WAIT_LOCK };

static PyThread_type_lock PyThread_allocate_lock(void) {
    sem_t *lock = malloc(sizeof(sem_t));
    if (lock) sem_init(lock, 0, 1);
    return lock;
}

static int PyThread_acquire_lock(PyThread_type_lock lock, int wait) {
    return wait ? !sem_wait(lock) : !sem_trywait(lock);
}

static void PyThread_release_lock(PyThread_type_lock lock) { sem_post(lock); }

#endif
