/* The server's memory and its loop: see server.h. */
#include "server.h"

#include "app/events/events.h"
#include "app/events/print.h"

#include "kgpt/mem.h"

#define LARGE_LEAST 65536u /* bytes of a large body, at least */
#define LARGE_OF_TOKEN 32u /* … and for each token of the context: JSON escapes make texts longer */
#define UNIT_OF_TEXT 8192u /* bytes of a unit of text, escaped, with its framing */
#define UNIT_OF_TOKEN 96u  /* bytes of a token's probability, without its text */
#define UNIT_OF_BYTE 10u   /* … and for each byte of its text: escaped, and as a number in a list */
#define WAIT_MS 250u       /* time-outs are looked at so often */

static void carve_choices(struct kg_server *server, struct kg_conversation *first, uint32_t slots,
                          struct kg_arena *arena)
{
    uint32_t n_ctx = first->session.options.n_ctx;
    server->choices = kg_arena_array(arena, slots, sizeof *server->choices);
    for (uint32_t i = 0; i < slots; i++) {
        struct kg_record *records = kg_arena_array(arena, n_ctx + 1, sizeof *records);
        struct kg_logprob *tops = kg_arena_array(arena, ((size_t)n_ctx + 1) * KG_MAX_LOGPROBS, sizeof *tops);
        if (!arena->counts) {
            server->choices[i] = (struct kg_choice){.server = server,
                                                    .slot = i,
                                                    .conversation = server->batch.slots[i].conversation,
                                                    .records = records,
                                                    .tops = tops};
        }
    }
}

static void carve_jobs(struct kg_server *server, uint32_t n_ctx, struct kg_arena *arena)
{
    server->jobs = kg_arena_array(arena, server->n_jobs, sizeof *server->jobs);
    for (uint32_t i = 0; i < server->n_jobs; i++) {
        uint32_t *tokens = kg_arena_array(arena, (size_t)n_ctx + 1, sizeof *tokens);
        if (!arena->counts) {
            server->jobs[i].tokens = tokens;
        }
    }
}

static void carve_clients(struct kg_server *server, struct kg_arena *arena)
{
    server->clients = kg_arena_array(arena, KG_CONNECTIONS_MAX, sizeof *server->clients);
    for (uint32_t i = 0; i < KG_CONNECTIONS_MAX; i++) {
        char *in = kg_arena_take(arena, KG_SERVER_IN), *out = kg_arena_take(arena, server->out_size);
        if (!arena->counts) {
            server->clients[i] = (struct kg_client){.in = in, .out = {.data = out, .size = server->out_size}};
        }
    }
    for (uint32_t i = 0; i < KG_SERVER_LARGE; i++) {
        server->large[i] = kg_arena_take(arena, server->large_size);
    }
}

static void carve_server(struct kg_server *server, struct kgpt *k, uint32_t slots, struct kg_arena *arena)
{
    struct kg_conversation *first = &k->lm->conversation;
    const struct kg_vocab *vocab = &first->loaded->vocab;
    uint32_t n_ctx = first->session.options.n_ctx;
    *server = (struct kg_server){.k = k,
                                 .loaded = first->loaded,
                                 .n_ctx = n_ctx,
                                 .queue = k->config.lm.queue,
                                 .n_jobs = slots + k->config.lm.queue};
    server->large_size = LARGE_LEAST + (size_t)n_ctx * LARGE_OF_TOKEN;
    server->out_size = UNIT_OF_TEXT + (KG_MAX_LOGPROBS + 1) * (UNIT_OF_TOKEN + (size_t)vocab->longest * UNIT_OF_BYTE);
    server->network = kg_network_carve(arena);
    kg_batch_carve(&server->batch, first, slots, arena);
    carve_choices(server, first, slots, arena);
    carve_jobs(server, n_ctx, arena);
    kg_server_grammars_carve(server, vocab, arena);
    carve_clients(server, arena);
    server->json.room = KG_SERVER_VALUES;
    server->json.values = kg_arena_array(arena, KG_SERVER_VALUES, sizeof *server->json.values);
    server->scratch = kg_arena_take(arena, KG_SERVER_SCRATCH);
    server->piece = kg_arena_take(arena, vocab->longest);
    for (uint32_t i = 0; i < KG_SERVER_LONGS; i++) {
        server->longs[i] = kg_arena_take(arena, KG_SERVER_LONG);
    }
    if (k->config.lm.modbus) {
        server->modbus = kg_modbus_carve(server, arena);
    }
    if (arena->counts) {                                 /* while a request is read */
        kg_arena_reserve(arena, 8 * server->large_size); /* and four bytes for a token of each of its bytes */
        kg_arena_reserve(arena, kg_vocab_scratch(vocab, server->large_size));
    }
}

struct kg_server *kg_server_carve(struct kgpt *k, uint32_t slots, struct kg_arena *arena)
{
    struct kg_server counted, *taken = kg_arena_take(arena, sizeof *taken);
    carve_server(arena->counts ? &counted : taken, k, slots, arena);
    return arena->counts ? NULL : taken;
}

/* The name that was given, or that of the model. */
static void name_model(struct kg_server *server)
{
    const struct kgpt *k = server->k;
    const char *name = k->config.lm.alias[0] ? k->config.lm.alias : k->lm->loaded.model.name;
    kg_format(server->name, sizeof server->name, "%s", name);
}

static void announce_server(struct kg_server *server)
{
    const struct kg_connections *connections = server->connections;
    char address[64];
    connections->local(connections->context, address, sizeof address);
    kg_print("kgpt: serving %s on http://%s with %u slot%s; Ctrl-C ends it\n", server->name, address, server->batch.n,
             kg_plural(server->batch.n));
    KG_EMIT(serving, .address = address, .model = server->name, .slots = server->batch.n, .queue = server->queue);
}

enum kg_status kg_server_run(struct kgpt *k, struct kg_error *error)
{
    struct kg_server *server = k->lm->server;
    enum kg_status status = kg_network_open(server->network, k, &server->connections, error);
    if (status != KG_OK) {
        return status;
    }
    status = kg_server_grammars_fill(server, error);
    if (status != KG_OK) {
        return status;
    }
    server->poll = kg_clients_poll;
    server->key = k->config.lm.key_text ? k->config.lm.key_text : k->config.lm.key[0] ? k->config.lm.key : NULL;
    server->started = plat_ticks();
    name_model(server);
    if (server->modbus) {
        status = kg_modbus_open(server->modbus, error);
        if (status != KG_OK) {
            return status;
        }
    }
    announce_server(server);
    while (!server->stopped) {
        kg_clients_poll(server);
        kg_jobs_begin(server);
        if (kg_jobs_run(server)) {
            kg_jobs_step(server);
        } else {
            /* What a step has ended is sent before the server sleeps. */
            uint32_t ms = kg_clients_poll(server) ? 0 : WAIT_MS;
            server->connections->wait(server->connections->context, ms);
        }
        server->stopped = server->stopped || kg_input_stopped(&k->input);
    }
    kg_clients_drop(server);
    if (server->modbus) {
        kg_modbus_drop(server->modbus);
    }
    return kg_error_set(error, KG_E_STOPPED, "stopped");
}
