/* Two of our stacks on one wire, with a virtual clock: thousands of exchanges in a second, each decided by its seed.
 *     net_pair FIRST COUNT MOST_BYTES [LOSS DAMAGE]   of 10,000 frames, on each wire, in place of the seed's choice
 * An exchange: the client sends some bytes and shuts, the server sends as many others, both read at their own pace.
 * The seed chooses sizes, buffers, what the wire does to frames, whether it strips options (as middleboxes do), and
 * whether it carries small packets only (then it answers as a router does). Each exchange has to end within a bound
 * of virtual time, with every byte right and every slot free. A connection may be given up, but only when the wire
 * took every copy of one segment, or every answer to it: net_witness.h proves that from the frames. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kgpt/net.h"
#include "net/ip/bytes.h"
#include "net/ip/checksum.h"
#include "net/ip/ip.h"
#include "net/net_state.h"
#include "net_impair.h"
#include "net_invariants.h"
#include "net_witness.h"

#define PORT 80
#define FRAME 1514
#define LIMIT_MS (30u * 60u * 1000u)
#define MEMORY (4u << 20)
#define SLOTS 8u
#define REASONS 5u

struct host {
    struct world *world;
    struct wire *out;
    struct host *other;
    struct kg_net *net;
    uint32_t address;
    uint64_t random;
    uint64_t lost, given_up; /* connections */
    struct kg_tcp_connection before[SLOTS];
    uint8_t memory[MEMORY];
};

struct flow {
    uint32_t to_send, sent, to_read, got;
    uint8_t key;
    bool shut;
};

static struct world {
    uint64_t now;
    uint64_t seed;
    bool strips_sack, strips_scale;
    uint32_t path_mtu;
    bool fixed;
    uint32_t fixed_loss, fixed_damage;
    struct wire wires[2];
    struct host hosts[2];
    struct wire choices; /* its generator alone */
    uint64_t frames, retransmitted, recoveries, timeouts, given_up[REASONS];
    struct witness witness;
} world;

static const char *const reasons[REASONS] = {"retransmissions", "window probes", "keep-alive", "closed", "reset"};

static _Noreturn void fail(const char *what)
{
    witness_tell(&world.witness, 60);
    printf("seed %llu: %s, at %llu ms\n", (unsigned long long)world.seed, what, (unsigned long long)world.now);
    exit(1);
}

static uint32_t choose(uint32_t below)
{
    return wire_random(&world.choices, below);
}

static void strip_options(uint8_t *frame, size_t n)
{
    uint8_t *ip = frame + 14, *tcp = ip + 20;
    if (n < 54 || ip[9] != KG_PROTOCOL_TCP || !(tcp[13] & KG_TCP_SYN)) {
        return;
    }
    uint32_t length = kg_get16(ip + 2) - 20u, options = (tcp[12] >> 4) * 4u - 20;
    for (uint32_t i = 0; i < options;) {
        uint8_t *at = tcp + 20 + i, size = *at == 1 ? 1 : at[1];
        if ((*at == 4 && world.strips_sack) || (*at == 3 && world.strips_scale)) {
            memset(at, 1, size);
        }
        i += size;
    }
    kg_put16(tcp + 16, 0);
    uint64_t sum = kg_checksum_pseudo(kg_get32(ip + 12), kg_get32(ip + 16), KG_PROTOCOL_TCP, length);
    kg_checksum_put(kg_checksum_add(sum, tcp, length), tcp + 16);
}

/* What a router says of a packet that is too large. */
static void say_too_big(struct host *host, const uint8_t *packet)
{
    uint8_t frame[14 + 20 + 8 + 28] = {0};
    uint8_t *ip = frame + 14, *icmp = ip + 20;
    memcpy(frame, host->net->ip.link.mac, 6);
    kg_put16(frame + 12, KG_ETHERTYPE_IPV4);
    ip[0] = 0x45;
    kg_put16(ip + 2, 56);
    ip[8] = 60;
    ip[9] = KG_PROTOCOL_ICMP;
    kg_put32(ip + 12, 0x0A0000FE);
    kg_put32(ip + 16, host->address);
    kg_checksum_put(kg_checksum_add(0, ip, 20), ip + 10);
    icmp[0] = 3;
    icmp[1] = 4;
    kg_put16(icmp + 6, world.path_mtu);
    memcpy(icmp + 8, packet, 28);
    kg_checksum_put(kg_checksum_add(0, icmp, 36), icmp + 2);
    wire_add(host->other->out, world.now, frame, sizeof frame);
}

