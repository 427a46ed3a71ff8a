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
