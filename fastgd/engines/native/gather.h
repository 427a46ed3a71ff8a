/* Copies the rows of a batch and its scale into the form of a problem's data: rows, then the scale. */
#ifndef FASTGD_GATHER_H
#define FASTGD_GATHER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define FGD_PREFETCH(place) __builtin_prefetch(place)
#else
#define FGD_PREFETCH(place) ((void)(place))
#endif
#define FGD_AHEAD 16 /* rows that are prefetched while one is copied */
#define FGD_AHEAD_BYTES 8192 /* which all these together must not exceed, or they push each other out of the cache */

/* Copy `rows` rows of `row` bytes, by their numbers in `order` (which has `left` entries); then `scale`. */
static void fgd_gather(const char *data, ptrdiff_t row, ptrdiff_t item, const int32_t *order, ptrdiff_t rows,
                       ptrdiff_t left, const char *scale, char *out) {
    for (ptrdiff_t i = 0; i < rows; i++) {
        if (i + FGD_AHEAD < left) {
            const char *next = data + (ptrdiff_t)order[i + FGD_AHEAD] * row;
            for (ptrdiff_t k = 0; k < row; k += 64) FGD_PREFETCH(next + k);
            FGD_PREFETCH(next + row - 1);
        }
        memcpy(out + i * row, data + (ptrdiff_t)order[i] * row, (size_t)row);
    }
    memcpy(out + rows * row, scale, (size_t)item);
}

#endif
