/* Connections of clients on the bare machine: there is no network yet. */
#include "kgpt/connections.h"
#include "kgpt/platform.h"

const struct kg_connections *plat_connections(uint32_t port, struct kg_arena *arena, struct kg_error *error)
{
    (void)port;
    (void)arena;
    kg_error_set(error, KG_E_INPUT, "mode=serve needs a network, and this machine has none");
    kg_error_hint(error, "serve from a process: kgpt serve --target hosted");
    return NULL;
}
