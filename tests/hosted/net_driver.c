/* Our network stack as a process beside Linux's: makes a network namespace and a TAP device of its own, whose Linux
 * end has 10.77.0.1, and serves as 10.77.0.2, or as IP says (words of ip=; "-": none). It prints each address it gets.
 *     net_driver serve IP MTU WIRE      port 7 echoes; 9 counts and answers "BYTES SUM" at the end; 19 sends as many
 *                                       bytes as a line says; 11 is 9, but reads late
 *     net_driver resolve IP MTU WIRE NAME   prints the address of a name
 *     net_driver client IP MTU WIRE wait BYTES   reads a port, sends bytes to it, which Linux echoes, and compares
 * WIRE: impairments for both directions, such as loss=100,delay=2,seed=1. Ends when standard input does. With a
 * descriptor in NET_LINK its frames go there, to another stack (tests/hosted/lwip_driver.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net_tap.h"

#define CHUNK 65536

static struct tap tap;

static struct session {
    bool used;
    uint64_t bytes, left;
    uint64_t wrong;
    uint64_t began; /* ms */
    uint8_t held[CHUNK];
    size_t n_held;
    char line[32];
    uint32_t n_line;
    bool asked;
} sessions[4][128];

/* The bytes that every test sends. */
static uint8_t pattern(uint64_t i)
{
    return (uint8_t)(i * 2654435761u >> 11);
}

static void serve_echo(const struct kg_connections *c, uint32_t id, struct session *s)
{
    if (s->n_held < CHUNK) {
        s->n_held += c->read(c->context, id, s->held + s->n_held, CHUNK - s->n_held);
    }
    size_t n = c->write(c->context, id, s->held, s->n_held);
    memmove(s->held, s->held + n, s->n_held - n);
    s->n_held -= n;
    s->bytes += n;
    s->left = s->n_held;
}

static void serve_count(const struct kg_connections *c, uint32_t id, struct session *s)
{
    size_t n;
    while ((n = c->read(c->context, id, s->held, CHUNK)) > 0) {
        for (size_t i = 0; i < n; i++) {
            s->wrong += s->held[i] == pattern(s->bytes + i) ? 0 : 1;
        }
        s->bytes += n;
    }
    if (c->state(c->context, id) == KG_CONNECTION_ENDED && !s->asked) {
        char text[64];
        snprintf(text, sizeof text, "%llu bytes, %llu wrong\n", (unsigned long long)s->bytes,
                 (unsigned long long)s->wrong);
        s->asked = c->write(c->context, id, text, strlen(text)) > 0;
    }
}

static void serve_source(const struct kg_connections *c, uint32_t id, struct session *s)
{
    char byte;
    while (!s->asked && c->read(c->context, id, &byte, 1) == 1) {
        if (byte == '\n') {
            s->asked = true;
            s->left = strtoull(s->line, NULL, 10);
        } else if (s->n_line < sizeof s->line - 1) {
            s->line[s->n_line++] = byte;
        }
    }
    while (s->left) {
        size_t n = s->left < CHUNK ? s->left : CHUNK;
        for (size_t i = 0; i < n; i++) {
            s->held[i] = pattern(s->bytes + i);
        }
        n = c->write(c->context, id, s->held, n);
        s->bytes += n;
        s->left -= n;
        if (n == 0) {
            return;
        }
    }
    if (s->asked) {
        c->close(c->context, id);
        s->used = false;
    }
}

static void serve_one(const struct kg_connections *c, uint32_t id, struct session *s, int kind)
{
    switch (kind) {
    case 0: serve_echo(c, id, s); break;
    case 1: serve_count(c, id, s); break;
    case 2: serve_source(c, id, s); break;
    default: /* reads nothing while the window fills */
        s->left = 1;
        if (tap_clock(NULL) - s->began > 1500) {
            serve_count(c, id, s);
            s->left = !s->asked;
        }
        break;
    }
}

/* Waits for frames, and prints the address when it changes. */
static void wait_for_frames(struct kg_net *net, uint32_t ms)
{
    static uint32_t last;
    kg_net_wait(net, ms);
    uint32_t address = kg_net_status(net).address;
    if (address != last) {
        char text[16];
        kg_net_address_text(address, text, sizeof text);
        printf("address %s\n", text);
        last = address;
    }
}

