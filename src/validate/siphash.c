/*
 * SipHash-2-4 with 128 bits of output (J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF",
 * 2012, and its later 128-bit form, in which v1 is begun with 0xee more and two halves are given). The key is
 * fixed: the same rows have the same hashes in every run.
 */
#include <string.h>

#include "internal.h"

static const uint64_t key[2] = {0x0706050403020100U, 0x0f0e0d0c0b0a0908U}; /* as in the published vectors */

static uint64_t rotate(uint64_t v, unsigned bits)
{
    return v << bits | v >> (64 - bits);
}

static void rounds(uint64_t v[4], unsigned n)
{
    while (n--) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

static void take_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    rounds(v, 2);
    v[0] ^= word;
}

static uint64_t little_endian(const unsigned char *p, size_t n)
{
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++)
        word |= (uint64_t)p[i] << (8 * i);
    return word;
}

struct mlo_key mlo_siphash(const void *data, size_t n)
{
    const unsigned char *p = data;
    struct mlo_key h;
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575U, key[1] ^ 0x646f72616e646f6dU ^ 0xee,
                     key[0] ^ 0x6c7967656e657261U, key[1] ^ 0x7465646279746573U};
    size_t left = n;
    for (; left >= 8; p += 8, left -= 8)
        take_word(v, little_endian(p, 8));
    take_word(v, (uint64_t)n << 56 | little_endian(p, left));
    v[2] ^= 0xee;
    rounds(v, 4);
    h.a = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    rounds(v, 4);
    h.b = v[0] ^ v[1] ^ v[2] ^ v[3];
    return h;
}
