/* Connections of controllers: see modbus.h. */
#include "modbus.h"

#include "app/events/print.h"

#include "kgpt/mem.h"

#define FRAMES_AT_ONCE 16 /* of one controller, before others get their turn */
#define FIRST_TOKENS 32u

struct kg_modbus *kg_modbus_carve(struct kg_server *server, struct kg_arena *arena)
{
    struct kg_modbus *modbus = kg_arena_take(arena, sizeof *modbus);
    void *memory = kg_arena_take(arena, KG_SERVER_GRAMMAR);
    if (arena->counts) {
        return NULL;
    }
    *modbus = (struct kg_modbus){.server = server, .class = KG_MODBUS_NO_CLASS};
    kg_arena_init(&modbus->memory, memory, KG_SERVER_GRAMMAR);
    modbus->client.server = server;
    modbus->client.inner = &kg_modbus_inner;
    modbus->holding[KG_HOLDING_TOKENS] = FIRST_TOKENS;
    return modbus;
}

enum kg_status kg_modbus_open(struct kg_modbus *modbus, struct kg_error *error)
{
    struct kg_server *server = modbus->server;
    struct kgpt *k = server->k;
    char address[64];
    enum kg_status status = kg_modbus_read_labels(modbus, error);
    if (status == KG_OK) {
        status = kg_network_listen(server->network, k, k->config.lm.modbus_port, &modbus->connections, error);
    }
    if (status != KG_OK) {
        return status;
    }
    kg_modbus_make_map(modbus);
    modbus->connections->local(modbus->connections->context, address, sizeof address);
    kg_print("kgpt: Modbus/TCP on %s with %u set%s of labels\n", address, modbus->n_sets, kg_plural(modbus->n_sets));
    return KG_OK;
}

static void close_master(struct kg_modbus *modbus, struct kg_modbus_master *master)
{
    modbus->connections->close(modbus->connections->context, master->connection);
    master->open = false;
}

/* A place for another controller. With none free, the one that was silent longest gives way: controllers that were
 * switched off leave connections behind. */
static struct kg_modbus_master *find_master_place(struct kg_modbus *modbus)
{
    struct kg_modbus_master *found = &modbus->masters[0];
    for (uint32_t i = 0; i < KG_MODBUS_MASTERS; i++) {
        struct kg_modbus_master *master = &modbus->masters[i];
        if (!master->open) {
            return master;
        }
        found = master->moved < found->moved ? master : found;
    }
    close_master(modbus, found);
    return found;
}

static void accept_masters(struct kg_modbus *modbus)
{
    int32_t number;
    while ((number = modbus->connections->accept(modbus->connections->context)) >= 0) {
        struct kg_modbus_master *master = find_master_place(modbus);
        master->open = true;
        master->connection = (uint32_t)number;
        master->n_in = master->n_out = master->sent = 0;
        master->moved = plat_ticks();
    }
}

/* True if the answer is sent. */
static bool send_answer(const struct kg_modbus *modbus, struct kg_modbus_master *master)
{
    const struct kg_connections *connections = modbus->connections;
    size_t n = 0;
    if (master->sent < master->n_out) {
        n = connections->write(connections->context, master->connection, master->out + master->sent,
                               master->n_out - master->sent);
    }
    master->sent += n;
    master->moved = n ? plat_ticks() : master->moved;
    return master->sent == master->n_out;
}

/* One frame. True: there may be more. */
static bool step_master(struct kg_modbus *modbus, struct kg_modbus_master *master)
{
    const struct kg_connections *connections = modbus->connections;
    if (!send_answer(modbus, master)) {
        return false;
    }
    size_t got = connections->read(connections->context, master->connection, master->in + master->n_in,
                                   sizeof master->in - master->n_in);
    master->n_in += got;
    master->moved = got ? plat_ticks() : master->moved;
    size_t n = kg_modbus_frame(master->in, master->n_in);
    if (n == KG_MODBUS_BROKEN) {
        close_master(modbus, master);
        return false;
    }
    if (!n || n > master->n_in) {
        if (!got && connections->state(connections->context, master->connection) != KG_CONNECTION_OPEN) {
            close_master(modbus, master);
        }
        return got > 0;
    }
    master->n_out = kg_modbus_answer(&modbus->map, master->in, n, master->out);
    master->sent = 0;
    master->n_in -= n;
    memmove(master->in, master->in + n, master->n_in);
    (void)send_answer(modbus, master);
    return true;
}

/* One that does not read its answers, or stops within a frame. */
static void check_master_time(struct kg_modbus *modbus, struct kg_modbus_master *master)
{
    uint64_t most = (uint64_t)modbus->server->k->config.lm.timeout * 1000;
    bool waits = master->n_in || master->sent < master->n_out;
    bool lost = modbus->connections->state(modbus->connections->context, master->connection) == KG_CONNECTION_LOST;
    if (lost || (waits && kg_server_ms(modbus->server, master->moved) > most)) {
        modbus->connections->reset(modbus->connections->context, master->connection);
        master->open = false;
    }
}

bool kg_modbus_poll(struct kg_modbus *modbus)
{
    bool more = false;
    kg_modbus_take_answer(modbus);
    accept_masters(modbus);
    for (uint32_t i = 0; i < KG_MODBUS_MASTERS; i++) {
        struct kg_modbus_master *master = &modbus->masters[i];
        bool goes_on = master->open;
        for (int n = 0; n < FRAMES_AT_ONCE && goes_on; n++) {
            goes_on = step_master(modbus, master) && master->open;
        }
        if (master->open) {
            check_master_time(modbus, master);
        }
        more = more || goes_on;
    }
    return more;
}

void kg_modbus_drop(struct kg_modbus *modbus)
{
    kg_modbus_cancel(modbus);
    for (uint32_t i = 0; i < KG_MODBUS_MASTERS; i++) {
        if (modbus->masters[i].open) {
            modbus->connections->reset(modbus->connections->context, modbus->masters[i].connection);
            modbus->masters[i].open = false;
        }
    }
}
