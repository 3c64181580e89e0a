/* Little-endian numbers at any address. */
#ifndef MLOPSCTL_BASE_BYTES_H
#define MLOPSCTL_BASE_BYTES_H

#include <stdint.h>

static inline uint16_t mlo_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}
static inline uint32_t mlo_le32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint64_t mlo_le64(const uint8_t *p)
{
    return mlo_le32(p) | (uint64_t)mlo_le32(p + 4) << 32;
}

#endif