static bool send_frame(void *context, const void *frame, size_t n)
{
    struct host *host = context;
    uint8_t copy[FRAME];
    if (n > sizeof copy || n < 42) {
        fail("a frame of a wrong size");
    }
    world.frames++;
    if (world.choices.queue && choose(20) == 0) {
        return false;
    }
    memcpy(copy, frame, n);
    if (kg_get16(copy + 12) == KG_ETHERTYPE_IPV4) {
        if (n - 14 > world.path_mtu) {
            witness_see(&world.witness, world.now, host == &world.hosts[1], copy, false);
            say_too_big(host, copy + 14);
            return true;
        }
        strip_options(copy, n);
    }
    bool whole = wire_put(host->out, world.now, copy, n);
    witness_see(&world.witness, world.now, host == &world.hosts[1], copy, whole);
    return true;
}

static size_t receive_frame(void *context, void *frame, size_t size)
{
    struct host *host = context;
    return wire_get(host->other->out, world.now, frame, size);
}

static bool has_link(void *context)
{
    (void)context;
    return true;
}

static uint64_t clock_ms(void *context)
{
    (void)context;
    return world.now;
}

static void random_bytes(void *context, void *to, size_t n)
{
    struct host *host = context;
    uint8_t *bytes = to;
    for (size_t i = 0; i < n; i++) {
        host->random = host->random * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(host->random >> 33);
    }
}

static void start_host(struct host *host, struct host *other, uint32_t id)
{
    struct kg_net_limits limits = {.servers = 2,
                                   .clients = 1,
                                   .server_buffer = 4096 << choose(6),
                                   .client_buffer = 4096 << choose(6),
                                   .half_open = 1 + choose(4),
                                   .waiting = 2};
    struct kg_net_memory memory;
    struct kg_arena arena;
    struct kg_net_settings settings = {.address = 0x0A000001 + id, .mask = 0xFFFFFF00};
    struct kg_net_link link = {.context = host,
                               .send = send_frame,
                               .receive = receive_frame,
                               .has_link = has_link,
                               .now_ms = clock_ms,
                               .random = random_bytes,
                               .mac = {2, 0, 0, 0, 0, (uint8_t)id},
                               .mtu = 1500};
    host->other = other;
    host->out = &world.wires[id];
    host->address = settings.address;
    host->random = world.seed * 2 + id;
    host->lost = host->given_up = 0;
    kg_arena_init(&arena, host->memory, sizeof host->memory);
    if (!kg_net_carve(&memory, &limits, &arena)) {
        fail("no memory");
    }
    host->net = kg_net_start(&memory, &link, &settings);
}

static void start_world(uint64_t seed)
{
    world.now = 1000 + seed % 7;
    world.witness.n = 0;
    world.seed = seed;
    world.choices = (struct wire){.state = seed};
    world.strips_sack = choose(3) == 0;
    world.strips_scale = choose(4) == 0;
    world.path_mtu = choose(4) == 0 ? 576 + choose(900) : 1500;
    world.choices.queue = choose(5) == 0;
    for (int i = 0; i < 2; i++) {
        struct wire *wire = &world.wires[i];
        wire->n = 0;
        wire->order = 0;
        wire->lost = wire->damaged = 0;
        wire->state = seed * 31 + (uint64_t)i;
        wire->loss = choose(2) ? choose(2000) : 0;
        wire->duplicate = choose(3) ? 0 : choose(3000);
        wire->reorder = choose(3) ? 0 : choose(5000);
        wire->corrupt = choose(3) ? 0 : choose(1000);
        wire->delay = choose(3) ? choose(60) : 0;
        wire->queue = choose(4) ? 0 : 10 + choose(50);
        if (world.fixed) {
            wire->loss = world.fixed_loss;
            wire->corrupt = world.fixed_damage;
        }
    }
    start_host(&world.hosts[0], &world.hosts[1], 0);
    start_host(&world.hosts[1], &world.hosts[0], 1);
}

static uint8_t byte_at(const struct flow *flow, uint32_t i)
{
    return (uint8_t)(i * 2654435761u >> 9 ^ flow->key);
}

