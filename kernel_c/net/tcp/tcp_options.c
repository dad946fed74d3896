/* Reads segments and their options, and writes options: see tcp.h. */
#include "tcp.h"

#include "net/ip/bytes.h"
#include "net/ip/checksum.h"

#define OPTION_END 0u
#define OPTION_NOP 1u
#define OPTION_MSS 2u
#define OPTION_SCALE 3u
#define OPTION_MAY_SACK 4u
#define OPTION_SACK 5u
#define SCALE_MOST 14u /* RFC 7323 */

static void read_sack(const uint8_t *at, uint32_t n, struct kg_tcp_options *options)
{
    for (uint32_t i = 2; i + 8 <= n && options->n_sack < 4; i += 8) {
        struct kg_tcp_range range = {kg_get32(at + i), kg_get32(at + i + 4)};
        if (kg_seq_less(range.start, range.end)) {
            options->sack[options->n_sack++] = range;
        }
    }
}

void kg_tcp_read_options(const uint8_t *bytes, uint32_t n, struct kg_tcp_options *options)
{
    *options = (struct kg_tcp_options){0};
    for (uint32_t i = 0; i < n && bytes[i] != OPTION_END;) {
        const uint8_t *at = bytes + i;
        if (*at == OPTION_NOP) {
            i++;
            continue;
        }
        if (n - i < 2 || at[1] < 2 || at[1] > n - i) {
            return; /* the rest cannot be read */
        }
        if (at[0] == OPTION_MSS && at[1] == 4) {
            options->mss = kg_get16(at + 2);
        } else if (at[0] == OPTION_SCALE && at[1] == 3) {
            options->has_scale = true;
            options->scale = at[2] < SCALE_MOST ? at[2] : SCALE_MOST;
        } else if (at[0] == OPTION_MAY_SACK && at[1] == 2) {
            options->may_sack = true;
        } else if (at[0] == OPTION_SACK) {
            read_sack(at, at[1], options);
        }
        i += at[1];
    }
}

bool kg_tcp_read(struct kg_ip *ip, const struct kg_ipv4 *packet, struct kg_tcp_segment *segment)
{
    const uint8_t *data = packet->data;
    uint32_t header = packet->n >= KG_TCP_HEADER ? (data[12] >> 4) * 4u : 0;
    if (header < KG_TCP_HEADER || header > packet->n || kg_get16(data) == 0 || kg_get16(data + 2) == 0) {
        ip->counters.malformed++;
        return false;
    }
    uint64_t sum = kg_checksum_pseudo(packet->from, packet->to, KG_PROTOCOL_TCP, packet->n);
    if (!kg_checksum_good(kg_checksum_add(sum, data, packet->n))) {
        ip->counters.bad_checksums++;
        return false;
    }
    *segment = (struct kg_tcp_segment){.from = packet->from,
                                       .to = packet->to,
                                       .from_port = kg_get16(data),
                                       .to_port = kg_get16(data + 2),
                                       .seq = kg_get32(data + 4),
                                       .ack = kg_get32(data + 8),
                                       .flags = data[13] & 31,
                                       .window = kg_get16(data + 14),
                                       .data = data + header,
                                       .n = packet->n - header};
    kg_tcp_read_options(data + KG_TCP_HEADER, header - KG_TCP_HEADER, &segment->options);
    return true;
}

/* `scale`: NULL for none. */
uint32_t kg_tcp_write_syn_options(uint8_t *to, uint16_t mss, const uint8_t *scale, bool may_sack)
{
    uint32_t n = 4;
    to[0] = OPTION_MSS;
    to[1] = 4;
    kg_put16(to + 2, mss);
    if (scale) {
        to[n++] = OPTION_NOP;
        to[n++] = OPTION_SCALE;
        to[n++] = 3;
        to[n++] = *scale;
    }
    if (may_sack) {
        to[n++] = OPTION_NOP;
        to[n++] = OPTION_NOP;
        to[n++] = OPTION_MAY_SACK;
        to[n++] = 2;
    }
    return n;
}

static void put_range(uint8_t *to, const struct kg_tcp_range *range)
{
    kg_put32(to, range->start);
    kg_put32(to + 4, range->end);
}

/* RFC 2018: the range of the segment that came last is the first one. */
uint32_t kg_tcp_write_sack(const struct kg_tcp_connection *c, uint8_t *to)
{
    uint32_t n = 4, first = 0;
    if (!c->may_sack || c->n_early == 0) {
        return 0;
    }
    while (first + 1 < c->n_early && !kg_seq_less(c->newest_early, c->early[first].end)) {
        first++;
    }
    put_range(to + n, &c->early[first]);
    n += 8;
    for (uint32_t i = 0; i < c->n_early && n + 8 <= KG_TCP_OPTIONS_MOST - 4; i++) {
        if (i != first) {
            put_range(to + n, &c->early[i]);
            n += 8;
        }
    }
    to[0] = OPTION_NOP;
    to[1] = OPTION_NOP;
    to[2] = OPTION_SACK;
    to[3] = (uint8_t)(n - 2);
    return n;
}
