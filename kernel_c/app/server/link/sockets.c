/* Connections of clients in a process: see network.h. */
#include "network.h"

#include "kgpt/platform.h"

struct kg_network *kg_network_carve(struct kg_arena *arena)
{
    (void)arena;
    return NULL;
}

enum kg_status kg_network_listen(struct kg_network *network, struct kgpt *k, uint32_t port,
                                 const struct kg_connections **connections, struct kg_error *error)
{
    (void)network;
    *connections = plat_connections(port, &k->arena, error);
    if (*connections) {
        return KG_OK;
    }
    return error->message[0] ? KG_E_INPUT : KG_E_MEMORY;
}

enum kg_status kg_network_open(struct kg_network *network, struct kgpt *k, const struct kg_connections **connections,
                               struct kg_error *error)
{
    return kg_network_listen(network, k, k->config.lm.port, connections, error);
}