static bool send_part(struct flow *flow, size_t (*write)(void *, uint32_t, const void *, size_t), void *context,
                      uint32_t id)
{
    uint8_t bytes[5000];
    uint32_t n = flow->to_send - flow->sent < sizeof bytes ? flow->to_send - flow->sent : sizeof bytes;
    n = n && choose(3) == 0 ? 1 + choose(n) : n;
    for (uint32_t i = 0; i < n; i++) {
        bytes[i] = byte_at(flow, flow->sent + i);
    }
    size_t taken = write(context, id, bytes, n);
    if (taken > n) {
        fail("more was taken than given");
    }
    flow->sent += (uint32_t)taken;
    return taken > 0;
}

static bool read_part(struct flow *flow, const struct flow *from, size_t (*read)(void *, uint32_t, void *, size_t),
                      void *context, uint32_t id)
{
    uint8_t bytes[7000];
    if (choose(4) == 0) {
        return false; /* busy with something else */
    }
    size_t n = read(context, id, bytes, 1 + choose(sizeof bytes));
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != byte_at(from, flow->got + (uint32_t)i)) {
            fail("a wrong byte");
        }
    }
    flow->got += (uint32_t)n;
    if (flow->got > flow->to_read) {
        fail("more bytes than were sent");
    }
    return n > 0;
}

static size_t client_write(void *context, uint32_t id, const void *from, size_t n)
{
    return kg_net_write(context, (int32_t)id, from, n);
}

static size_t client_read(void *context, uint32_t id, void *to, size_t room)
{
    return kg_net_read(context, (int32_t)id, to, room);
}

/* A connection is no more, and did not end in order: the frames have to say why. */
static void check_lost(struct host *host, const struct kg_tcp_connection *before)
{
    bool second = host == &world.hosts[1];
    struct circumstances with = {.now = world.now,
                                 .unsent = host->net->ip.counters.no_route,
                                 .other_unsent = host->other->net->ip.counters.no_route,
                                 .other_gave_up = host->other->given_up > 0};
    const char *excuse = witness_excuse(&world.witness, second, before, &with);
    if (!excuse) {
        fail(second ? "the server gave up without need" : "the client gave up without need");
    }
    host->given_up++;
    for (uint32_t i = 0; i < REASONS; i++) {
        world.given_up[i] += strcmp(reasons[i], excuse) == 0;
    }
}

static bool poll_host(struct host *host)
{
    const struct kg_tcp *tcp = &host->net->tcp;
    uint64_t lost = host->lost;
    memcpy(host->before, tcp->connections, tcp->n_connections * sizeof *tcp->connections);
    bool moved = kg_net_poll(host->net);
    check_stack(host->net);
    host->lost = host->net->ip.counters.tcp_lost;
    for (uint32_t i = 0; i < tcp->n_connections && lost < host->lost; i++) {
        const struct kg_tcp_connection *before = &host->before[i], *c = &tcp->connections[i];
        if (kg_tcp_is_live(before) && (c->state == KG_TCP_LOST || (c->state == KG_TCP_FREE && !before->held))) {
            lost++;
            check_lost(host, before);
        }
    }
    return moved;
}

/* True when it is closed, or was given up. */
static bool step_client(struct flow *flow, const struct flow *server, int32_t *id, bool *moved)
{
    struct kg_net *net = world.hosts[0].net;
    const char *problem = NULL;
    if (*id < 0) {
        return true;
    }
    enum kg_net_client state = kg_net_client_state(net, *id, &problem);
    if (state == KG_NET_FAILED && (!problem || world.hosts[0].given_up == 0)) {
        fail(problem ? problem : "the client's connection failed, and says nothing");
    }
    if (state == KG_NET_FAILED) {
        kg_net_close(net, *id);
        *id = -1;
        return true;
    }
    *moved |= send_part(flow, client_write, net, (uint32_t)*id);
    *moved |= read_part(flow, server, client_read, net, (uint32_t)*id);
    if (flow->sent == flow->to_send && !flow->shut && state != KG_NET_CONNECTING) {
        kg_net_shut(net, *id);
        flow->shut = true;
    }
    if (state == KG_NET_ENDED && flow->got == flow->to_read) {
        kg_net_close(net, *id);
        *id = -1;
        *moved = true;
    }
    return *id < 0;
}

