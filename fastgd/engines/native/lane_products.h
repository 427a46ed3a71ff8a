/* Products of networks side by side, for one precision: lane_kernels.h includes this once for float and once for double.

   A number of a network is a vector: the same number of as many networks as it has lanes. Weights lie in the order of the
   matrix, [input][unit]. What enters and leaves a layer lies in panels of up to FGD_ACROSS units, [panel][row][unit], but
   for inputs that all networks share: those are single numbers, [row][input].

   Each element of a product is one chain of multiply-adds in the order of the summed index, as in products.h: so a network
   has the same bits here as there. */

/* Rows of a tile: as many sums as registers hold beside one row of the other operand. */
static FGD_ALWAYS int FGD_(tall)(const int C) { return C > 2 ? FGD_DOWN : 2 * FGD_DOWN; }

/* z[r][c] = bias[c] + sum over inputs s of a[r][s] w[s][c], for R rows from `row` on and C units. */
static FGD_ALWAYS void FGD_(lane_sums)(const int R, const int C, const int alike, const void *a, ptrdiff_t rows,
                                       ptrdiff_t row, ptrdiff_t inputs, const FGD_V *w, ptrdiff_t step,
                                       const FGD_V *bias, FGD_V *z) {
    FGD_V sum[8][FGD_ACROSS];
    FGD_ALL for (int r = 0; r < R; r++)
        FGD_ALL for (int c = 0; c < C; c++) sum[r][c] = bias[c];
    if (alike) {
        const FGD_T *x = (const FGD_T *)a + row * inputs;
        for (ptrdiff_t s = 0; s < inputs; s++, w += step)
            FGD_ALL for (int r = 0; r < R; r++) {
                FGD_V number = FGD_SET1(x[r * inputs + s]);
                FGD_ALL for (int c = 0; c < C; c++) sum[r][c] = FGD_FMA(number, w[c], sum[r][c]);
            }
    } else
        for (ptrdiff_t first = 0; first < inputs; first += FGD_ACROSS) {
            ptrdiff_t wide = inputs - first < FGD_ACROSS ? inputs - first : FGD_ACROSS;
            const FGD_V *x = (const FGD_V *)a + first * rows + row * wide;
            for (ptrdiff_t s = 0; s < wide; s++, x++, w += step)
                FGD_ALL for (int r = 0; r < R; r++)
                    FGD_ALL for (int c = 0; c < C; c++) sum[r][c] = FGD_FMA(x[r * wide], w[c], sum[r][c]);
        }
    FGD_ALL for (int r = 0; r < R; r++)
        FGD_ALL for (int c = 0; c < C; c++) z[(row + r) * C + c] = sum[r][c];
}

/* d[r][c] *= sum over units j of delta[r][j] w[c][j]: back through the weights of C inputs of a layer; d has the slopes. */
static FGD_ALWAYS void FGD_(lane_backward)(const int R, const int C, const FGD_V *delta, ptrdiff_t rows, ptrdiff_t row,
                                           ptrdiff_t units, const FGD_V *w, FGD_V *d) {
    FGD_V sum[8][FGD_ACROSS];
    FGD_ALL for (int r = 0; r < R; r++)
        FGD_ALL for (int c = 0; c < C; c++) sum[r][c] = (FGD_V){0};
    for (ptrdiff_t first = 0; first < units; first += FGD_ACROSS) {
        ptrdiff_t wide = units - first < FGD_ACROSS ? units - first : FGD_ACROSS;
        const FGD_V *x = delta + first * rows + row * wide;
        for (ptrdiff_t j = 0; j < wide; j++, x++, w++)
            FGD_ALL for (int r = 0; r < R; r++)
                FGD_ALL for (int c = 0; c < C; c++) sum[r][c] = FGD_FMA(x[r * wide], w[c * units], sum[r][c]);
    }
    FGD_ALL for (int r = 0; r < R; r++)
        FGD_ALL for (int c = 0; c < C; c++) d[(row + r) * C + c] *= sum[r][c];
}

/* g[i][c] (+)= sum over rows of a[row][i] delta[row][c]: gradients of the weights from R inputs to C units. */
static FGD_ALWAYS void FGD_(lane_outer)(const int R, const int C, const int alike, const void *a, ptrdiff_t wide,
                                        const FGD_V *delta, ptrdiff_t rows, int add, FGD_V *g, ptrdiff_t units) {
    FGD_V sum[FGD_ACROSS][FGD_ACROSS];
    FGD_ALL for (int r = 0; r < R; r++)
        FGD_ALL for (int c = 0; c < C; c++) sum[r][c] = add ? g[r * units + c] : (FGD_V){0};
    for (ptrdiff_t k = 0; k < rows; k++, delta += C)
        FGD_ALL for (int r = 0; r < R; r++) {
            FGD_V number = alike ? FGD_SET1(((const FGD_T *)a)[k * wide + r]) : ((const FGD_V *)a)[k * wide + r];
            FGD_ALL for (int c = 0; c < C; c++) sum[r][c] = FGD_FMA(number, delta[c], sum[r][c]);
        }
    FGD_ALL for (int r = 0; r < R; r++)
        FGD_ALL for (int c = 0; c < C; c++) g[r * units + c] = sum[r][c];
}

