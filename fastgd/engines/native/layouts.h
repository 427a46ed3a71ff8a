/* Updates of an array whose parameter and gradient lie in memory in any order: tile by tile.

An update loop wants arrays without gaps, all in the same order. The state has no gaps, and its order is that of the
parameter at the first step, so its axes set the order of the work. Axes are merged where no array has a gap between
them. What is left as one axis without gaps is `flat` and needs none of this. Else the axes are cut into tiles.

A tile has rows in which the state is contiguous: `columns` of the innermost axis, or all of it and `middle` steps of
the next one, if it is short. The update loop is called once for a row. Where the elements of a parameter or gradient
follow each other in the row, it works on them in place. Else the tile is copied to a buffer, and the parameter back.
If such an array is contiguous along another axis, the tile has several `rows` along that `second` axis: whole lines of
the cache are read and transposed.

Each element is updated alone, so the order of the work does not change a bit. */
#ifndef FASTGD_LAYOUTS_H
#define FASTGD_LAYOUTS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__) || defined(_M_X64)
#include <immintrin.h>
#define FGD_SSE2
#endif
#if defined(_MSC_VER)
#include <malloc.h>
#define FGD_STACK(bytes) _alloca(bytes)
#define FGD_PER_THREAD __declspec(thread)
#else
#define FGD_PER_THREAD _Thread_local
#define FGD_STACK(bytes) __builtin_alloca(bytes)
#endif

typedef void (*fgd_loop)(void **arrays, const void *c, ptrdiff_t lo, ptrdiff_t hi);

enum { FGD_P, FGD_G, FGD_SIDES }; /* the parameter and its gradient */

/* Measured on two cores of an EPYC. */
#define FGD_TILE_BYTES 65536   /* of a buffer, which stays in the second cache */
#define FGD_TILE_LINE 64       /* bytes of a line of the cache, which a transposed tile takes whole */
#define FGD_TILE_ROWS 16       /* at most */
#define FGD_BURST 512          /* elements of a tile that is copied along its rows: few, so that no stream of memory rests */
#define FGD_SHORT_ROW 64       /* elements; for fewer, a call of the loop costs more than copying them */
#define FGD_SHORT_LINE 8       /* elements; fewer are copied across */
#define FGD_DIRECT_BYTES 65536 /* of a tile without copies: the work that a thread claims at least */

#define FGD_BUFFER ((FGD_TILE_BYTES + 2 * FGD_TILE_ROWS * FGD_TILE_LINE) / 8) /* doubles */

typedef struct {
    ptrdiff_t length;
    ptrdiff_t step[FGD_SIDES]; /* bytes to the next element */
    ptrdiff_t place;           /* elements of the state to the next one */
    ptrdiff_t part;            /* elements in a tile */
} fgd_axis;

typedef struct {
    fgd_axis *axes; /* merged, in the order of the state; there is room for three more than the array has */
    int count;      /* of axes, at least three: the first ones may have one element */
    int flat;       /* one axis, no gaps */
    int second, middle, inner; /* the axes that a tile extends along; it has one element of all others */
    int copied[FGD_SIDES];
    ptrdiff_t item, tiles;
    ptrdiff_t reach[FGD_SIDES][2]; /* first byte and the byte after the last, from the first element */
} fgd_layout;

static inline ptrdiff_t fgd_distance(ptrdiff_t step) { return step < 0 ? -step : step; }
static inline ptrdiff_t fgd_least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static inline ptrdiff_t fgd_parts(ptrdiff_t length, ptrdiff_t part) { return (length + part - 1) / part; }

/* --- describing ------------------------------------------------------------------------------------------------- */

/* Whether two elements of a parameter may share memory. In any view that indexing makes, a longer step leads over all
that the shorter ones reach. Sorts the axes by these steps. */
static int fgd_repeats(fgd_axis *axes, int count, ptrdiff_t item) {
    ptrdiff_t reach = item;
    for (int k = 1; k < count; k++)
        for (int j = k; j > 0 && fgd_distance(axes[j].step[FGD_P]) > fgd_distance(axes[j - 1].step[FGD_P]); j--) {
            fgd_axis other = axes[j];
            axes[j] = axes[j - 1], axes[j - 1] = other;
        }
    for (int k = count - 1; k >= 0; k--) {
        ptrdiff_t step = fgd_distance(axes[k].step[FGD_P]);
        if (step < reach) return 1;
        reach += step * (axes[k].length - 1);
    }
    return 0;
}

