/* Matrix products of a network, for one precision: network_kernels.h includes this once for float and once for double.

   What enters and leaves a layer lies in panels: as many columns as two vectors hold, all rows of them below each other,
   [panel][row][column]. So a tile of a product reads one operand as whole vectors and the other number by number, both
   side by side and neither copied; only weights are packed.

   Every element of a product is one chain of multiply-adds (fused where the processor can) in the order of the summed
   index. So its bits depend on nothing but the operands: not on tiles, threads, or the rows beside it. */

/* A chain goes on from `from`: what is there already, one row for all, or NULL for zeros. A tile is R rows high and H
   vectors wide: both of a panel, or only the first where the last panel has no columns in the second. */
#define FGD_BEGIN(R, H, from, step)                                                                       \
    FGD_V acc[R][H];                                                                                       \
    FGD_ALL for (int r = 0; r < R; r++)                                                                    \
        FGD_ALL for (int h = 0; h < H; h++)                                                                \
            acc[r][h] = (from) ? FGD_(load)((from) + r * (step) + h * FGD_LANES) : (FGD_V){0};
#define FGD_END(R, H, to, step)                                                                           \
    FGD_ALL for (int r = 0; r < R; r++)                                                                    \
        FGD_ALL for (int h = 0; h < H; h++) FGD_(store)((to) + r * (step) + h * FGD_LANES, acc[r][h]);
#define FGD_RANK_ONE(R, H, number, b)                                                                     \
    do {                                                                                                   \
        FGD_V b_[H];                                                                                       \
        FGD_ALL for (int h = 0; h < H; h++) b_[h] = FGD_(load)((b) + h * FGD_LANES);                       \
        FGD_ALL for (int r = 0; r < R; r++) {                                                              \
            FGD_V x_ = FGD_SET1(number);                                                                   \
            FGD_ALL for (int h = 0; h < H; h++) acc[r][h] = FGD_FMA(x_, b_[h], acc[r][h]);                 \
        }                                                                                                  \
    } while (0)

/* Rows times packed weights: c[r][.] += sum over k < depth of a[r][k] b[k][.]; `a` and `c` in panels. */
#define FGD_TILE(R, H)                                                                                    \
    static FGD_HOT void FGD_SIZED(tile, H, R)(const FGD_T *a, ptrdiff_t panel, ptrdiff_t depth,            \
                                              const FGD_T *b, const FGD_T *from, ptrdiff_t step,           \
                                              FGD_T *c) {                                                  \
        FGD_BEGIN(R, H, from, step)                                                                        \
        for (; depth > 0; depth -= FGD_NR, a += panel) {                                                   \
            ptrdiff_t many = depth < FGD_NR ? depth : FGD_NR;                                              \
            for (ptrdiff_t s = 0; s < many; s++, b += FGD_NR) FGD_RANK_ONE(R, H, a[r * FGD_NR + s], b);    \
        }                                                                                                  \
        FGD_END(R, H, c, FGD_NR)                                                                           \
    }
/* The same with the weights where they are: vector k at b + index[k]. Few rows do not pay for packing. */
#define FGD_TILE_IN_PLACE(R)                                                                              \
    static FGD_HOT void FGD_SIZED(tile_in_place, 2, R)(const FGD_T *a, ptrdiff_t panel, ptrdiff_t depth,   \
                                                       const FGD_T *b, const ptrdiff_t *index,             \
                                                       const FGD_T *from, ptrdiff_t step, FGD_T *c) {      \
        FGD_BEGIN(R, 2, from, step)                                                                        \
        for (; depth > 0; depth -= FGD_NR, a += panel) {                                                   \
            ptrdiff_t many = depth < FGD_NR ? depth : FGD_NR;                                              \
            for (ptrdiff_t s = 0; s < many; s++, index++)                                                  \
                FGD_RANK_ONE(R, 2, a[r * FGD_NR + s], b + *index);                                         \
        }                                                                                                  \
        FGD_END(R, 2, c, FGD_NR)                                                                           \
    }