static int resolve(struct kg_net *net, const char *name)
{
    uint32_t address;
    const char *problem;
    char text[16];
    while (kg_net_status(net).address == 0) {
        wait_for_frames(net, 50);
    }
    kg_net_resolve(net, name);
    while (kg_net_resolved(net, &address, &problem) == KG_NET_LOOKUP_RUNNING) {
        wait_for_frames(net, 50);
    }
    kg_net_address_text(address, text, sizeof text);
    printf("%s\n", problem ? problem : text);
    return 0;
}

static void serve(struct kg_net *net)
{
    static const uint16_t ports[4] = {7, 9, 19, 11};
    struct kg_connections servers[4];
    for (int kind = 0; kind < 4; kind++) {
        if (!kg_net_listen(net, ports[kind], &servers[kind])) {
            exit(1);
        }
    }
    for (;;) {
        wait_for_frames(net, 50);
        for (int kind = 0; kind < 4; kind++) {
            const struct kg_connections *c = &servers[kind];
            int32_t id;
            while ((id = c->accept(c->context)) >= 0) {
                memset(&sessions[kind][id], 0, sizeof sessions[kind][id]);
                sessions[kind][id].used = true;
                sessions[kind][id].began = tap_clock(NULL);
            }
            for (uint32_t i = 0; i < c->limit; i++) {
                struct session *s = &sessions[kind][i];
                if (!s->used) {
                    continue;
                }
                serve_one(c, i, s, kind);
                enum kg_connection_state state = c->state(c->context, i);
                if (s->used && (state == KG_CONNECTION_LOST || (state == KG_CONNECTION_ENDED && s->left == 0))) {
                    c->close(c->context, i);
                    s->used = false;
                }
            }
        }
    }
}

static int client(struct kg_net *net, uint16_t port, uint64_t bytes)
{
    uint8_t out[CHUNK], in[CHUNK];
    uint64_t sent = 0, got = 0;
    const char *problem = NULL;
    int32_t id = kg_net_connect(net, 0x0A4D0001, port);
    bool shut = false;
    while (id >= 0) {
        enum kg_net_client state = kg_net_client_state(net, id, &problem);
        if (state == KG_NET_FAILED) {
            break;
        }
        size_t n = bytes - sent < CHUNK ? (size_t)(bytes - sent) : CHUNK;
        for (size_t i = 0; i < n; i++) {
            out[i] = pattern(sent + i);
        }
        sent += state == KG_NET_OPEN ? kg_net_write(net, id, out, n) : 0;
        if (sent == bytes && !shut && state == KG_NET_OPEN) {
            kg_net_shut(net, id);
            shut = true;
        }
        while ((n = kg_net_read(net, id, in, CHUNK)) > 0) {
            for (size_t i = 0; i < n; i++) {
                if (in[i] != pattern(got + i)) {
                    printf("wrong at %llu\n", (unsigned long long)(got + i));
                    return 1;
                }
            }
            got += n;
        }
        if (state == KG_NET_ENDED) {
            kg_net_close(net, id);
            printf("%llu bytes came back\n", (unsigned long long)got);
            for (int i = 0; i < 20; i++) {
                kg_net_wait(net, 5);
            }
            return 0;
        }
        kg_net_wait(net, 20);
    }
    printf("failed: %s\n", problem ? problem : "no connection");
    return 1;
}

int main(int argc, char **argv)
{
    if (argc < 5 || !tap_open(&tap, atoi(argv[3]), argv[4])) {
        return 2;
    }
    tap.ends_with_input = true;
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct kg_net_limits limits = kg_net_usual_limits();
    struct kg_net_memory memory;
    struct kg_arena arena;
    static uint8_t memory_of_arena[64u << 20];
    kg_arena_init(&arena, memory_of_arena, sizeof memory_of_arena);
    struct kg_net_link link = tap_link(&tap);
    struct kg_net_settings settings = tap_settings;
    struct kg_error error;
    if (strcmp(argv[2], "-") != 0 && kg_net_read_settings(argv[2], &settings, &error) != KG_OK) {
        printf("%s\n", error.message);
        return 2;
    }
    if (!kg_net_carve(&memory, &limits, &arena)) {
        return 3;
    }
    struct kg_net *net = kg_net_start(&memory, &link, &settings);
    printf("ready\n");
    if (strcmp(argv[1], "client") == 0 && argc == 7) {
        char line[16];
        return client(net, (uint16_t)(fgets(line, sizeof line, stdin) ? atoi(line) : 0), strtoull(argv[6], NULL, 10));
    }
    if (strcmp(argv[1], "resolve") == 0 && argc == 6) {
        return resolve(net, argv[5]);
    }
    serve(net);
    return 0;
}
