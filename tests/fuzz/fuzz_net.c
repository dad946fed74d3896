/* Frames, time and the application's calls, in any order, at a stack with an open connection in each direction. The
 * input is a list of steps; segments are made with right checksums, near the numbers that the connection expects. */
#include <stdlib.h>
#include <string.h>

#include "kgpt/net.h"
#include "net/ip/bytes.h"
#include "net/ip/checksum.h"
#include "net_invariants.h"
#include "promise.h"

#define OURS 0x0A000002u
#define PEER 0x0A000001u
#define STEPS 200

struct fuzzed {
    const uint8_t *data;
    size_t size;
    uint64_t now, random;
    uint8_t frame[1700];
    size_t n; /* of the frame that waits */
    struct kg_net *net;
    struct kg_connections server;
    int32_t clients[2];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t next_byte(struct fuzzed *f)
{
    if (f->size == 0) {
        return 0;
    }
    f->size--;
    return *f->data++;
}

static bool send_checked(void *context, const void *frame, size_t n)
{
    const uint8_t *bytes = frame;
    struct fuzzed *f = context;
    promise(n >= 42 && n <= 1514 && memcmp(bytes + 6, f->net->ip.link.mac, 6) == 0);
    if (kg_get16(bytes + 12) == 0x0800) {
        promise(kg_get16(bytes + 16) == n - 14 && kg_checksum_good(kg_checksum_add(0, bytes + 14, 20)));
    }
    return (f->now & 63) != 7; /* at some times the queue is full */
}

static size_t receive_fuzzed(void *context, void *frame, size_t size)
{
    struct fuzzed *f = context;
    size_t n = f->n < size ? f->n : size;
    memcpy(frame, f->frame, n);
    f->n = 0;
    return n;
}

static bool has_link(void *context)
{
    const struct fuzzed *f = context;
    return (f->now & 1023) != 5;
}

static uint64_t fuzzed_now(void *context)
{
    const struct fuzzed *f = context;
    return f->now;
}

static void fuzzed_random(void *context, void *to, size_t n)
{
    struct fuzzed *f = context;
    uint8_t *bytes = to;
    for (size_t i = 0; i < n; i++) {
        f->random = f->random * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(f->random >> 33);
    }
}

static void put_ipv4(struct fuzzed *f, uint8_t protocol, uint32_t n)
{
    uint8_t *ip = f->frame + 14;
    memcpy(f->frame, f->net->ip.link.mac, 6);
    memset(f->frame + 6, 2, 6);
    kg_put16(f->frame + 12, 0x0800);
    memset(ip, 0, 20);
    ip[0] = 0x45;
    ip[8] = 64;
    ip[9] = protocol;
    kg_put16(ip + 2, 20 + n);
    kg_put32(ip + 12, PEER);
    kg_put32(ip + 16, OURS);
    kg_checksum_put(kg_checksum_add(0, ip, 20), ip + 10);
    f->n = 34 + n;
}

static uint32_t near_number(struct fuzzed *f, uint32_t number)
{
    int8_t fine = (int8_t)next_byte(f), coarse = (int8_t)next_byte(f);
    return number + (uint32_t)(int32_t)fine + (uint32_t)(int32_t)coarse * 512;
}

/* A segment near what slot i expects. */
static void push_segment(struct fuzzed *f)
{
    uint8_t choice = next_byte(f), flags = next_byte(f), options = next_byte(f) % 11 * 4, *tcp = f->frame + 34;
    const struct kg_tcp_connection *c = &f->net->tcp.connections[choice % f->net->tcp.n_connections];
    uint32_t n = (uint32_t)next_byte(f) * (choice & 64 ? 5 : 1), length = 20 + options + n;
    bool known = choice & 128 || c->state == KG_TCP_FREE;
    kg_put16(tcp, known ? 1000u + (choice & 7) : c->peer.port);
    kg_put16(tcp + 2, known ? 80 : c->peer.local_port);
    kg_put32(tcp + 4, near_number(f, c->rcv_nxt));
    kg_put32(tcp + 8, near_number(f, choice & 32 ? c->snd_una : c->snd_max));
    tcp[12] = (uint8_t)((20 + options) / 4 << 4);
    tcp[13] = flags;
    kg_put16(tcp + 14, (uint32_t)next_byte(f) << 8);
    kg_put32(tcp + 16, 0);
    for (uint32_t i = 0; i < options; i++) {
        tcp[20 + i] = next_byte(f);
    }
    if (options >= 12 && tcp[20] == 5) { /* SACK near what was sent */
        tcp[21] = (uint8_t)(2 + (options - 4) / 8 * 8);
        for (uint32_t i = 22; i + 8 <= 20u + options; i += 4) {
            kg_put32(tcp + i, c->snd_una + (uint32_t)(int32_t)(int8_t)tcp[i] * 64);
        }
    }
    memset(tcp + 20 + options, choice, n);
    uint64_t sum = kg_checksum_pseudo(PEER, OURS, KG_PROTOCOL_TCP, length);
    kg_checksum_put(kg_checksum_add(sum, tcp, length), tcp + 16);
    put_ipv4(f, KG_PROTOCOL_TCP, length);
}

static void push_datagram(struct fuzzed *f, uint8_t protocol)
{
    uint32_t n = next_byte(f) % 120;
    uint8_t *at = f->frame + 34;
    for (uint32_t i = 0; i < n + 8; i++) {
        at[i] = next_byte(f);
    }
    if (protocol == KG_PROTOCOL_UDP) {
        kg_put16(at, 53);
        kg_put16(at + 2, f->net->dns.port);
        kg_put16(at + 4, n + 8);
        kg_put16(at + 6, 0);
    } else {
        kg_put16(at + 2, 0);
        kg_checksum_put(kg_checksum_add(0, at, n + 8), at + 2);
    }
    put_ipv4(f, protocol, n + 8);
}

/* "Fragmentation needed" about a segment in flight. */
static void push_too_big(struct fuzzed *f)
{
    const struct kg_tcp_connection *c = &f->net->tcp.connections[next_byte(f) % f->net->tcp.n_connections];
    uint8_t *icmp = f->frame + 34;
    memset(icmp, 0, 36);
    icmp[0] = 3;
    icmp[1] = 4;
    kg_put16(icmp + 6, (uint32_t)next_byte(f) << 3);
    icmp[8] = 0x45;
    icmp[17] = KG_PROTOCOL_TCP;
    kg_put32(icmp + 20, OURS);
    kg_put32(icmp + 24, PEER);
    kg_put16(icmp + 28, c->peer.local_port);
    kg_put16(icmp + 30, c->peer.port);
    kg_put32(icmp + 32, near_number(f, c->snd_una));
    kg_checksum_put(kg_checksum_add(0, icmp, 36), icmp + 2);
    put_ipv4(f, KG_PROTOCOL_ICMP, 36);
}

static void push_raw(struct fuzzed *f)
{
    f->n = (size_t)next_byte(f) + 1;
    for (size_t i = 0; i < f->n; i++) {
        f->frame[i] = next_byte(f);
    }
    if (f->n > 6 && (f->frame[0] & 2)) {
        memcpy(f->frame, f->net->ip.link.mac, 6);
    }
}

static void call_application(struct fuzzed *f)
{
    uint8_t choice = next_byte(f), bytes[3072], id = choice % 4;
    uint32_t n = (uint32_t)next_byte(f) * 12;
    int32_t *client = &f->clients[choice % 2];
    memset(bytes, choice, sizeof bytes);
    switch (choice / 8 % 12) {
    case 0: f->server.accept(f->server.context); break;
    case 1: promise(f->server.read(f->server.context, id, bytes, n) <= n); break;
    case 2: promise(f->server.write(f->server.context, id, bytes, n) <= n); break;
    case 3: f->server.close(f->server.context, id); break;
    case 4: f->server.reset(f->server.context, id); break;
    case 5: f->server.state(f->server.context, id); break;
    case 6: *client = kg_net_connect(f->net, PEER, (uint16_t)(1 + n)); break;
    case 7: promise(kg_net_read(f->net, *client, bytes, n) <= n); break;
    case 8: promise(kg_net_write(f->net, *client, bytes, n) <= n); break;
    case 9: kg_net_shut(f->net, *client); break;
    case 10: kg_net_close(f->net, *client); break;
    default: kg_net_resolve(f->net, choice & 1 ? "a.example" : "b"); break;
    }
}

/* The stack's memory, once: kg_net_start clears what is not overwritten before it is read. */
static const struct kg_net_memory *take_memory(void)
{
    static const struct kg_net_limits limits = {
        .servers = 4, .clients = 2, .server_buffer = 4096, .client_buffer = 66000, .half_open = 2, .waiting = 2};
    static uint8_t bytes[1u << 20];
    static struct kg_net_memory memory;
    struct kg_arena arena;
    if (!memory.net) {
        kg_arena_init(&arena, bytes, sizeof bytes);
        promise(kg_net_carve(&memory, &limits, &arena));
    }
    return &memory;
}

static void start_fuzzed(struct fuzzed *f)
{
    const struct kg_net_memory *memory = take_memory();
    struct kg_net_link link = {.context = f,
                               .send = send_checked,
                               .receive = receive_fuzzed,
                               .has_link = has_link,
                               .now_ms = fuzzed_now,
                               .random = fuzzed_random,
                               .mac = {2, 0, 0, 0, 0, 2},
                               .mtu = 1500};
    struct kg_net_settings settings = {
        .address = OURS, .mask = 0xFFFFFF00, .gateway = 0x0A0000FE, .dns = {PEER}, .dhcp = next_byte(f) == 'D'};
    f->net = memory->net; /* for the announcement that kg_net_start sends */
    memcpy(f->net->ip.link.mac, link.mac, 6);
    f->net = kg_net_start(memory, &link, &settings);
    promise(kg_net_listen(f->net, 80, &f->server));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzzed f = {.data = data, .size = size, .now = 100000, .random = 1, .clients = {-1, -1}};
    start_fuzzed(&f);
    for (int i = 0; i < STEPS && f.size; i++) {
        uint8_t step = next_byte(&f);
        switch (step % 8) {
        case 0: push_raw(&f); break;
        case 1:
        case 2: push_segment(&f); break;
        case 3: f.now += (uint64_t)next_byte(&f) << (step >> 4); break;
        case 4: call_application(&f); break;
        case 5: push_datagram(&f, KG_PROTOCOL_UDP); break;
        case 6: push_datagram(&f, step & 16 ? KG_PROTOCOL_ICMP : KG_PROTOCOL_TCP); break;
        default: push_too_big(&f); break;
        }
        kg_net_poll(f.net);
        check_stack(f.net);
    }
    return 0;
}
