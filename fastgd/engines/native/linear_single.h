/* An update by one row, for one precision: linear_kernels.h includes this twice. Outputs, slopes and weights are handed on
   as whole vectors: a processor that has stored a number by itself cannot read it soon as part of a vector. */

/* Value and slope of each output's loss: into desk->value and desk->slope, one after the other; returns the row's loss. */
static double FGD_(separate_loss)(const fgd_network *net, FGD_(desk) *desk, const FGD_T *y) {
    double loss = 0;
    FGD_V z[1], target[1], value[1], slope[1];
    void *arrays[] = {z, target, value, slope};
    for (ptrdiff_t c = 0; c < desk->outputs; c++) {
        *z = FGD_SET1(desk->z[c]);
        *target = FGD_SET1(y[c]);
        net->loss(arrays, net->loss_constants, 0, 1);
        double own = (double)FGD_(first)(*value);
        loss += own > net->cap ? net->cap : own;
        desk->slope[c] = FGD_(first)(*slope);
    }
    return loss * net->reduce;
}

static double FGD_(coupled_loss)(const fgd_network *net, FGD_(desk) *desk, ptrdiff_t label) {
    ptrdiff_t n = desk->outputs;
    FGD_T *slope = desk->slope, most = desk->z[0], total = 0;
    void *arrays[] = {slope, slope};
    for (ptrdiff_t c = 1; c < n; c++) most = desk->z[c] > most ? desk->z[c] : most;
    for (ptrdiff_t c = 0; c < n; c++) slope[c] = desk->z[c] - most;
    double loss = -(double)slope[label];
    net->exponential(arrays, NULL, 0, n);
    for (ptrdiff_t c = 0; c < n; c++) total += slope[c];
    for (ptrdiff_t c = 0; c < n; c++) slope[c] = slope[c] / total - (FGD_T)(c == label);
    FGD_V logarithm[1] = {FGD_SET1(total)};
    void *one[] = {logarithm, logarithm};
    net->logarithm(one, NULL, 0, 1);
    loss += (double)FGD_(first)(*logarithm);
    return loss > net->cap ? net->cap : loss;
}

/* sum[c] = slope[c] times the row, for each output, as a block of one row has it. */
static void FGD_(sums_of_one)(FGD_(desk) *desk, const FGD_T *row) {
    ptrdiff_t n = desk->outputs, last = desk->width / FGD_CHUNK - 1;
    for (ptrdiff_t c = 0; c < n; c++) {
        FGD_T *sum = desk->part + c * desk->width;
        FGD_V slope = FGD_SET1(desk->slope[c]);
        for (ptrdiff_t q = 0; q <= last; q++)
            FGD_ALL for (int p = 0; p < FGD_PER; p++) {
                ptrdiff_t at = q * FGD_CHUNK + p * FGD_LANES;
                FGD_V x = FGD_(load)(row + at);
                FGD_(store)(sum + at, slope * (q == last ? FGD_(masked)(x, desk->cut.mask[p]) : x));
            }
        desk->part[n * desk->width + c] = desk->slope[c];
    }
}

/* The loss of a batch with one row, whose sums are in desk->part. */
static FGD_HOT double FGD_(single)(const fgd_network *net, FGD_(desk) *desk, ptrdiff_t k) {
    const FGD_T *row, *intercepts = (const FGD_T *)net->parameters[1];
    ptrdiff_t place = fgd_place(net, k), n = desk->outputs;
    double weight = net->weights ? net->weights[place] : 1.0, share = weight > 0 ? weight / weight : 0.0, loss;
    FGD_(find_rows)(net, desk, k, 1, &row);
    for (ptrdiff_t c = 0; c < n; c++)
        FGD_(dots)[desk->cut.groups > 0][desk->cut.rest - 1](&row, 1, desk->weights + c * desk->width, intercepts[c],
                                                             &desk->cut, desk->z + c);
    if (net->loss) loss = FGD_(separate_loss)(net, desk, (const FGD_T *)net->y + place * n);
    else loss = FGD_(coupled_loss)(net, desk, ((const int32_t *)net->y)[place]);
    FGD_T scale = (FGD_T)(net->loss ? share * net->reduce : share);
    for (ptrdiff_t c = 0; c < n; c++) desk->slope[c] *= scale;
    FGD_(sums_of_one)(desk, row);
    return share * loss;
}