/* Gradient of a weight: g[r][.] += sum over rows of a[row][r] b[row][.]; `a` and `b` in panels. */
#define FGD_OUTER(R, H)                                                                                   \
    static FGD_HOT void FGD_SIZED(outer, H, R)(const FGD_T *a, const FGD_T *b, ptrdiff_t rows,             \
                                               const FGD_T *from, FGD_T *g, ptrdiff_t step) {              \
        FGD_BEGIN(R, H, from, step)                                                                        \
        for (ptrdiff_t s = 0; s < rows; s++) FGD_RANK_ONE(R, H, a[s * FGD_NR + r], b + s * FGD_NR);        \
        FGD_END(R, H, g, step)                                                                             \
    }
/* A tile of fewer columns than a vector has: half of them or a quarter. Processors that have two units for short vectors
   and one for the longest are done in half the time; nothing is computed that nobody reads. */
#ifdef FGD_PARTS
#define FGD_TILE_PART(R, P)                                                                               \
    static FGD_HOT void FGD_SIZED(tile, P, R)(const FGD_T *a, ptrdiff_t panel, ptrdiff_t depth,            \
                                              const FGD_T *b, const FGD_T *from, ptrdiff_t step,           \
                                              FGD_T *c) {                                                  \
        FGD_VECTOR_OF(P) acc[R] = {{0}}, b_;                                                               \
        if (from) FGD_ALL for (int r = 0; r < R; r++) memcpy(&acc[r], from + r * step, sizeof b_);         \
        for (; depth > 0; depth -= FGD_NR, a += panel) {                                                   \
            ptrdiff_t many = depth < FGD_NR ? depth : FGD_NR;                                              \
            for (ptrdiff_t s = 0; s < many; s++, b += FGD_NR) {                                            \
                memcpy(&b_, b, sizeof b_);                                                                 \
                FGD_ALL for (int r = 0; r < R; r++)                                                        \
                    acc[r] = FGD_FMA_OF(P)(FGD_SET1_OF(P)(a[r * FGD_NR + s]), b_, acc[r]);                 \
            }                                                                                              \
        }                                                                                                  \
        FGD_ALL for (int r = 0; r < R; r++) memcpy(c + r * FGD_NR, &acc[r], sizeof b_);                    \
    }
#define FGD_VECTOR_OF(P) FGD_CAT(FGD_CAT(fgd_, P), FGD_S)
#define FGD_FMA_OF(P) FGD_CAT(FGD_CAT(FGD_FMA_, P), FGD_S)
#define FGD_SET1_OF(P) FGD_CAT(FGD_CAT(FGD_SET1_, P), FGD_S)
#else
#define FGD_TILE_PART(R, P)
#endif
#define FGD_SIZED(name, H, R) FGD_CAT(FGD_CAT(FGD_CAT(FGD_(name), H), x), R)
#define FGD_TILES(R)                                                                                      \
    FGD_TILE(R, 1) FGD_TILE(R, 2) FGD_TILE_PART(R, half) FGD_TILE_PART(R, quarter) FGD_TILE_IN_PLACE(R)   \
        FGD_OUTER(R, 1) FGD_OUTER(R, 2)
FGD_TILES(1)
FGD_TILES(2)
FGD_TILES(3)
FGD_TILES(4)
FGD_TILES(5)
FGD_TILES(6)
#if FGD_TALLEST == 12
FGD_TILES(7)
FGD_TILES(8)
FGD_TILES(9)
FGD_TILES(10)
FGD_TILES(11)
FGD_TILES(12)
#endif

typedef void (*FGD_(tile_t))(const FGD_T *, ptrdiff_t, ptrdiff_t, const FGD_T *, const FGD_T *, ptrdiff_t, FGD_T *);
typedef void (*FGD_(tile_in_place_t))(const FGD_T *, ptrdiff_t, ptrdiff_t, const FGD_T *, const ptrdiff_t *,
                                      const FGD_T *, ptrdiff_t, FGD_T *);