/* Sorts the axes, few and mostly in order, by the places of the state, the longest first. */
static void fgd_sort_by_state(fgd_axis *axes, int count) {
    for (int k = 1; k < count; k++)
        for (int j = k; j > 0 && axes[j].place > axes[j - 1].place; j--) {
            fgd_axis other = axes[j];
            axes[j] = axes[j - 1], axes[j - 1] = other;
        }
}

/* Merges each axis with the next where both sides step on alike; the state always does. Returns how many are left. */
static int fgd_merge(fgd_axis *axes, int count) {
    int last = 0;
    for (int k = 1; k < count; k++) {
        fgd_axis *outer = &axes[last], *inner = &axes[k];
        if (outer->step[FGD_P] == inner->step[FGD_P] * inner->length &&
            outer->step[FGD_G] == inner->step[FGD_G] * inner->length) {
            inner->length *= outer->length;
            *outer = *inner;
        } else {
            axes[++last] = *inner;
        }
    }
    return last + 1;
}

static void fgd_measure(fgd_layout *l) {
    for (int side = 0; side < FGD_SIDES; side++) {
        l->reach[side][0] = 0, l->reach[side][1] = l->item;
        for (int k = 0; k < l->count; k++) {
            ptrdiff_t far = l->axes[k].step[side] * (l->axes[k].length - 1);
            l->reach[side][far > 0] += far;
        }
    }
}

/* The axis along which the elements of a side are closest to each other. */
static int fgd_closest(const fgd_layout *l, int side) {
    int best = l->count - 1;
    for (int k = l->count - 2; k >= 0; k--)
        if (l->axes[k].length > 1 && fgd_distance(l->axes[k].step[side]) < fgd_distance(l->axes[best].step[side]))
            best = k;
    return best;
}

/* Whether the update loop can work on a side in place: the elements of a row follow each other. */
static int fgd_in_place(const fgd_layout *l, int side, int aligned) {
    const fgd_axis *inner = &l->axes[l->inner], *middle = &l->axes[l->inner - 1];
    return aligned && inner->step[side] == l->item &&
           (inner->length >= FGD_SHORT_ROW || middle->step[side] == l->item * inner->length);
}

/* The axis along which a copied side is contiguous, or nearly so, if tiles should have rows along it; else -1. */
static int fgd_across(const fgd_layout *l) {
    for (int side = 0; side < FGD_SIDES; side++) {
        int closest = l->copied[side] ? fgd_closest(l, side) : l->inner;
        int joins = closest == l->inner - 1 && l->axes[l->inner].length < FGD_SHORT_ROW; /* as the middle axis */
        if (closest != l->inner && !joins) return closest;
    }
    return -1;
}

/* Whether sides that are not copied go on without a gap along the axis before the innermost. */
static int fgd_rows_may_grow(const fgd_layout *l) {
    for (int side = 0; side < FGD_SIDES; side++)
        if (!l->copied[side] && l->axes[l->inner - 1].step[side] != l->item * l->axes[l->inner].length) return 0;
    return 1;
}

static void fgd_cut(fgd_layout *l, const int *aligned) {
    ptrdiff_t length, room = FGD_TILE_BYTES / l->item, rows = 1;
    int across, copies = 0;
    l->inner = l->count - 1;
    length = l->axes[l->inner].length;
    for (int side = 0; side < FGD_SIDES; side++) copies |= l->copied[side] = !fgd_in_place(l, side, aligned[side]);
    across = fgd_across(l);
    for (int k = 0; k < l->count; k++) l->axes[k].part = 1;
    if (across >= 0) {
        l->second = across;
        rows = fgd_least(l->axes[across].length, FGD_TILE_LINE / l->item); /* FGD_TILE_ROWS, or half of them */
        room /= rows;
    } else {
        room = copies ? FGD_BURST : FGD_DIRECT_BYTES / l->item;
        l->second = length < FGD_SHORT_ROW ? l->inner - 2 : l->inner - 1;
        if (l->second == l->inner - 1 && room > length) rows = fgd_least(l->axes[l->second].length, room / length);
    }
    l->middle = l->second == l->inner - 1 ? l->inner - 2 : l->inner - 1;
    l->axes[l->second].part = rows;
    l->axes[l->inner].part = fgd_parts(length, fgd_parts(length, room)); /* parts of one size */
    if (l->middle == l->inner - 1 && room > length && fgd_rows_may_grow(l))
        l->axes[l->middle].part = fgd_least(l->axes[l->middle].length, room / length);
    l->tiles = 1;
    for (int k = 0; k < l->count; k++) l->tiles *= fgd_parts(l->axes[k].length, l->axes[k].part);
}

