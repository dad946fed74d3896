/* Connections of clients, as streams of bytes. Two implementations: the host's sockets (platform/linux) and our own
 * TCP (net/). The server (app/server) knows nothing below. A connection is a number below `limit`. No function waits,
 * but `wait`. */
#ifndef KGPT_CONNECTIONS_H
#define KGPT_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kg_connection_state {
    KG_CONNECTION_FREE,
    KG_CONNECTION_OPEN,
    KG_CONNECTION_ENDED, /* the client will send no more; it can still receive */
    KG_CONNECTION_LOST,  /* reset, or given up: nothing can be sent any more. The server calls `close` */
};

#define KG_CONNECTIONS_MAX 128u /* the largest `limit` */

struct kg_connections {
    void *context;
    uint32_t limit;                                                                  /* connections at once */
    int32_t (*accept)(void *context);                                                /* -1: no new connection */
    size_t (*read)(void *context, uint32_t connection, void *to, size_t room);       /* 0: nothing now */
    size_t (*write)(void *context, uint32_t connection, const void *from, size_t n); /* how many bytes it took */
    enum kg_connection_state (*state)(void *context, uint32_t connection);
    void (*close)(void *context, uint32_t connection); /* what was written is still sent; the number is free again */
    void (*reset)(void *context, uint32_t connection); /* at once, without sending what is left */
    void (*poll)(void *context);                       /* lets the network work: between layers and tokens */
    void (*wait)(void *context, uint32_t ms);          /* sleeps until something may have happened, or that long */
    void (*peer)(void *context, uint32_t connection, char *text, size_t size); /* "192.0.2.1:4711", for logs */
    void (*local)(void *context, char *text, size_t size);                     /* "192.0.2.7:8080": where we listen */
};

#endif
