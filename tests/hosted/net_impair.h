/* A wire that loses, delays, reorders, doubles and damages frames, by a seed: the same frames at the same times give
 * the same. It stands for netem, which kernels often lack, and it knows no clock but the caller's. */
#ifndef KGPT_NET_IMPAIR_H
#define KGPT_NET_IMPAIR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define WIRE_FRAMES 2048
#define WIRE_FRAME 1600

struct wire {
    uint64_t state;
    uint32_t loss, duplicate, reorder, corrupt; /* of 10,000 frames */
    uint32_t delay;                             /* ms */
    uint32_t queue;                             /* frames that fit; 0: WIRE_FRAMES */
    uint32_t n;
    uint64_t lost, damaged;
    struct {
        uint64_t due, order;
        uint32_t n;
        uint8_t bytes[WIRE_FRAME];
    } frames[WIRE_FRAMES];
    uint64_t order;
};

static inline uint32_t wire_random(struct wire *wire, uint32_t below)
{
    wire->state += 0x9E3779B97F4A7C15;
    uint64_t z = wire->state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return (uint32_t)((z ^ z >> 31) >> 33) % below;
}

/* False: the wire's queue is full. */
static inline bool wire_add(struct wire *wire, uint64_t due, const void *bytes, size_t n)
{
    if (wire->n >= (wire->queue ? wire->queue : WIRE_FRAMES) || n > WIRE_FRAME) {
        wire->lost++;
        return false;
    }
    uint32_t i = wire->n++;
    wire->frames[i].due = due;
    wire->frames[i].order = wire->order++;
    wire->frames[i].n = (uint32_t)n;
    memcpy(wire->frames[i].bytes, bytes, n);
    return true;
}

/* True: the frame will arrive, undamaged. */
static inline bool wire_put(struct wire *wire, uint64_t now, const void *bytes, size_t n)
{
    uint8_t damaged[WIRE_FRAME];
    if (n > WIRE_FRAME || wire_random(wire, 10000) < wire->loss) {
        wire->lost++;
        return false;
    }
    bool whole = true;
    memcpy(damaged, bytes, n);
    bool is_ipv4 = damaged[12] == 8 && damaged[13] == 0; /* ARP has no checksum but Ethernet's */
    if (wire_random(wire, 10000) < wire->corrupt && is_ipv4) {
        damaged[14 + wire_random(wire, (uint32_t)n - 14)] ^= (uint8_t)(1u << wire_random(wire, 8));
        wire->damaged++;
        whole = false;
    }
    uint64_t due = now + wire->delay;
    if (wire_random(wire, 10000) < wire->reorder) {
        due += 1 + wire_random(wire, 5);
    }
    whole = wire_add(wire, due, damaged, n) && whole;
    if (wire_random(wire, 10000) < wire->duplicate) {
        wire_add(wire, due + wire_random(wire, 3), damaged, n);
    }
    return whole;
}

/* When the next frame is due; UINT64_MAX: there is none. */
static inline uint64_t wire_next(const struct wire *wire)
{
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < wire->n; i++) {
        next = wire->frames[i].due < next ? wire->frames[i].due : next;
    }
    return next;
}

static inline size_t wire_get(struct wire *wire, uint64_t now, void *to, size_t size)
{
    uint32_t best = wire->n;
    for (uint32_t i = 0; i < wire->n; i++) {
        bool earlier =
            best == wire->n || wire->frames[i].due < wire->frames[best].due ||
            (wire->frames[i].due == wire->frames[best].due && wire->frames[i].order < wire->frames[best].order);
        best = wire->frames[i].due <= now && earlier ? i : best;
    }
    if (best == wire->n) {
        return 0;
    }
    size_t n = wire->frames[best].n < size ? wire->frames[best].n : size;
    memcpy(to, wire->frames[best].bytes, n);
    wire->frames[best] = wire->frames[--wire->n];
    return n;
}

/* "loss=100,delay=3,seed=1" */
static inline bool wire_parse(struct wire *wire, const char *text)
{
    uint32_t seed = 1;
    const struct {
        const char *name;
        uint32_t *value;
    } names[] = {{"loss", &wire->loss},
                 {"duplicate", &wire->duplicate},
                 {"reorder", &wire->reorder},
                 {"corrupt", &wire->corrupt},
                 {"delay", &wire->delay},
                 {"queue", &wire->queue},
                 {"seed", &seed}};
    while (*text) {
        bool found = false;
        for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++) {
            size_t n = strlen(names[i].name);
            int used = 0;
            found = strncmp(text, names[i].name, n) == 0 && sscanf(text + n, "=%u%n", names[i].value, &used) == 1;
            text += found ? n + (size_t)used : 0;
        }
        if (!found || (*text && *text++ != ',')) {
            return false;
        }
    }
    wire->state = seed;
    return true;
}

#endif