/* Describes the axes of an array that has elements: axes[3] and on hold them as they came. Returns 0 if the parameter
repeats its own memory. Without state (`stateless`) the parameter sets the order of the work. */
static int fgd_describe(fgd_layout *l, int ndim, int stateless, const int *aligned) {
    fgd_axis *axes = l->axes + 3;
    int count = 0;
    for (int k = 0; k < ndim; k++)
        if (axes[k].length > 1) axes[count++] = axes[k];
    if (fgd_repeats(axes, count, l->item)) return 0;
    if (!stateless) fgd_sort_by_state(axes, count);
    if (count) count = fgd_merge(axes, count);
    ptrdiff_t place = 1; /* of the merged axes, and where there is no state */
    for (int k = count - 1; k >= 0; k--) axes[k].place = place, place *= axes[k].length;
    for (; count < 3; count++) /* an axis of one element changes nothing */
        *--axes = (fgd_axis){1, {place * l->item, place * l->item}, place, 1};
    memmove(l->axes, axes, count * sizeof *axes);
    l->count = count;
    fgd_measure(l);
    axes = l->axes + count - 1;
    l->flat = axes->length == place && axes->step[FGD_P] == l->item && axes->step[FGD_G] == l->item &&
              aligned[FGD_P] && aligned[FGD_G];
    fgd_cut(l, aligned);
    return 1;
}

/* --- copying a tile --------------------------------------------------------------------------------------------- */

/* Elements along a line, four at a time: by `memcpy`, since they may lie at any address. */
#define FGD_COPY_LINE(NAME, WORD)                                                                                  \
    static inline void fgd_copy_line_##NAME(char *to, ptrdiff_t to_step, const char *from, ptrdiff_t from_step,    \
                                            ptrdiff_t n) {                                                         \
        WORD a, b, c, d;                                                                                           \
        for (; n >= 4; n -= 4, to += 4 * to_step, from += 4 * from_step) {                                         \
            memcpy(&a, from, sizeof a), memcpy(&b, from + from_step, sizeof a);                                    \
            memcpy(&c, from + 2 * from_step, sizeof a), memcpy(&d, from + 3 * from_step, sizeof a);                \
            memcpy(to, &a, sizeof a), memcpy(to + to_step, &b, sizeof a);                                          \
            memcpy(to + 2 * to_step, &c, sizeof a), memcpy(to + 3 * to_step, &d, sizeof a);                        \
        }                                                                                                          \
        for (; n > 0; n--, to += to_step, from += from_step) memcpy(&a, from, sizeof a), memcpy(to, &a, sizeof a); \
    }
FGD_COPY_LINE(4, uint32_t)
FGD_COPY_LINE(8, uint64_t)

static void fgd_copy_line(char *to, ptrdiff_t to_step, const char *from, ptrdiff_t from_step, ptrdiff_t n,
                          ptrdiff_t item) {
    if (to_step == item && from_step == item) memcpy(to, from, n * item);
    else if (item == 4 && to_step == item) fgd_copy_line_4(to, 4, from, from_step, n);
    else if (item == 4) fgd_copy_line_4(to, to_step, from, from_step, n);
    else if (to_step == item) fgd_copy_line_8(to, 8, from, from_step, n);
    else fgd_copy_line_8(to, to_step, from, from_step, n);
}

#ifdef FGD_SSE2
/* Squares of 4 x 4 floats or 2 x 2 doubles: rows that are `from_step` bytes apart become columns. */
static inline void fgd_square_4(char *to, ptrdiff_t to_step, const char *from, ptrdiff_t from_step) {
    __m128 a = _mm_loadu_ps((const float *)from), b = _mm_loadu_ps((const float *)(from + from_step));
    __m128 c = _mm_loadu_ps((const float *)(from + 2 * from_step)), d = _mm_loadu_ps((const float *)(from + 3 * from_step));
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps((float *)to, a), _mm_storeu_ps((float *)(to + to_step), b);
    _mm_storeu_ps((float *)(to + 2 * to_step), c), _mm_storeu_ps((float *)(to + 3 * to_step), d);
}

static inline void fgd_square_8(char *to, ptrdiff_t to_step, const char *from, ptrdiff_t from_step) {
    __m128d a = _mm_loadu_pd((const double *)from), b = _mm_loadu_pd((const double *)(from + from_step));
    _mm_storeu_pd((double *)to, _mm_unpacklo_pd(a, b));
    _mm_storeu_pd((double *)(to + to_step), _mm_unpackhi_pd(a, b));
}