/* g[c] (+)= sum over rows of delta[row][c]: gradients of the biases of C units. */
static FGD_ALWAYS void FGD_(lane_over_rows)(const int C, const FGD_V *delta, ptrdiff_t rows, int add, FGD_V *g) {
    FGD_V sum[FGD_ACROSS];
    FGD_ALL for (int c = 0; c < C; c++) sum[c] = add ? g[c] : (FGD_V){0};
    for (ptrdiff_t k = 0; k < rows; k++, delta += C)
        FGD_ALL for (int c = 0; c < C; c++) sum[c] += delta[c];
    FGD_ALL for (int c = 0; c < C; c++) g[c] = sum[c];
}

/* --- the same for all rows or inputs of a panel ---------------------------------------------------------------------- */

#define FGD_LANE_PANELS(C)                                                                                \
    static FGD_HOT void FGD_CAT(FGD_(lane_sums), C)(int alike, const void *a, ptrdiff_t rows,              \
                                                    ptrdiff_t inputs, const FGD_V *w, ptrdiff_t step,      \
                                                    const FGD_V *bias, FGD_V *z) {                         \
        ptrdiff_t r = 0;                                                                                   \
        for (; alike && r + FGD_(tall)(C) <= rows; r += FGD_(tall)(C))                                     \
            FGD_(lane_sums)(FGD_(tall)(C), C, 1, a, rows, r, inputs, w, step, bias, z);                    \
        for (; alike && r < rows; r++) FGD_(lane_sums)(1, C, 1, a, rows, r, inputs, w, step, bias, z);     \
        for (; r + FGD_(tall)(C) <= rows; r += FGD_(tall)(C))                                              \
            FGD_(lane_sums)(FGD_(tall)(C), C, 0, a, rows, r, inputs, w, step, bias, z);                    \
        for (; r < rows; r++) FGD_(lane_sums)(1, C, 0, a, rows, r, inputs, w, step, bias, z);              \
    }                                                                                                      \
    static FGD_HOT void FGD_CAT(FGD_(lane_backward), C)(const FGD_V *delta, ptrdiff_t rows,                \
                                                        ptrdiff_t units, const FGD_V *w, FGD_V *d) {       \
        ptrdiff_t r = 0;                                                                                   \
        for (; r + FGD_(tall)(C) <= rows; r += FGD_(tall)(C))                                              \
            FGD_(lane_backward)(FGD_(tall)(C), C, delta, rows, r, units, w, d);                            \
        for (; r < rows; r++) FGD_(lane_backward)(1, C, delta, rows, r, units, w, d);                      \
    }                                                                                                      \
    /* `many` inputs: of a panel as wide, or of rows of `wide` single numbers. */                          \
    static FGD_HOT void FGD_CAT(FGD_(lane_outer), C)(int alike, const void *a, ptrdiff_t wide,             \
                                                     ptrdiff_t many, const FGD_V *delta, ptrdiff_t rows,   \
                                                     int add, FGD_V *g, ptrdiff_t units) {                 \
        const FGD_T *x = (const FGD_T *)a;                                                                 \
        const FGD_V *v = (const FGD_V *)a;                                                                 \
        ptrdiff_t r = 0;                                                                                   \
        for (; alike && r + FGD_DOWN <= many; r += FGD_DOWN)                                               \
            FGD_(lane_outer)(FGD_DOWN, C, 1, x + r, wide, delta, rows, add, g + r * units, units);         \
        for (; alike && r + 2 <= many; r += 2)                                                             \
            FGD_(lane_outer)(2, C, 1, x + r, wide, delta, rows, add, g + r * units, units);                \
        for (; alike && r < many; r++)                                                                     \
            FGD_(lane_outer)(1, C, 1, x + r, wide, delta, rows, add, g + r * units, units);                \
        for (; r + FGD_DOWN <= many; r += FGD_DOWN)                                                        \
            FGD_(lane_outer)(FGD_DOWN, C, 0, v + r, wide, delta, rows, add, g + r * units, units);         \
        for (; r < many; r++)                                                                              \
            FGD_(lane_outer)(1, C, 0, v + r, wide, delta, rows, add, g + r * units, units);                \
    }                                                                                                      \
    static FGD_HOT void FGD_CAT(FGD_(lane_over_rows), C)(const FGD_V *delta, ptrdiff_t rows, int add,      \
                                                         FGD_V *g) {                                       \
        FGD_(lane_over_rows)(C, delta, rows, add, g);                                                      \
    }
FGD_LANE_PANELS(1)
FGD_LANE_PANELS(2)
FGD_LANE_PANELS(3)
FGD_LANE_PANELS(4)
#undef FGD_LANE_PANELS

/* The function for a panel of so many units. */
#define FGD_OF_PANEL(name, wide, ...)                                                                     \
    do {                                                                                                   \
        switch (wide) {                                                                                    \
        case 1: FGD_CAT(FGD_(name), 1)(__VA_ARGS__); break;                                                \
        case 2: FGD_CAT(FGD_(name), 2)(__VA_ARGS__); break;                                                \
        case 3: FGD_CAT(FGD_(name), 3)(__VA_ARGS__); break;                                                \
        default: FGD_CAT(FGD_(name), 4)(__VA_ARGS__);                                                      \
        }                                                                                                  \
    } while (0)
