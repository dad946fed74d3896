/* One stack for ctypes: frames, time and randomness come from the test (tests/hosted/net_packets.py). */
#include "kgpt/mem.h"
#include "kgpt/net.h"
#include "net/net_state.h"

#define FRAMES 512
#define MEMORY (8u << 20)

static struct {
    uint64_t now, random;
    bool link, full;
    struct {
        uint32_t n;
        uint8_t bytes[2048];
    } in[FRAMES], out[FRAMES];
    uint32_t in_first, in_n, out_first, out_n;
    struct kg_net *net;
    struct kg_connections server[2];
    uint8_t memory[MEMORY];
} shim;

static bool shim_send(void *context, const void *frame, size_t n)
{
    (void)context;
    if (shim.full || shim.out_n == FRAMES || n > 2048) {
        return false;
    }
    uint32_t i = (shim.out_first + shim.out_n++) % FRAMES;
    shim.out[i].n = (uint32_t)n;
    memcpy(shim.out[i].bytes, frame, n);
    return true;
}

static size_t shim_receive(void *context, void *frame, size_t size)
{
    (void)context;
    if (shim.in_n == 0) {
        return 0;
    }
    uint32_t i = shim.in_first;
    shim.in_first = (shim.in_first + 1) % FRAMES;
    shim.in_n--;
    size_t n = shim.in[i].n < size ? shim.in[i].n : size;
    memcpy(frame, shim.in[i].bytes, n);
    return n;
}

static bool shim_has_link(void *context)
{
    (void)context;
    return shim.link;
}

static uint64_t shim_now(void *context)
{
    (void)context;
    return shim.now;
}

static void shim_random(void *context, void *to, size_t n)
{
    uint8_t *bytes = to;
    (void)context;
    for (size_t i = 0; i < n; i++) {
        shim.random = shim.random * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(shim.random >> 33);
    }
}

/* `buffer`: bytes of each connection and direction. `words` as after ip=. Returns 0: they are wrong. */
int shim_start(uint64_t now, uint64_t seed, const char *words, uint32_t buffer, uint32_t servers)
{
    struct kg_net_limits limits = {.servers = servers,
                                   .clients = 2,
                                   .server_buffer = buffer,
                                   .client_buffer = buffer,
                                   .half_open = 8,
                                   .waiting = 4};
    struct kg_net_link link = {.send = shim_send,
                               .receive = shim_receive,
                               .has_link = shim_has_link,
                               .now_ms = shim_now,
                               .random = shim_random,
                               .mac = {2, 0, 0, 0, 0, 2},
                               .mtu = 1500};
    struct kg_net_settings settings;
    struct kg_net_memory memory;
    struct kg_arena arena;
    struct kg_error error;
    if (kg_net_read_settings(words, &settings, &error) != KG_OK) {
        return 0;
    }
    shim.now = now;
    shim.random = seed;
    shim.link = true;
    shim.full = false;
    shim.in_n = shim.out_n = 0;
    kg_arena_init(&arena, shim.memory, sizeof shim.memory);
    if (!kg_net_carve(&memory, &limits, &arena)) {
        return 0;
    }
    shim.net = kg_net_start(&memory, &link, &settings);
    return kg_net_listen(shim.net, 80, &shim.server[0]) && kg_net_listen(shim.net, 81, &shim.server[1]);
}

void shim_push(const uint8_t *frame, uint32_t n)
{
    uint32_t i = (shim.in_first + shim.in_n) % FRAMES;
    if (shim.in_n < FRAMES && n <= 2048) {
        shim.in[i].n = n;
        memcpy(shim.in[i].bytes, frame, n);
        shim.in_n++;
    }
}

uint32_t shim_pop(uint8_t *frame)
{
    if (shim.out_n == 0) {
        return 0;
    }
    uint32_t i = shim.out_first;
    shim.out_first = (shim.out_first + 1) % FRAMES;
    shim.out_n--;
    memcpy(frame, shim.out[i].bytes, shim.out[i].n);
    return shim.out[i].n;
}

void shim_poll(uint64_t now)
{
    shim.now = now;
    while (kg_net_poll(shim.net)) {
    }
}

void shim_link(int up, int full)
{
    shim.link = up;
    shim.full = full;
}

struct kg_net *shim_net(void)
{
    return shim.net;
}

int32_t shim_accept(uint32_t server)
{
    return shim.server[server].accept(shim.server[server].context);
}

uint32_t shim_read(uint32_t id, void *to, uint32_t room)
{
    return (uint32_t)shim.server[0].read(shim.server[0].context, id, to, room);
}

uint32_t shim_write(uint32_t id, const void *from, uint32_t n)
{
    return (uint32_t)shim.server[0].write(shim.server[0].context, id, from, n);
}

int shim_state(uint32_t id)
{
    return (int)shim.server[0].state(shim.server[0].context, id);
}

void shim_close(uint32_t id)
{
    shim.server[0].close(shim.server[0].context, id);
}

void shim_reset(uint32_t id)
{
    shim.server[0].reset(shim.server[0].context, id);
}

void shim_peer(uint32_t id, char *text, uint32_t size)
{
    shim.server[0].peer(shim.server[0].context, id, text, size);
}

/* The state of the i-th slot, enum kg_tcp_state. */
int shim_slot(uint32_t i)
{
    return i < shim.net->tcp.n_connections ? (int)shim.net->tcp.connections[i].state : -1;
}

const struct kg_net_counters *shim_counters(void)
{
    return &shim.net->ip.counters;
}

int shim_settings(const char *words, uint32_t *values, char *message)
{
    struct kg_net_settings settings;
    struct kg_error error = {0};
    enum kg_status status = kg_net_read_settings(words, &settings, &error);
    memcpy(message, error.message, sizeof error.message);
    values[0] = settings.dhcp;
    values[1] = settings.address;
    values[2] = settings.mask;
    values[3] = settings.gateway;
    values[4] = settings.dns[0];
    values[5] = settings.dns[1];
    return status == KG_OK;
}

int shim_status(uint32_t *values, const char **problem)
{
    struct kg_net_status status = kg_net_status(shim.net);
    values[0] = status.address;
    values[1] = status.mask;
    values[2] = status.gateway;
    values[3] = status.dns[0];
    values[4] = status.dns[1];
    *problem = status.problem;
    return (int)status.open;
}