/* Whole squares of lines that are contiguous in the array. */
static void fgd_transpose(int pack, char *buffer, ptrdiff_t buffer_line, char *array, ptrdiff_t array_line,
                          ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t item) {
    ptrdiff_t side = item == 4 ? 4 : 2;
    for (ptrdiff_t c = 0; c < columns; c += side)
        for (ptrdiff_t r = 0; r < rows; r += side) {
            char *b = buffer + r * buffer_line + c * item, *a = array + r * item + c * array_line;
            char *to = pack ? b : a, *from = pack ? a : b;
            ptrdiff_t to_step = pack ? buffer_line : array_line, from_step = pack ? array_line : buffer_line;
            if (item == 4) fgd_square_4(to, to_step, from, from_step);
            else fgd_square_8(to, to_step, from, from_step);
        }
}
#endif

/* Rows of an array into a buffer (`pack`), or from there back; line by line along the shorter step, unless it is short. */
static void fgd_copy_lines(int pack, char *buffer, ptrdiff_t buffer_row, char *array, ptrdiff_t rows, ptrdiff_t columns,
                           ptrdiff_t row_step, ptrdiff_t column_step, ptrdiff_t item) {
    int down = fgd_distance(row_step) < fgd_distance(column_step);
    if ((down ? rows : columns) < FGD_SHORT_LINE) down = rows > columns;
    ptrdiff_t lines = down ? columns : rows, n = down ? rows : columns;
    ptrdiff_t array_line = down ? column_step : row_step, array_step = down ? row_step : column_step;
    ptrdiff_t buffer_line = down ? item : buffer_row, buffer_step = down ? buffer_row : item;
    for (ptrdiff_t k = 0; k < lines; k++, array += array_line, buffer += buffer_line) {
        if (pack) fgd_copy_line(buffer, buffer_step, array, array_step, n, item);
        else fgd_copy_line(array, array_step, buffer, buffer_step, n, item);
    }
}

/* The same, with whole squares transposed where the columns are contiguous in the array. */
static void fgd_copy(int pack, char *buffer, ptrdiff_t buffer_row, char *array, ptrdiff_t rows, ptrdiff_t columns,
                     ptrdiff_t row_step, ptrdiff_t column_step, ptrdiff_t item) {
#ifdef FGD_SSE2
    ptrdiff_t rest = item == 4 ? 3 : 1, r = rows & ~rest, c = columns & ~rest;
    if (row_step == item && r && c) {
        fgd_transpose(pack, buffer, buffer_row, array, column_step, r, c, item);
        if (c < columns)
            fgd_copy_lines(pack, buffer + c * item, buffer_row, array + c * column_step, r, columns - c, row_step,
                           column_step, item);
        buffer += r * buffer_row, array += r * row_step, rows -= r;
    }
#endif
    if (rows) fgd_copy_lines(pack, buffer, buffer_row, array, rows, columns, row_step, column_step, item);
}

/* --- updating --------------------------------------------------------------------------------------------------- */

typedef struct {
    char *first[FGD_SIDES];
    ptrdiff_t place; /* of the first element in the state */
    ptrdiff_t rows, middle, columns;
} fgd_tile;

static fgd_tile fgd_tile_at(const fgd_layout *l, void **arrays, ptrdiff_t number) {
    fgd_axis *axes = l->axes;
    fgd_tile tile = {{arrays[FGD_P], arrays[FGD_G]}, 0, axes[l->second].length, axes[l->middle].length,
                     axes[l->inner].length};
    if (l->tiles == 1) return tile;
    for (int k = l->inner; k >= 0; k--) {
        ptrdiff_t parts = fgd_parts(axes[k].length, axes[k].part), start = number % parts * axes[k].part;
        ptrdiff_t length = fgd_least(axes[k].part, axes[k].length - start);
        number /= parts;
        tile.place += start * axes[k].place;
        for (int side = 0; side < FGD_SIDES; side++) tile.first[side] += start * axes[k].step[side];
        if (k == l->inner) tile.columns = length;
        if (k == l->middle) tile.middle = length;
        if (k == l->second) tile.rows = length;
    }
    return tile;
}

