/* What networks and linear models share in a batch, for one precision: the weights of its rows, penalties, updates of
   parameter arrays, checkpoints, links. */

static inline FGD_V FGD_(load)(const FGD_T *p) {
    FGD_V v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void FGD_(store)(FGD_T *p, FGD_V v) { memcpy(p, &v, sizeof v); }

static double FGD_(weight_of)(const fgd_network *net, ptrdiff_t start, ptrdiff_t stop) {
    double total = 0;
    if (!net->weights) return (double)(stop - start);
    for (ptrdiff_t k = start; k < stop; k++) total += net->weights[fgd_place(net, k)];
    return total;
}

/* --- gradients and updates ----------------------------------------------------------------------------------------- */

static inline ptrdiff_t FGD_(length)(const fgd_network *net, int k) {
    if (!net->parameters[k]) return 0; /* no biases */
    return net->sizes[k / 2 + 1] * (k % 2 ? 1 : net->sizes[k / 2]);
}

static int FGD_(penalized)(const fgd_network *net) { return net->l1 != 0 || net->l2 != 0; }

/* Add the gradient of the penalties to that of n weights. */
static FGD_HOT void FGD_(penalize)(const fgd_network *net, FGD_T *g, const FGD_T *w, ptrdiff_t n, double share) {
    FGD_T l2 = (FGD_T)(net->l2 * share), l1 = (FGD_T)(net->l1 * share);
    for (ptrdiff_t i = 0; i < n; i++) g[i] += l2 * w[i] + l1 * ((w[i] > 0) - (w[i] < 0));
}

/* The penalties on n weights. */
static FGD_HOT double FGD_(penalty)(const fgd_network *net, const FGD_T *w, ptrdiff_t n, double share) {
    double squares = 0, sizes = 0;
    if (net->l2 != 0) squares = FGD_SQUARES_OF(w, n);
    if (net->l1 != 0)
        for (ptrdiff_t i = 0; i < n; i++) sizes += fabs((double)w[i]);
    return share * (net->l1 * sizes + net->l2 / 2 * squares);
}

/* Update elements lo..hi of a parameter array by gradients that begin at `g`. */
static void FGD_(update)(const fgd_update *update, ptrdiff_t lo, ptrdiff_t hi, const FGD_T *g) {
    void *arrays[FGD_MOST_ARRAYS];
    for (int k = 0; k < update->count; k++) arrays[k] = (FGD_T *)update->arrays[k] + lo;
    arrays[1] = (void *)g;
    update->loop(arrays, update->coefficients, 0, hi - lo);
}

/* --- averages ------------------------------------------------------------------------------------------------------- */

/* Add the parameters of the only layer, whose weights may lie output by output in rows of `width` at `packed`. */
static void FGD_(add_to_averages)(const fgd_network *net, ptrdiff_t place, const FGD_T *packed, ptrdiff_t width) {
    ptrdiff_t inputs = net->sizes[0], n = net->sizes[1];
    const FGD_T *w = packed && n == 1 ? packed : (const FGD_T *)net->parameters[0];
    if (!net->averages[0] || place < net->average_from) return;
    if (packed && n > 1)
        for (ptrdiff_t c = 0; c < n; c++)
            for (ptrdiff_t k = 0; k < inputs; k++) net->averages[0][k * n + c] += (double)packed[c * width + k];
    else
        for (ptrdiff_t i = 0; i < inputs * n; i++) net->averages[0][i] += (double)w[i];
    for (ptrdiff_t c = 0; c < n; c++) net->averages[1][c] += (double)((const FGD_T *)net->parameters[1])[c];
}

/* --- checkpoints ---------------------------------------------------------------------------------------------------- */

static int FGD_(all_finite)(const FGD_T *p, ptrdiff_t n) {
    int bad = 0;
    for (ptrdiff_t i = 0; i < n; i++) bad |= !isfinite(p[i]);
    return !bad;
}

/* Test whether all parameters are finite; keep them if they are. */
static void FGD_(check)(fgd_network *net) {
    for (int k = 0; k < 2 * net->layers; k++)
        if (!FGD_(all_finite)((const FGD_T *)net->parameters[k], FGD_(length)(net, k))) net->overflowed = 1;
    for (int k = 0; k < 2 * net->layers && net->keep && !net->overflowed; k++)
        if (FGD_(length)(net, k))
            memcpy(net->kept[k], net->parameters[k], (size_t)FGD_(length)(net, k) * sizeof(FGD_T));
}

/* --- links: from outputs to predictions ------------------------------------------------------------------------------ */

/* Numbers of `whole` rows at `out`, which are outputs so far, become probabilities; `room` has as many, in vectors. */
static void FGD_(softmax_rows)(const fgd_network *net, ptrdiff_t rows, FGD_T *room, FGD_T *out) {
    ptrdiff_t n = net->sizes[net->layers], count = rows * n;
    ptrdiff_t vectors = (count + FGD_LANES - 1) / FGD_LANES * FGD_LANES;
    void *arrays[] = {room, room};
    for (ptrdiff_t b = 0; b < rows; b++) {
        FGD_T most = out[b * n];
        for (ptrdiff_t j = 1; j < n; j++) most = out[b * n + j] > most ? out[b * n + j] : most;
        for (ptrdiff_t j = 0; j < n; j++) room[b * n + j] = out[b * n + j] - most;
    }
    for (ptrdiff_t i = count; i < vectors; i++) room[i] = 0;
    net->exponential(arrays, NULL, 0, vectors);
    for (ptrdiff_t b = 0; b < rows; b++) {
        FGD_T total = 0;
        for (ptrdiff_t j = 0; j < n; j++) total += room[b * n + j];
        for (ptrdiff_t j = 0; j < n; j++) out[b * n + j] = room[b * n + j] / total;
    }
}

/* The same for labels, each with a probability of its own, and for counts, whose mean is the exponential. */
static void FGD_(separate_rows)(const fgd_network *net, ptrdiff_t rows, FGD_T *room, FGD_T *out) {
    ptrdiff_t count = rows * net->sizes[net->layers];
    ptrdiff_t vectors = (count + FGD_LANES - 1) / FGD_LANES * FGD_LANES;
    int labels = net->predicts == FGD_LABELS;
    void *arrays[] = {room, room};
    for (ptrdiff_t i = 0; i < count; i++) room[i] = labels && out[i] > 0 ? -out[i] : out[i];
    for (ptrdiff_t i = count; i < vectors; i++) room[i] = 0;
    net->exponential(arrays, NULL, 0, vectors);
    for (ptrdiff_t i = 0; i < count; i++)
        out[i] = !labels ? room[i] : (out[i] < 0 ? room[i] : (FGD_T)1) / ((FGD_T)1 + room[i]);
}
