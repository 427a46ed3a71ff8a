/* How a thread waits: a pause instruction, or yielding the processor. */
#ifndef FASTGD_WAITING_H
#define FASTGD_WAITING_H

#if defined(_WIN32)
#include "windows_api.h"
#define fgd_yield() SwitchToThread()
#else
#include <sched.h>
#define fgd_yield() sched_yield()
#endif

#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64)
#include <immintrin.h>
#define fgd_pause() _mm_pause()
#elif defined(__aarch64__) && defined(__GNUC__)
#define fgd_pause() __asm__ __volatile__("yield")
#else
#define fgd_pause() ((void)0)
#endif

#define FGD_LINE _Alignas(64) /* what several threads write to lies on a cache line of its own */

#endif