/* A tile of one side into its buffer, or back. */
static void fgd_copy_tile(int pack, const fgd_layout *l, int side, const fgd_tile *tile, char *buffer,
                          ptrdiff_t buffer_row) {
    const fgd_axis *second = &l->axes[l->second], *middle = &l->axes[l->middle], *inner = &l->axes[l->inner];
    char *first = tile->first[side];
    if (tile->rows == 1)
        fgd_copy(pack, buffer, tile->columns * l->item, first, tile->middle, tile->columns, middle->step[side],
                 inner->step[side], l->item);
    else
        for (ptrdiff_t k = 0; k < tile->middle; k++)
            fgd_copy(pack, buffer + k * tile->columns * l->item, buffer_row, first + k * middle->step[side], tile->rows,
                     tile->columns, second->step[side], inner->step[side], l->item);
}

/* One tile; `at` has room for the addresses of the rule's arrays. */
static void fgd_update_tile(const fgd_layout *l, fgd_loop loop, void **arrays, int many, const void *c, void **at,
                            const fgd_tile *tile, double (*buffers)[FGD_BUFFER]) {
    const fgd_axis *second = &l->axes[l->second];
    ptrdiff_t n = tile->middle * tile->columns;
    ptrdiff_t buffer_row = ((n * l->item / FGD_TILE_LINE + 1) | 1) * FGD_TILE_LINE; /* odd: rows share no sets of a cache */
    ptrdiff_t step[FGD_SIDES], place = tile->place;
    char *first[FGD_SIDES];
    for (int side = 0; side < FGD_SIDES; side++) {
        first[side] = l->copied[side] ? (char *)buffers[side] : tile->first[side];
        step[side] = l->copied[side] ? buffer_row : second->step[side];
        if (l->copied[side]) fgd_copy_tile(1, l, side, tile, first[side], buffer_row);
    }
    for (ptrdiff_t r = 0; r < tile->rows; r++, place += second->place) {
        for (int side = 0; side < FGD_SIDES; side++) at[side] = first[side] + r * step[side];
        for (int k = FGD_SIDES; k < many; k++) at[k] = (char *)arrays[k] + place * l->item;
        loop(at, c, 0, n);
    }
    if (l->copied[FGD_P]) fgd_copy_tile(0, l, FGD_P, tile, first[FGD_P], buffer_row);
}

/* The first tile after `done` elements of `size`: each tile counts as as many elements as every other. */
static ptrdiff_t fgd_tile_after(const fgd_layout *l, ptrdiff_t done, ptrdiff_t size) {
    if (done == 0) return 0;
    return done == size ? l->tiles : fgd_least(fgd_parts(done, size / l->tiles), l->tiles);
}

/* The share of elements [lo, hi) of `size`. */
static void fgd_update_tiles(const fgd_layout *l, fgd_loop loop, void **arrays, int many, const void *c, ptrdiff_t lo,
                             ptrdiff_t hi, ptrdiff_t size) {
    static FGD_PER_THREAD double buffers[FGD_SIDES][FGD_BUFFER]; /* too large for the stacks of some threads */
    void **at = FGD_STACK(many * sizeof *at);
    ptrdiff_t stop = fgd_tile_after(l, hi, size);
    for (ptrdiff_t number = fgd_tile_after(l, lo, size); number < stop; number++) {
        fgd_tile tile = fgd_tile_at(l, arrays, number);
        fgd_update_tile(l, loop, arrays, many, c, at, &tile, buffers);
    }
}

/* --- the norm --------------------------------------------------------------------------------------------------- */

/* Copies elements start, ..., start + n - 1, counted in C order, of an array of any layout. */
#define FGD_GATHER(NAME, WORD)                                                                                         \
    static void fgd_gather_##NAME(WORD *to, const char *from, int ndim, const ptrdiff_t *shape,                        \
                                  const ptrdiff_t *steps, ptrdiff_t start, ptrdiff_t n) {                              \
        ptrdiff_t inner = ndim ? shape[ndim - 1] : 1, step = ndim ? steps[ndim - 1] : 0;                               \
        while (n > 0) {                                                                                                \
            ptrdiff_t first = start % inner, stop = fgd_least(inner, first + n), row = start / inner;                  \
            const char *place = from;                                                                                  \
            for (int k = ndim - 2; k >= 0; k--) place += row % shape[k] * steps[k], row /= shape[k];                   \
            for (ptrdiff_t i = first; i < stop; i++) memcpy(to++, place + i * step, sizeof(WORD));                     \
            start += stop - first, n -= stop - first;                                                                  \
        }                                                                                                              \
    }
FGD_GATHER(f, float)
FGD_GATHER(d, double)

#endif
