/* Self-tests of the network stack: known values, and two stacks beside each other in memory, one of whose segments in
 * seven is lost. Hosted tests have the rules of the protocols. */
#include "kgpt/mem.h"
#include "kgpt/net.h"
#include "kgpt/test.h"
#include "net/ip/checksum.h"
#include "net/ip/siphash.h"

#define FRAMES 64u
#define PORT 80u
#define BYTES 100000u

/* One end: its frames go into the other end's queue. */
struct net_end {
    struct net_end *other;
    uint64_t *now, random;
    uint32_t first, n, sent;
    bool loses;
    size_t size[FRAMES];
    uint8_t frames[FRAMES][1514];
};

static bool send_to_other_end(void *context, const void *frame, size_t n)
{
    struct net_end *end = context, *other = end->other;
    if (other->n == FRAMES) {
        return false;
    }
    if (end->loses && n > 60 && end->sent++ % 7 == 3) {
        return true;
    }
    uint32_t i = (other->first + other->n++) % FRAMES;
    other->size[i] = n;
    memcpy(other->frames[i], frame, n);
    return true;
}

static size_t receive_at_end(void *context, void *frame, size_t size)
{
    struct net_end *end = context;
    if (end->n == 0) {
        return 0;
    }
    size_t n = end->size[end->first] < size ? end->size[end->first] : size;
    memcpy(frame, end->frames[end->first], n);
    end->first = (end->first + 1) % FRAMES;
    end->n--;
    return n;
}

static bool end_has_link(void *context)
{
    return context != NULL;
}

static uint64_t end_now(void *context)
{
    const struct net_end *end = context;
    return *end->now;
}

static void end_random(void *context, void *to, size_t n)
{
    struct net_end *end = context;
    uint8_t *bytes = to;
    for (size_t i = 0; i < n; i++) {
        end->random = end->random * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(end->random >> 33);
    }
}

static struct kg_net *start_end(struct kg_test *t, struct net_end *end, uint8_t id)
{
    struct kg_net_limits limits = {
        .servers = 1, .clients = 1, .server_buffer = 8192, .client_buffer = 8192, .half_open = 1, .waiting = 1};
    struct kg_net_link link = {.context = end,
                               .send = send_to_other_end,
                               .receive = receive_at_end,
                               .has_link = end_has_link,
                               .now_ms = end_now,
                               .random = end_random,
                               .mac = {2, 0, 0, 0, 0, id},
                               .mtu = 1500};
    struct kg_net_settings settings = {.address = 0x0A000000u + id, .mask = KG_NET_PREFIX(24)};
    struct kg_net_memory memory;
    return kg_net_carve(&memory, &limits, t->arena) ? kg_net_start(&memory, &link, &settings) : NULL;
}

static uint8_t net_test_byte(uint32_t i)
{
    return (uint8_t)(i * 2654435761u >> 13);
}

/* Reads what has come. False: a byte is wrong. */
static bool read_and_compare(const struct kg_connections *server, uint32_t id, uint32_t *got)
{
    uint8_t bytes[512];
    size_t n;
    while ((n = server->read(server->context, id, bytes, sizeof bytes)) > 0) {
        for (size_t i = 0; i < n; i++) {
            if (bytes[i] != net_test_byte((*got)++)) {
                return false;
            }
        }
    }
    return true;
}

KG_TEST(net, values)
{
    static const uint64_t key[2] = {0x0706050403020100, 0x0F0E0D0C0B0A0908};
    uint8_t bytes[16], sum[2];
    for (uint8_t i = 0; i < 16; i++) {
        bytes[i] = i;
    }
    KG_CHECK_EQ(t, kg_siphash(key, bytes, 15), 0xA129CA6149BE45E5);                   /* from SipHash's paper */
    static const uint8_t words[8] = {0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7}; /* RFC 1071, 3 */
    kg_checksum_put(kg_checksum_add(0, words, sizeof words), sum);
    KG_CHECK_EQ(t, sum[0] << 8 | sum[1], 0xFFFF ^ 0xDDF2);
}

KG_TEST(net, stream_with_loss)
{
    struct net_end *ends = kg_arena_array(t->arena, 2, sizeof *ends);
    struct kg_connections server;
    uint64_t now = 1000;
    uint32_t sent = 0, got = 0;
    KG_CHECK(t, ends != NULL);
    for (uint32_t i = 0; i < 2; i++) {
        ends[i].other = &ends[!i];
        ends[i].now = &now;
        ends[i].random = i;
        ends[i].loses = i == 0;
    }
    struct kg_net *a = start_end(t, &ends[0], 1), *b = start_end(t, &ends[1], 2);
    KG_CHECK(t, a && b && kg_net_listen(b, PORT, &server));
    int32_t client = kg_net_connect(a, 0x0A000002, PORT), id = -1;
    for (uint32_t i = 0; i < 200000 && got < BYTES; i++, now++) {
        uint8_t byte = net_test_byte(sent);
        while (sent < BYTES && kg_net_write(a, client, &byte, 1)) {
            byte = net_test_byte(++sent);
        }
        kg_net_poll(a);
        kg_net_poll(b);
        id = id < 0 ? server.accept(server.context) : id;
        KG_CHECK(t, id < 0 || read_and_compare(&server, (uint32_t)id, &got));
    }
    KG_CHECK_EQ(t, got, BYTES);
    KG_CHECK(t, kg_net_status(a).counters->tcp_retransmitted > 0);
}
