/* Sums over a row's inputs, and of slopes times rows, for one precision: linear_kernels.h includes this twice.

   Weights and sums lie in whole chunks of 64 bytes, with zeros behind the last input. Rows are read in whole chunks too:
   what follows a row is masked. */

/* How a row is cut: whole groups of four chunks, one for each set of chains, and the 1 to 4 chunks that are left. */
typedef struct {
    ptrdiff_t groups;
    int rest;
    FGD_V mask[FGD_PER]; /* of the last chunk */
} FGD_(cut_t);

static inline ptrdiff_t FGD_(width)(ptrdiff_t inputs) { return (inputs + FGD_CHUNK - 1) / FGD_CHUNK * FGD_CHUNK; }

static FGD_(cut_t) FGD_(cut_of)(ptrdiff_t inputs) {
    FGD_(cut_t) cut;
    ptrdiff_t chunks = FGD_(width)(inputs) / FGD_CHUNK, last = inputs - (chunks - 1) * FGD_CHUNK;
    unsigned char bytes[64];
    for (int k = 0; k < FGD_CHUNK; k++)
        memset(bytes + k * sizeof(FGD_T), k < last ? 0xff : 0, sizeof(FGD_T));
    memcpy(cut.mask, bytes, sizeof cut.mask);
    cut.groups = (chunks - 1) / FGD_CHAIN_CHUNKS;
    cut.rest = (int)(chunks - cut.groups * FGD_CHAIN_CHUNKS);
    return cut;
}

FGD_INLINE FGD_V FGD_(masked)(FGD_V v, FGD_V mask) {
#ifdef FGD_VECTOR_BYTES
    return (FGD_V)((FGD_M)v & (FGD_M)mask);
#else
    FGD_T zero = 0, all;
    memset(&all, 0xff, sizeof all);
    return memcmp(&mask, &all, sizeof all) ? zero : v;
#endif
}

FGD_INLINE FGD_T FGD_(first)(FGD_V v) {
    FGD_T number;
    memcpy(&number, &v, sizeof number);
    return number;
}

/* A chunk of a row, the last one masked. */
FGD_INLINE FGD_V FGD_(read)(const FGD_T *x, int p, int last, const FGD_V *mask) {
    FGD_V v = FGD_(load)(x + p * FGD_LANES);
    return last ? FGD_(masked)(v, mask[p]) : v;
}

/* Whether the numbers of m rows are finite: NaN and infinity minus themselves are NaN. */
static int FGD_(rows_are_finite)(const FGD_T **rows, ptrdiff_t m, const FGD_(cut_t) *cut) {
    FGD_V wrong = {0};
    FGD_T rest = 0, lanes[FGD_LANES];
    ptrdiff_t last = cut->groups * FGD_CHAIN_CHUNKS + cut->rest - 1;
    for (ptrdiff_t b = 0; b < m; b++)
        for (ptrdiff_t q = 0; q <= last; q++)
            FGD_ALL for (int p = 0; p < FGD_PER; p++) {
                FGD_V x = FGD_(load)(rows[b] + q * FGD_CHUNK + p * FGD_LANES);
                x = q == last ? FGD_(masked)(x, cut->mask[p]) : x;
                wrong += x - x;
            }
    memcpy(lanes, &wrong, sizeof wrong);
    for (int k = 0; k < FGD_LANES; k++) rest += lanes[k];
    return rest == 0;
}

/* The chains of the sum of x times w, in pairs until one chunk is left. `whole`: there are whole groups of chunks. */
FGD_INLINE void FGD_(chains)(const FGD_T *x, const FGD_T *w, const FGD_(cut_t) *cut, const int whole, const int rest,
                             FGD_V *out) {
    const int used = whole ? FGD_CHAIN_CHUNKS : rest, group = FGD_CHAIN_CHUNKS * FGD_CHUNK;
    FGD_V sum[FGD_CHAIN_CHUNKS][FGD_PER], term;
    FGD_ALL for (int q = 0; q < used; q++)
        FGD_ALL for (int p = 0; p < FGD_PER; p++) sum[q][p] = (FGD_V){0};
    for (ptrdiff_t g = 0; whole && g < cut->groups; g++, x += group, w += group)
        FGD_ALL for (int q = 0; q < FGD_CHAIN_CHUNKS; q++)
            FGD_ALL for (int p = 0; p < FGD_PER; p++)
                sum[q][p] += FGD_(read)(x + q * FGD_CHUNK, p, 0, NULL) * FGD_(read)(w + q * FGD_CHUNK, p, 0, NULL);
    FGD_ALL for (int q = 0; q < rest; q++)
        FGD_ALL for (int p = 0; p < FGD_PER; p++) {
            term = FGD_(read)(x + q * FGD_CHUNK, p, q == rest - 1, cut->mask) * FGD_(read)(w + q * FGD_CHUNK, p, 0, NULL);
            sum[q][p] = whole ? sum[q][p] + term : term;
        }
    FGD_ALL for (int p = 0; p < FGD_PER; p++) {
        out[p] = sum[0][p];
        if (used > 1) out[p] += sum[1][p];
        if (used == 3) out[p] += sum[2][p];
        if (used == 4) out[p] += sum[2][p] + sum[3][p];
    }
}

/* The sums of the lanes of as many vectors as each has lanes, in one vector. */
FGD_INLINE FGD_V FGD_(sums_of)(FGD_V *parts) {
    FGD_ALL for (int many = FGD_LANES / 2; many; many /= 2)
        FGD_ALL for (int k = 0; k < many; k++) parts[k] = FGD_CAT(fgd_pairs_, FGD_S)(parts[2 * k], parts[2 * k + 1]);
    return parts[0];
}