typedef void (*FGD_(outer_t))(const FGD_T *, const FGD_T *, ptrdiff_t, const FGD_T *, FGD_T *, ptrdiff_t);
#define FGD_SIX(name, H)                                                                                  \
    FGD_SIZED(name, H, 1), FGD_SIZED(name, H, 2), FGD_SIZED(name, H, 3), FGD_SIZED(name, H, 4),            \
        FGD_SIZED(name, H, 5), FGD_SIZED(name, H, 6)
#if FGD_TALLEST == 12
#define FGD_TABLE(name, H)                                                                                \
    {FGD_SIX(name, H), FGD_SIZED(name, H, 7), FGD_SIZED(name, H, 8), FGD_SIZED(name, H, 9),                \
     FGD_SIZED(name, H, 10), FGD_SIZED(name, H, 11), FGD_SIZED(name, H, 12)}
#else
#define FGD_TABLE(name, H) {FGD_SIX(name, H)}
#endif
static const FGD_(tile_t) FGD_(tiles)[2][FGD_TALLEST] = {FGD_TABLE(tile, 1), FGD_TABLE(tile, 2)};
#ifdef FGD_PARTS
static const FGD_(tile_t) FGD_(tile_parts)[2][FGD_TALLEST] = {FGD_TABLE(tile, quarter), FGD_TABLE(tile, half)};
#endif
static const FGD_(tile_in_place_t) FGD_(tiles_in_place)[FGD_TALLEST] = FGD_TABLE(tile_in_place, 2);
static const FGD_(outer_t) FGD_(outers)[2][FGD_TALLEST] = {FGD_TABLE(outer, 1), FGD_TABLE(outer, 2)};

/* --- packing ---------------------------------------------------------------------------------------------------- */

/* Columns column.. of some rows of w (n columns) as vectors below each other; beyond the last column zeros. */
static FGD_HOT void FGD_(pack)(const FGD_T *w, ptrdiff_t n, ptrdiff_t column, const ptrdiff_t *index, ptrdiff_t depth,
                       FGD_T *out) {
    ptrdiff_t left = n - column < FGD_NR ? n - column : FGD_NR;
    for (ptrdiff_t k = 0; k < depth; k++, out += FGD_NR) {
        const FGD_T *from = w + index[k] + column;
        if (left == FGD_NR) {
            FGD_(store)(out, FGD_(load)(from));
            FGD_(store)(out + FGD_LANES, FGD_(load)(from + FGD_LANES));
        } else {
            for (ptrdiff_t j = 0; j < FGD_NR; j++) out[j] = j < left ? from[j] : 0;
        }
    }
}

/* The transpose: columns first..last of the rows row.. (of all `rows`) of w, each column as a vector. */
static FGD_HOT void FGD_(pack_transposed)(const FGD_T *w, ptrdiff_t n, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t first,
                                          ptrdiff_t last, FGD_T *out) {
    ptrdiff_t left = rows - row < FGD_NR ? rows - row : FGD_NR, r = 0;
    for (; r + FGD_SQUARE <= left; r += FGD_SQUARE) {
        const FGD_T *from = w + (row + r) * n;
        ptrdiff_t j = first;
        for (; j + FGD_SQUARE <= last; j += FGD_SQUARE) FGD_(transpose)(from + j, n, out + (j - first) * FGD_NR + r);
        for (; j < last; j++)
            for (ptrdiff_t k = 0; k < FGD_SQUARE; k++) out[(j - first) * FGD_NR + r + k] = from[k * n + j];
    }
    for (; r < FGD_NR; r++)
        for (ptrdiff_t j = first; j < last; j++) out[(j - first) * FGD_NR + r] = r < left ? w[(row + r) * n + j] : 0;
}

/* --- products of one panel of the result -------------------------------------------------------------------------- */

