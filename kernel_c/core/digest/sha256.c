/* SHA-256 (FIPS 180-4) in plain C. The message schedule is computed in place, sixteen words at a time. */
#include "kgpt/sha256.h"

#include "kgpt/mem.h"

#define BLOCK 64

_Alignas(16) const uint32_t kg_sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotate_right(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

/* One round. The caller rotates the names, instead of moving eight values. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                                                              \
    do {                                                                                                              \
        uint32_t t =                                                                                                  \
            h + (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25)) + (g ^ (e & (f ^ g))) + k[i] + w[i]; \
        d += t;                                                                                                       \
        h = t + (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22)) + ((a & b) | (c & (a | b)));         \
    } while (0)

static void sixteen_rounds(uint32_t s[8], const uint32_t w[16], const uint32_t k[16])
{
    uint32_t a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
    for (int i = 0; i < 16; i += 8) {
        ROUND(a, b, c, d, e, f, g, h, i);
        ROUND(h, a, b, c, d, e, f, g, i + 1);
        ROUND(g, h, a, b, c, d, e, f, i + 2);
        ROUND(f, g, h, a, b, c, d, e, i + 3);
        ROUND(e, f, g, h, a, b, c, d, i + 4);
        ROUND(d, e, f, g, h, a, b, c, i + 5);
        ROUND(c, d, e, f, g, h, a, b, i + 6);
        ROUND(b, c, d, e, f, g, h, a, i + 7);
    }
    s[0] = a, s[1] = b, s[2] = c, s[3] = d, s[4] = e, s[5] = f, s[6] = g, s[7] = h;
}

/* Replaces the schedule's sixteen words by the next sixteen. */
static void expand_schedule(uint32_t w[16])
{
    for (int i = 0; i < 16; i++) {
        uint32_t x = w[(i + 1) & 15], y = w[(i + 14) & 15];
        w[i] += (rotate_right(x, 7) ^ rotate_right(x, 18) ^ x >> 3) + w[(i + 9) & 15] +
                (rotate_right(y, 17) ^ rotate_right(y, 19) ^ y >> 10);
    }
}

static void blocks_c(uint32_t state[8], const uint8_t *bytes, size_t n)
{
    for (; n; n--, bytes += BLOCK) {
        uint32_t s[8], w[16];
        memcpy(s, state, sizeof s);
        for (int i = 0; i < 16; i++) {
            uint32_t word;
            __builtin_memcpy(&word, bytes + 4 * (size_t)i, sizeof word); /* inlined: not a call of memcpy */
            w[i] = __builtin_bswap32(word);
        }
        for (int i = 0; i < 64; i += 16) {
            if (i) {
                expand_schedule(w);
            }
            sixteen_rounds(s, w, kg_sha256_constants + i);
        }
        for (int i = 0; i < 8; i++) {
            state[i] += s[i];
        }
    }
}

void kg_sha256(const void *bytes, size_t n, uint32_t features, uint8_t digest[KG_SHA256_SIZE])
{
    kg_sha256_telling(bytes, n, features, digest, NULL, NULL);
}

static void hash_blocks(struct kg_sha256 *s, const uint8_t *bytes, size_t n)
{
    void (*const blocks)(uint32_t *, const uint8_t *, size_t) = s->has_sha ? kg_sha256_blocks_sha : blocks_c;
    blocks(s->state, bytes, n);
}

void kg_sha256_begin(struct kg_sha256 *s, uint32_t features)
{
    *s = (struct kg_sha256){
        .state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19},
        .has_sha = kg_sha256_has_instructions(features)};
}

void kg_sha256_add(struct kg_sha256 *s, const void *bytes, size_t n)
{
    const uint8_t *from = bytes;
    size_t held = s->n % BLOCK;
    s->n += n;
    if (held) {
        size_t more = n < BLOCK - held ? n : BLOCK - held;
        memcpy(s->held + held, from, more);
        from += more;
        n -= more;
        if (held + more < BLOCK) {
            return;
        }
        hash_blocks(s, s->held, 1);
    }
    if (n >= BLOCK) {
        hash_blocks(s, from, n / BLOCK);
    }
    memcpy(s->held, from + n / BLOCK * BLOCK, n % BLOCK);
}

void kg_sha256_end(struct kg_sha256 *s, uint8_t digest[KG_SHA256_SIZE])
{
    uint8_t last[2 * BLOCK] = {0};
    size_t rest = s->n % BLOCK, padded = rest < BLOCK - 8 ? BLOCK : 2 * BLOCK;
    memcpy(last, s->held, rest);
    last[rest] = 0x80;
    for (size_t i = 0; i < 8; i++) {
        last[padded - 1 - i] = (uint8_t)(s->n * 8 >> 8 * i);
    }
    hash_blocks(s, last, padded / BLOCK);
    for (size_t i = 0; i < KG_SHA256_SIZE; i++) {
        digest[i] = (uint8_t)(s->state[i / 4] >> (24 - 8 * (i % 4)));
    }
}

void kg_sha256_telling(const void *bytes, size_t n, uint32_t features, uint8_t digest[KG_SHA256_SIZE],
                       void (*tell)(void *context, size_t done), void *context)
{
    struct kg_sha256 s;
    size_t rest = n % BLOCK;
    kg_sha256_begin(&s, features);
    for (size_t at = 0; at < n - rest; at += KG_SHA256_STEP) {
        size_t left = n - rest - at, step = left < KG_SHA256_STEP ? left : KG_SHA256_STEP;
        kg_sha256_add(&s, (const uint8_t *)bytes + at, step);
        if (tell) {
            tell(context, at + step);
        }
    }
    kg_sha256_add(&s, (const uint8_t *)bytes + n - rest, rest);
    kg_sha256_end(&s, digest);
}
