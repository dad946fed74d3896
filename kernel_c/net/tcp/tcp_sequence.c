/* Sequence numbers that nobody outside can predict: initial ones (RFC 6528) and SYN cookies. */
#include "tcp.h"

#include "kgpt/mem.h"
#include "net/ip/bytes.h"
#include "net/ip/siphash.h"

#define ISN_PER_MS 250u /* one for 4 microseconds */
#define COOKIE_MS 64000u
#define COOKIE_AGES 2u /* a cookie is good in the period in which it was made, and in the next one */
#define COOKIE_HASH 0xFFFFFFu

static const uint16_t cookie_sizes[8] = {64, 536, 1220, 1300, 1360, 1400, 1440, 1460};

static uint64_t hash_peer(struct kg_ip *ip, const struct kg_tcp_peer *peer, uint32_t a, uint32_t b)
{
    uint8_t text[20];
    kg_put32(text, ip->address);
    kg_put32(text + 4, peer->address);
    kg_put16(text + 8, peer->local_port);
    kg_put16(text + 10, peer->port);
    kg_put32(text + 12, a);
    kg_put32(text + 16, b);
    return kg_siphash(ip->key, text, sizeof text);
}

uint32_t kg_tcp_isn(struct kg_ip *ip, const struct kg_tcp_peer *peer)
{
    return (uint32_t)(hash_peer(ip, peer, 0, 0) + ip->now * ISN_PER_MS);
}

/* 5 bits of time, 3 bits for the MSS, 24 bits of hash. */
static uint32_t cookie_of(struct kg_ip *ip, const struct kg_tcp_peer *peer, uint32_t irs, uint32_t period,
                          uint32_t size)
{
    uint32_t hash = (uint32_t)hash_peer(ip, peer, irs, (period << 3 | size) + 1) & COOKIE_HASH;
    return (period & 31) << 27 | size << 24 | hash;
}

uint32_t kg_tcp_cookie(struct kg_ip *ip, const struct kg_tcp_peer *peer, uint32_t irs, uint16_t mss)
{
    uint32_t size = 0;
    while (size < 7 && cookie_sizes[size + 1] <= mss) {
        size++;
    }
    return cookie_of(ip, peer, irs, (uint32_t)(ip->now / COOKIE_MS), size);
}

uint16_t kg_tcp_cookie_mss(struct kg_ip *ip, const struct kg_tcp_peer *peer, uint32_t irs, uint32_t cookie)
{
    uint32_t period = (uint32_t)(ip->now / COOKIE_MS), size = cookie >> 24 & 7;
    for (uint32_t age = 0; age < COOKIE_AGES; age++) {
        if (cookie == cookie_of(ip, peer, irs, period - age, size)) {
            return cookie_sizes[size];
        }
    }
    return 0;
}