/* Rows cut into tiles of nearly equal height: the k-th of `count` over `rows`. */
static inline ptrdiff_t FGD_(cut)(ptrdiff_t rows, ptrdiff_t count, ptrdiff_t k) { return rows * k / count; }

/* c = from + a b for rows lo..hi and so many columns: `b` packed; or, where `index` is given, in place. */
static void FGD_(multiply)(const FGD_T *a, ptrdiff_t panel, ptrdiff_t lo, ptrdiff_t hi, ptrdiff_t depth,
                           const FGD_T *b, const ptrdiff_t *index, const FGD_T *from, ptrdiff_t step, FGD_T *c,
                           ptrdiff_t columns) {
    const FGD_(tile_t) *tiles = FGD_(tiles)[columns > FGD_LANES], *rest = NULL;
    ptrdiff_t whole = columns > FGD_LANES ? FGD_LANES : 0; /* columns before those of a part of a vector */
#ifdef FGD_PARTS
    if (!index && columns - whole <= FGD_LANES / 2) {
        rest = FGD_(tile_parts)[columns - whole > FGD_LANES / 4];
        tiles = whole ? FGD_(tiles)[0] : NULL;
    }
#endif
    ptrdiff_t rows = hi - lo, count = (rows + FGD_TALLEST - 1) / FGD_TALLEST;
    for (ptrdiff_t k = 0; k < count; k++) {
        ptrdiff_t r = lo + FGD_(cut)(rows, count, k), height = lo + FGD_(cut)(rows, count, k + 1) - r;
        const FGD_T *begin = from ? from + r * step : NULL;
        if (index)
            FGD_(tiles_in_place)[height - 1](a + r * FGD_NR, panel, depth, b, index, begin, step, c + r * FGD_NR);
        else if (tiles) tiles[height - 1](a + r * FGD_NR, panel, depth, b, begin, step, c + r * FGD_NR);
        if (rest)
            rest[height - 1](a + r * FGD_NR, panel, depth, b + whole, begin ? begin + whole : NULL, step,
                             c + r * FGD_NR + whole);
    }
}

/* --- one row ------------------------------------------------------------------------------------------------------ */

/* z += a0 w0 + a1 w1 + a2 w2 + a3 w3, one after the other. */
static FGD_HOT void FGD_(add_four)(FGD_T *z, ptrdiff_t n, const FGD_T *a, const FGD_T *w0, const FGD_T *w1,
                                   const FGD_T *w2, const FGD_T *w3) {
    FGD_V a0 = FGD_SET1(a[0]), a1 = FGD_SET1(a[1]), a2 = FGD_SET1(a[2]), a3 = FGD_SET1(a[3]);
    ptrdiff_t j = 0;
    for (; j + FGD_LANES <= n; j += FGD_LANES) {
        FGD_V sum = FGD_FMA(a0, FGD_(load)(w0 + j), FGD_(load)(z + j));
        sum = FGD_FMA(a1, FGD_(load)(w1 + j), sum);
        sum = FGD_FMA(a2, FGD_(load)(w2 + j), sum);
        FGD_(store)(z + j, FGD_FMA(a3, FGD_(load)(w3 + j), sum));
    }
    for (; j < n; j++) {
        FGD_T sum = FGD_FMA1(a[0], w0[j], z[j]);
        sum = FGD_FMA1(a[1], w1[j], sum);
        sum = FGD_FMA1(a[2], w2[j], sum);
        z[j] = FGD_FMA1(a[3], w3[j], sum);
    }
}

static void FGD_(add_one)(FGD_T *z, ptrdiff_t n, FGD_T a, const FGD_T *w) {
    FGD_V wide = FGD_SET1(a);
    ptrdiff_t j = 0;
    for (; j + FGD_LANES <= n; j += FGD_LANES)
        FGD_(store)(z + j, FGD_FMA(wide, FGD_(load)(w + j), FGD_(load)(z + j)));
    for (; j < n; j++) z[j] = FGD_FMA1(a, w[j], z[j]);
}

