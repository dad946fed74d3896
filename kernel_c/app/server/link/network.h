/* Where the server's connections come from: sockets of the host in a process (sockets.c), our network stack over a
 * network card in a kernel (network.c). */
#ifndef KGPT_APP_NETWORK_H
#define KGPT_APP_NETWORK_H

#include "app/kgpt.h"

#include "kgpt/connections.h"

/* Sizes and takes the memory of the network. NULL: it needs none, or the arena only counts. */
struct kg_network;
struct kg_network *kg_network_carve(struct kg_arena *arena);

/* Begins to take connections to the port of the command line. In a kernel: waits for a link and an address, however
 * long, and says so. KG_E_STOPPED: by Ctrl-C, or the run shall end. */
enum kg_status kg_network_open(struct kg_network *network, struct kgpt *k, const struct kg_connections **connections,
                               struct kg_error *error);

/* After kg_network_open: takes connections to another port, too. Their `poll` and `wait` are those of the first. */
enum kg_status kg_network_listen(struct kg_network *network, struct kgpt *k, uint32_t port,
                                 const struct kg_connections **connections, struct kg_error *error);

#endif