/* The sum of PER vectors, neighbours first. */
FGD_INLINE FGD_V FGD_(joined)(FGD_V *parts) {
    FGD_ALL for (int many = FGD_PER / 2; many; many /= 2)
        FGD_ALL for (int k = 0; k < many; k++) parts[k] = parts[2 * k] + parts[2 * k + 1];
    return parts[0];
}

/* The sum of a chunk's numbers. */
FGD_INLINE FGD_T FGD_(sum_of)(FGD_V *chunk) {
    FGD_ALL for (int p = 0; p < FGD_PER; p++)
        FGD_ALL for (int n = FGD_LANES; n > 1; n /= 2) chunk[p] = FGD_CAT(fgd_pairs_, FGD_S)(chunk[p], chunk[p]);
    return FGD_(first)(FGD_(joined)(chunk));
}

/* z[b] = start + the sum of row b times w, for m rows: as many together as a vector has lanes, then one by one. */
FGD_INLINE void FGD_(dots_of)(const FGD_T **rows, ptrdiff_t m, const FGD_T *w, FGD_T start, const FGD_(cut_t) *cut,
                              const int whole, const int rest, FGD_T *z) {
    ptrdiff_t b = 0;
    FGD_V one[FGD_PER], parts[FGD_PER][FGD_LANES], sums[FGD_PER];
    for (; b + FGD_LANES <= m; b += FGD_LANES) {
        FGD_ALL for (int r = 0; r < FGD_LANES; r++) {
            FGD_(chains)(rows[b + r], w, cut, whole, rest, one);
            FGD_ALL for (int p = 0; p < FGD_PER; p++) parts[p][r] = one[p];
        }
        FGD_ALL for (int p = 0; p < FGD_PER; p++) sums[p] = FGD_(sums_of)(parts[p]);
        FGD_(store)(z + b, FGD_(joined)(sums) + FGD_SET1(start));
    }
    for (; b < m; b++) {
        FGD_(chains)(rows[b], w, cut, whole, rest, one);
        z[b] = FGD_(sum_of)(one) + start;
    }
}

/* g += the sum over m rows of d[b] times row b. */
FGD_INLINE void FGD_(add_group)(const FGD_T **rows, ptrdiff_t m, ptrdiff_t at, const FGD_T *d, const int chunks,
                                const int last, const FGD_V *mask, FGD_T *g) {
    FGD_V sum[FGD_CHAIN_CHUNKS][FGD_PER];
    FGD_ALL for (int q = 0; q < chunks; q++)
        FGD_ALL for (int p = 0; p < FGD_PER; p++) sum[q][p] = FGD_(load)(g + at + q * FGD_CHUNK + p * FGD_LANES);
    for (ptrdiff_t b = 0; b < m; b++) {
        FGD_V slope = FGD_SET1(d[b]);
        FGD_ALL for (int q = 0; q < chunks; q++)
            FGD_ALL for (int p = 0; p < FGD_PER; p++)
                sum[q][p] += slope * FGD_(read)(rows[b] + at + q * FGD_CHUNK, p, last && q == chunks - 1, mask);
    }
    FGD_ALL for (int q = 0; q < chunks; q++)
        FGD_ALL for (int p = 0; p < FGD_PER; p++) FGD_(store)(g + at + q * FGD_CHUNK + p * FGD_LANES, sum[q][p]);
}

/* Both passes for each number of chunks that may be left, so that what is in registers is known when it is compiled. */
typedef void (*FGD_(dots_t))(const FGD_T **, ptrdiff_t, const FGD_T *, FGD_T, const FGD_(cut_t) *, FGD_T *);
typedef void (*FGD_(add_t))(const FGD_T **, ptrdiff_t, const FGD_T *, const FGD_(cut_t) *, FGD_T *);
#define FGD_DOTS(WHOLE, N)                                                                                \
    static FGD_HOT void FGD_(dots_##WHOLE##N)(const FGD_T **rows, ptrdiff_t m, const FGD_T *w, FGD_T start, \
                                              const FGD_(cut_t) *cut, FGD_T *z) {                          \
        FGD_(dots_of)(rows, m, w, start, cut, WHOLE, N, z);                                                \
    }
#define FGD_ADD(N)                                                                                        \
    static FGD_HOT void FGD_(add_##N)(const FGD_T **rows, ptrdiff_t m, const FGD_T *d, const FGD_(cut_t) *cut, \
                                      FGD_T *g) {                                                          \
        ptrdiff_t at = 0, end = cut->groups * FGD_CHAIN_CHUNKS * FGD_CHUNK;                                \
        for (; at < end; at += FGD_CHAIN_CHUNKS * FGD_CHUNK)                                               \
            FGD_(add_group)(rows, m, at, d, FGD_CHAIN_CHUNKS, 0, NULL, g);                                 \
        FGD_(add_group)(rows, m, at, d, N, 1, cut->mask, g);                                               \
    }
FGD_DOTS(0, 1) FGD_DOTS(0, 2) FGD_DOTS(0, 3) FGD_DOTS(0, 4)
FGD_DOTS(1, 1) FGD_DOTS(1, 2) FGD_DOTS(1, 3) FGD_DOTS(1, 4)
FGD_ADD(1) FGD_ADD(2) FGD_ADD(3) FGD_ADD(4)
#undef FGD_DOTS
#undef FGD_ADD

static const FGD_(dots_t) FGD_(dots)[2][FGD_CHAIN_CHUNKS] = {
    {FGD_(dots_01), FGD_(dots_02), FGD_(dots_03), FGD_(dots_04)},
    {FGD_(dots_11), FGD_(dots_12), FGD_(dots_13), FGD_(dots_14)},
};
static const FGD_(add_t) FGD_(add)[FGD_CHAIN_CHUNKS] = {FGD_(add_1), FGD_(add_2), FGD_(add_3), FGD_(add_4)};
