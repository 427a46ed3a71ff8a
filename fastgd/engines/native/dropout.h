/* Dropout: a hash of each unit's place, as in fastgd.engines.reference.networks. */
#ifndef FASTGD_DROPOUT_H
#define FASTGD_DROPOUT_H

#include <stdint.h>

#define FGD_GOLDEN 0x9E3779B97F4A7C15ull
static inline uint64_t fgd_mixed(uint64_t x) {
    x += FGD_GOLDEN;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

/* The hash that the places of a layer's units are added to, in update number `t`, counted from 1. */
static inline uint64_t fgd_drop_base(uint64_t seed, uint64_t t, int layer) {
    return fgd_mixed(fgd_mixed(fgd_mixed(seed) ^ t) ^ (uint64_t)layer);
}

#endif