/* The four sums of a dot product and its tail, in one order: halves of a vector, halves of that... */
static inline FGD_T FGD_(gathered)(FGD_V s0, FGD_V s1, FGD_V s2, FGD_V s3, FGD_T tail) {
    FGD_T parts[FGD_LANES];
    FGD_V sum = (s0 + s1) + (s2 + s3);
    memcpy(parts, &sum, sizeof sum);
    for (int half = FGD_LANES / 2; half; half /= 2)
        for (int k = 0; k < half; k++) parts[k] += parts[k + half];
    return parts[0] + tail;
}

static FGD_HOT FGD_T FGD_(dot)(const FGD_T *w, const FGD_T *d, ptrdiff_t n) {
    FGD_V s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    FGD_T tail = 0;
    ptrdiff_t j = 0;
    for (; j + 4 * FGD_LANES <= n; j += 4 * FGD_LANES) {
        s0 = FGD_FMA(FGD_(load)(w + j), FGD_(load)(d + j), s0);
        s1 = FGD_FMA(FGD_(load)(w + j + FGD_LANES), FGD_(load)(d + j + FGD_LANES), s1);
        s2 = FGD_FMA(FGD_(load)(w + j + 2 * FGD_LANES), FGD_(load)(d + j + 2 * FGD_LANES), s2);
        s3 = FGD_FMA(FGD_(load)(w + j + 3 * FGD_LANES), FGD_(load)(d + j + 3 * FGD_LANES), s3);
    }
    for (; j + FGD_LANES <= n; j += FGD_LANES) s0 = FGD_FMA(FGD_(load)(w + j), FGD_(load)(d + j), s0);
    for (; j < n; j++) tail = FGD_FMA1(w[j], d[j], tail);
    return FGD_(gathered)(s0, s1, s2, s3, tail);
}

/* Plain descent on one row of weights, w -= rate (a d), and the dot product of what it was with d. */
static FGD_HOT FGD_T FGD_(dot_and_descend)(FGD_T *w, const FGD_T *d, ptrdiff_t n, FGD_T a, FGD_T rate) {
    FGD_V s[4] = {{0}, {0}, {0}, {0}}, wide = FGD_SET1(a), rates = FGD_SET1(rate);
    FGD_T tail = 0;
    ptrdiff_t j = 0;
    for (; j + 4 * FGD_LANES <= n; j += 4 * FGD_LANES)
        FGD_ALL for (int h = 0; h < 4; h++) {
            FGD_V x = FGD_(load)(w + j + h * FGD_LANES), y = FGD_(load)(d + j + h * FGD_LANES);
            s[h] = FGD_FMA(x, y, s[h]);
            FGD_(store)(w + j + h * FGD_LANES, x - rates * (wide * y));
        }
    for (; j + FGD_LANES <= n; j += FGD_LANES) {
        FGD_V x = FGD_(load)(w + j), y = FGD_(load)(d + j);
        s[0] = FGD_FMA(x, y, s[0]);
        FGD_(store)(w + j, x - rates * (wide * y));
    }
    for (; j < n; j++) {
        tail = FGD_FMA1(w[j], d[j], tail);
        w[j] = w[j] - rate * (a * d[j]);
    }
    return FGD_(gathered)(s[0], s[1], s[2], s[3], tail);
}

static FGD_HOT void FGD_(descend)(FGD_T *w, const FGD_T *d, ptrdiff_t n, FGD_T a, FGD_T rate) {
    FGD_V wide = FGD_SET1(a), rates = FGD_SET1(rate);
    ptrdiff_t j = 0;
    for (; j + FGD_LANES <= n; j += FGD_LANES)
        FGD_(store)(w + j, FGD_(load)(w + j) - rates * (wide * FGD_(load)(d + j)));
    for (; j < n; j++) w[j] = w[j] - rate * (a * d[j]);
}
