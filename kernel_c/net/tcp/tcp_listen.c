/* Handshakes of clients (RFC 4987): half-open connections in a table, and SYN cookies while it is full. Neither takes
 * a buffer, so a flood of SYNs takes nothing from the connections. */
#include "tcp.h"

#define SYN_ACKS 4u
#define SYN_ACK_MS 1000u
#define COOKIES_MS 128000u

static struct kg_tcp_half *find_half(struct kg_tcp *tcp, const struct kg_tcp_peer *peer)
{
    for (uint32_t i = 0; i < tcp->n_half; i++) {
        struct kg_tcp_half *half = &tcp->half[i];
        if (half->peer.port == peer->port && half->peer.address == peer->address &&
            half->peer.local_port == peer->local_port) {
            return half;
        }
    }
    return NULL;
}

static struct kg_tcp_half *free_half(struct kg_tcp *tcp)
{
    for (uint32_t i = 0; i < tcp->n_half; i++) {
        if (tcp->half[i].peer.port == 0) {
            return &tcp->half[i];
        }
    }
    return NULL;
}

static uint32_t server_buffer(const struct kg_tcp *tcp)
{
    return tcp->connections[0].received.size; /* slots of servers come first */
}

/* False: the link took none. */
static bool send_syn_ack(struct kg_tcp *tcp, const struct kg_tcp_half *half)
{
    struct kg_tcp_header header = {
        .peer = &half->peer, .seq = half->iss, .ack = half->irs + 1, .flags = KG_TCP_SYN | KG_TCP_ACK};
    uint8_t scale = 0;
    while (server_buffer(tcp) >> scale > 65535) {
        scale++;
    }
    uint16_t mss = (uint16_t)(tcp->ip->link.mtu - KG_IPV4_HEADER - KG_TCP_HEADER);
    const uint8_t *scaled = half->has_scale ? &scale : NULL;
    header.n_options = (uint8_t)kg_tcp_write_syn_options(header.options, mss, scaled, half->may_sack);
    header.window = (uint16_t)kg_min32(server_buffer(tcp), 65535);
    return kg_tcp_emit(tcp->ip, &header, 0);
}

static void take_syn(struct kg_tcp *tcp, const struct kg_tcp_peer *peer, const struct kg_tcp_segment *segment)
{
    const struct kg_tcp_options *options = &segment->options;
    struct kg_tcp_half made = {.peer = *peer,
                               .irs = segment->seq,
                               .window = segment->window,
                               .mss = options->mss,
                               .scale = options->scale,
                               .has_scale = options->has_scale,
                               .may_sack = options->may_sack,
                               .at = tcp->ip->now + SYN_ACK_MS};
    struct kg_tcp_half *half = find_half(tcp, peer);
    if (half && half->irs == segment->seq) { /* again: the client waits as long as before */
        half->tries = 0;
        half->at = made.at;
        send_syn_ack(tcp, half);
        return;
    }
    if (!half) {
        half = free_half(tcp);
    }
    made.iss = kg_tcp_isn(tcp->ip, peer);
    if (!half) {
        made.has_scale = made.may_sack = false; /* a cookie has no room for them */
        made.iss = kg_tcp_cookie(tcp->ip, peer, segment->seq, options->mss ? options->mss : KG_TCP_MSS_DEFAULT);
        tcp->cookies_until = tcp->ip->now + COOKIES_MS;
        tcp->ip->counters.syn_cookies_sent++;
        half = &made;
    } else {
        *half = made;
    }
    send_syn_ack(tcp, half);
}

static struct kg_tcp_connection *open_half(struct kg_tcp *tcp, const struct kg_tcp_half *half)
{
    struct kg_tcp_connection *c = kg_tcp_new(tcp, &half->peer, false);
    if (!c) {
        return NULL;
    }
    struct kg_tcp_options options = {
        .mss = half->mss, .scale = half->scale, .has_scale = half->has_scale, .may_sack = half->may_sack};
    c->iss = half->iss;
    c->irs = half->irs;
    c->snd_una = c->snd_nxt = c->snd_max = half->iss + 1;
    c->rcv_nxt = half->irs + 1;
    c->rcv_adv = c->rcv_nxt + kg_min32(c->received.size, 65535);
    c->snd_wnd = c->most_wnd = half->window;
    c->snd_wl1 = half->irs;
    c->snd_wl2 = half->iss;
    kg_tcp_take_options(tcp, c, &options);
    kg_tcp_establish(tcp, c);
    return c;
}

