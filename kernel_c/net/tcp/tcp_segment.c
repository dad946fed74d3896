/* Builds segments, and copies to and from rings: see tcp.h. */
#include "tcp.h"

#include "kgpt/mem.h"
#include "net/ip/bytes.h"
#include "net/ip/checksum.h"

bool kg_tcp_emit(struct kg_ip *ip, const struct kg_tcp_header *header, uint32_t n)
{
    uint8_t *at = kg_ip_payload(ip);
    uint32_t length = KG_TCP_HEADER + header->n_options + n;
    kg_put16(at, header->peer->local_port);
    kg_put16(at + 2, header->peer->port);
    kg_put32(at + 4, header->seq);
    kg_put32(at + 8, header->flags & KG_TCP_ACK ? header->ack : 0);
    at[12] = (uint8_t)((KG_TCP_HEADER + header->n_options) / 4 << 4);
    at[13] = header->flags;
    kg_put16(at + 14, header->window);
    kg_put32(at + 16, 0);
    memcpy(at + KG_TCP_HEADER, header->options, header->n_options);
    uint64_t sum = kg_checksum_pseudo(ip->address, header->peer->address, KG_PROTOCOL_TCP, length);
    kg_checksum_put(kg_checksum_add(sum, at, length), at + 16);
    return kg_ip_send(ip, KG_PROTOCOL_TCP, header->peer->address, length);
}

/* RFC 9293, 3.10.7.1: the reset has a sequence number that its receiver accepts. */
void kg_tcp_answer_reset(struct kg_ip *ip, const struct kg_tcp_segment *segment)
{
    if ((segment->flags & KG_TCP_RST) || !kg_ip_may_reply(ip)) {
        return;
    }
    struct kg_tcp_peer peer = {segment->from, segment->from_port, segment->to_port};
    struct kg_tcp_header header = {.peer = &peer, .flags = KG_TCP_RST};
    if (segment->flags & KG_TCP_ACK) {
        header.seq = segment->ack;
    } else {
        header.flags |= KG_TCP_ACK;
        header.ack = segment->seq + segment->n + !!(segment->flags & KG_TCP_SYN) + !!(segment->flags & KG_TCP_FIN);
    }
    kg_tcp_emit(ip, &header, 0);
}

uint16_t kg_tcp_link_mss(struct kg_ip *ip, uint32_t address)
{
    return (uint16_t)(kg_path_mtu(ip, address) - KG_IPV4_HEADER - KG_TCP_HEADER);
}

void kg_tcp_ring_read(const struct kg_tcp_ring *ring, uint32_t offset, uint8_t *to, uint32_t n)
{
    uint32_t at = (uint32_t)(((uint64_t)ring->start + offset) % ring->size);
    uint32_t part = kg_min32(n, ring->size - at);
    memcpy(to, ring->bytes + at, part);
    memcpy(to + part, ring->bytes, n - part);
}

void kg_tcp_ring_write(struct kg_tcp_ring *ring, uint32_t offset, const uint8_t *from, uint32_t n)
{
    uint32_t at = (uint32_t)(((uint64_t)ring->start + offset) % ring->size);
    uint32_t part = kg_min32(n, ring->size - at);
    memcpy(ring->bytes + at, from, part);
    memcpy(ring->bytes, from + part, n - part);
}