static bool step_server(struct flow *flow, const struct flow *client, const struct kg_connections *server, int32_t *id,
                        bool *moved)
{
    if (*id == -2) {
        return true;
    }
    if (*id == -1) {
        *id = server->accept(server->context);
        return world.hosts[0].given_up > 0 && kg_net_status(world.hosts[1].net).open == 0;
    }
    enum kg_connection_state state = server->state(server->context, (uint32_t)*id);
    if (state == KG_CONNECTION_LOST && world.hosts[1].given_up == 0) {
        fail("the server's connection was lost");
    }
    if (state == KG_CONNECTION_LOST) {
        server->close(server->context, (uint32_t)*id);
        *id = -2;
        return true;
    }
    *moved |= send_part(flow, server->write, server->context, (uint32_t)*id);
    *moved |= read_part(flow, client, server->read, server->context, (uint32_t)*id);
    if (state == KG_CONNECTION_ENDED && flow->got == flow->to_read && flow->sent == flow->to_send) {
        server->close(server->context, (uint32_t)*id);
        *id = -2;
        *moved = true;
    }
    return *id == -2;
}

static void advance_clock(void)
{
    uint64_t next = world.now + 500;
    for (int i = 0; i < 2; i++) {
        uint64_t due = wire_next(&world.wires[i]), timer = kg_net_next(world.hosts[i].net);
        next = due < next ? due : next;
        next = timer < next ? timer : next;
    }
    world.now = next > world.now ? next : world.now + 1;
}

/* Slots become free when the last ACKs and timers are through. */
static void check_free(void)
{
    for (uint64_t end = world.now + LIMIT_MS; world.now < end; advance_clock()) {
        poll_host(&world.hosts[0]);
        poll_host(&world.hosts[1]);
        if (kg_net_status(world.hosts[0].net).open + kg_net_status(world.hosts[1].net).open == 0) {
            return;
        }
    }
    fail("a slot is still in use");
}

static void run_exchange(uint64_t seed, uint32_t most)
{
    start_world(seed);
    struct flow client = {.to_send = choose(most), .key = 1}, server = {.to_send = choose(most), .key = 2};
    struct kg_connections connections;
    client.to_read = server.to_send;
    server.to_read = client.to_send;
    kg_net_listen(world.hosts[1].net, PORT, &connections);
    int32_t to = kg_net_connect(world.hosts[0].net, world.hosts[1].address, PORT), from = -1;
    uint64_t end = world.now + LIMIT_MS;
    for (bool done = false; !done;) {
        bool moved = poll_host(&world.hosts[0]);
        moved |= poll_host(&world.hosts[1]);
        done = step_client(&client, &server, &to, &moved);
        done = step_server(&server, &client, &connections, &from, &moved) && done;
        if (!moved) {
            advance_clock();
        }
        if (world.now > end) {
            fail("it does not end");
        }
    }
    check_free();
    for (int i = 0; i < 2; i++) {
        const struct kg_net_counters *counters = &world.hosts[i].net->ip.counters;
        world.retransmitted += counters->tcp_retransmitted;
        world.recoveries += counters->tcp_recoveries;
        world.timeouts += counters->tcp_timeouts;
    }
}

int main(int argc, char **argv)
{
    if (argc != 4 && argc != 6) {
        return 2;
    }
    if (argc == 6) {
        world.fixed = true;
        world.fixed_loss = (uint32_t)atoi(argv[4]);
        world.fixed_damage = (uint32_t)atoi(argv[5]);
    }
    uint64_t first = strtoull(argv[1], NULL, 10), count = strtoull(argv[2], NULL, 10);
    for (uint64_t seed = first; seed < first + count; seed++) {
        run_exchange(seed, (uint32_t)atoi(argv[3]));
    }
    printf("%llu exchanges, %llu frames, %llu retransmitted, %llu recoveries, %llu time-outs\ngiven up:",
           (unsigned long long)count, (unsigned long long)world.frames, (unsigned long long)world.retransmitted,
           (unsigned long long)world.recoveries, (unsigned long long)world.timeouts);
    for (uint32_t i = 0; i < REASONS; i++) {
        printf(" %llu %s", (unsigned long long)world.given_up[i], reasons[i]);
    }
    printf("\n");
    return 0;
}