static struct kg_tcp_connection *take_cookie(struct kg_tcp *tcp, const struct kg_tcp_peer *peer,
                                             const struct kg_tcp_segment *segment)
{
    uint16_t mss = 0;
    if (tcp->ip->now < tcp->cookies_until) {
        mss = kg_tcp_cookie_mss(tcp->ip, peer, segment->seq - 1, segment->ack - 1);
    }
    if (!mss) {
        kg_tcp_answer_reset(tcp->ip, segment);
        return NULL;
    }
    struct kg_tcp_half half = {
        .peer = *peer, .iss = segment->ack - 1, .irs = segment->seq - 1, .window = segment->window, .mss = mss};
    struct kg_tcp_connection *c = open_half(tcp, &half);
    tcp->ip->counters.syn_cookies_used += c != NULL;
    return c;
}

static struct kg_tcp_connection *take_half(struct kg_tcp *tcp, struct kg_tcp_half *half,
                                           const struct kg_tcp_segment *segment)
{
    bool in_window = segment->seq - (half->irs + 1) < kg_min32(server_buffer(tcp), 65535);
    if (segment->flags & KG_TCP_RST) {
        if (segment->seq == half->irs + 1) {
            half->peer.port = 0;
        }
        return NULL;
    }
    if (segment->ack != half->iss + 1) {
        kg_tcp_answer_reset(tcp->ip, segment);
        return NULL;
    }
    if (!in_window || (segment->flags & KG_TCP_SYN)) {
        send_syn_ack(tcp, half);
        return NULL;
    }
    /* While no connection is free the entry stays, and the client's data comes again later. */
    struct kg_tcp_connection *c = open_half(tcp, half);
    if (c) {
        half->peer.port = 0;
    }
    return c;
}

struct kg_tcp_connection *kg_tcp_greet(struct kg_tcp *tcp, const struct kg_tcp_segment *segment)
{
    struct kg_tcp_peer peer = {segment->from, segment->from_port, segment->to_port};
    struct kg_tcp_half *half = find_half(tcp, &peer);
    uint8_t flags = segment->flags & (KG_TCP_SYN | KG_TCP_ACK | KG_TCP_RST);
    if (!kg_tcp_listens(tcp, peer.local_port)) {
        tcp->ip->counters.tcp_refused += flags == KG_TCP_SYN;
        kg_tcp_answer_reset(tcp->ip, segment);
    } else if (flags == KG_TCP_SYN) {
        take_syn(tcp, &peer, segment);
    } else if (half && flags != KG_TCP_SYN && (flags & (KG_TCP_ACK | KG_TCP_RST))) {
        return take_half(tcp, half, segment);
    } else if (flags == KG_TCP_ACK) {
        return take_cookie(tcp, &peer, segment);
    } else if (flags & KG_TCP_ACK) {
        kg_tcp_answer_reset(tcp->ip, segment);
    }
    return NULL;
}

void kg_tcp_poll_half(struct kg_tcp *tcp)
{
    for (uint32_t i = 0; i < tcp->n_half; i++) {
        struct kg_tcp_half *half = &tcp->half[i];
        if (half->peer.port == 0 || tcp->ip->now < half->at) {
            continue;
        }
        if (half->tries >= SYN_ACKS) {
            half->peer.port = 0;
        } else if (send_syn_ack(tcp, half)) {
            half->tries++;
            half->at = tcp->ip->now + ((uint64_t)SYN_ACK_MS << half->tries);
        } else {
            half->at = tcp->ip->now + KG_TCP_LINK_FULL_MS;
        }
    }
}
