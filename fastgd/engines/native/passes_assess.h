/* Loss and metric of rows. Part of passes.h, for one precision.

   Each sum is one chain of additions in double, over the rows in their order and over the outputs of a row in theirs. So
   its bits do not depend on threads or on how many rows are processed together, and other engines can compute the same. */

/* The mean of each output's targets, and the sum of the squares of their distances from it. */
static void FGD_(spread)(fgd_network *net) {
    ptrdiff_t n = net->sizes[net->layers];
    const FGD_T *y = (const FGD_T *)net->y;
    net->spread = 0;
    for (ptrdiff_t j = 0; j < n; j++) net->means[j] = 0;
    for (ptrdiff_t k = 0; k < net->n; k++)
        for (ptrdiff_t j = 0; j < n; j++) net->means[j] += (double)y[k * n + j];
    for (ptrdiff_t j = 0; j < n; j++) net->means[j] /= (double)net->n;
    for (ptrdiff_t k = 0; k < net->n; k++)
        for (ptrdiff_t j = 0; j < n; j++) {
            double distance = (double)y[k * n + j] - net->means[j];
            net->spread += distance * distance;
        }
}

/* The largest of a row's outputs, the first of several; NaN counts as larger, as in numpy.argmax. */
static ptrdiff_t FGD_(largest)(const FGD_T *z, ptrdiff_t n, ptrdiff_t panel) {
    ptrdiff_t best = 0;
    FGD_T most = z[0];
    for (ptrdiff_t j = 1; j < n; j++) {
        FGD_T value = z[j / FGD_NR * panel + j % FGD_NR];
        if (most == most && !(value <= most)) {
            best = j;
            most = value;
        }
    }
    return best;
}

/* Count the correct predictions of the outputs of rows first..first + m, or add the squares of their errors. */
static void FGD_(judge)(fgd_network *net, ptrdiff_t first, ptrdiff_t m) {
    ptrdiff_t n = net->sizes[net->layers], panel = m * FGD_NR;
    FGD_T *z = (FGD_T *)net->values[net->layers];
    if (net->predicts >= FGD_COUNTS && first == 0) FGD_(spread)(net);
    if (net->predicts == FGD_COUNTS) {
        void *arrays[] = {z, z};
        net->exponential(arrays, NULL, 0, FGD_PANELS(n) * panel);
    }
    for (ptrdiff_t b = 0; b < m; b++, z += FGD_NR) {
        if (net->predicts == FGD_CLASSES) {
            net->right += FGD_(largest)(z, n, panel) == ((const int32_t *)net->y)[first + b];
            continue;
        }
        const FGD_T *y = (const FGD_T *)net->y + (first + b) * n;
        for (ptrdiff_t j = 0; j < n; j++) {
            FGD_T value = z[j / FGD_NR * panel + j % FGD_NR];
            double error = (double)y[j] - (double)value;
            if (net->predicts == FGD_LABELS) net->right += (FGD_T)(value >= 0) == y[j];
            else net->residual += error * error;
        }
    }
}
