/* From outputs in panels to predictions in rows, and whether the inputs are finite. Part of passes.h, for one precision. */

/* Whether the numbers of a row that was gathered into panels are finite. */
static int FGD_(row_is_finite)(const FGD_T *row, ptrdiff_t n, ptrdiff_t panel) {
    FGD_V wrong = {0}; /* NaN in a lane that has seen NaN or infinity */
    FGD_T rest = 0, lanes[FGD_LANES];
    ptrdiff_t c = 0;
    for (; c + FGD_NR <= n; c += FGD_NR, row += panel)
        FGD_ALL for (int h = 0; h < 2; h++) {
            FGD_V x = FGD_(load)(row + h * FGD_LANES);
            wrong += x - x;
        }
    for (int k = 0; c < n; c++, k++) rest += row[k] - row[k];
    memcpy(lanes, &wrong, sizeof wrong);
    for (int k = 0; k < FGD_LANES; k++) rest += lanes[k];
    return rest == 0;
}

/* Row b of the outputs, side by side. */
static inline void FGD_(output_row)(const fgd_network *net, ptrdiff_t m, ptrdiff_t b, FGD_T *out) {
    ptrdiff_t n = net->sizes[net->layers];
    const FGD_T *z = (const FGD_T *)net->values[net->layers] + b * FGD_NR;
    for (ptrdiff_t j = 0; j < n; j += FGD_NR, z += m * FGD_NR)
        memcpy(out + j, z, (size_t)(n - j < FGD_NR ? n - j : FGD_NR) * sizeof(FGD_T));
}

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

static void FGD_(write_outputs)(const fgd_network *net, ptrdiff_t first, ptrdiff_t m, int rank) {
    FGD_(room) room = FGD_(room_of)(net, rank);
    ptrdiff_t n = net->sizes[net->layers], hi = fgd_share(m, rank + 1, net->barrier.members);
    ptrdiff_t together = FGD_(row_room)(net) / n; /* rows that fit into room.row, at least two */
    for (ptrdiff_t b = fgd_share(m, rank, net->barrier.members); b < hi; b += together) {
        ptrdiff_t rows = b + together < hi ? together : hi - b;
        FGD_T *out = (FGD_T *)net->outputs + (first + b) * n;
        for (ptrdiff_t k = 0; k < rows; k++) FGD_(output_row)(net, m, b + k, out + k * n);
        if (net->predicts == FGD_CLASSES) FGD_(softmax_rows)(net, rows, room.row, out);
        else if (net->predicts != FGD_VALUES) FGD_(separate_rows)(net, rows, room.row, out);
    }
}
