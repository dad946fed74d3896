/* What a client needs of a network: names, one connection at a time, and one port for datagrams. Two implementations:
 * the host's sockets (platform/linux), and our own stack (app/network). No function waits, but `wait`. Addresses are
 * IPv4 in host order: 192.0.2.1 is 0xC0000201. */
#ifndef KGPT_DIAL_H
#define KGPT_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kg_dial_state {
    KG_DIAL_RUNS, /* the name is looked up, or the connection opened */
    KG_DIAL_OPEN,
    KG_DIAL_ENDED, /* the server will send no more; what came before can be read */
    KG_DIAL_FAILED,
};

#define KG_DIAL_DATAGRAM 1472u /* bytes of the longest datagram */

struct kg_dial {
    void *context;
    uint64_t (*now_ms)(void *context); /* monotonic */
    /* Looks a name up. KG_DIAL_OPEN: *address is its address; KG_DIAL_FAILED: *problem says why there is none. */
    void (*resolve)(void *context, const char *name);
    enum kg_dial_state (*resolved)(void *context, uint32_t *address, const char **problem);
    /* The connection; an earlier one must be closed. */
    void (*connect)(void *context, uint32_t address, uint16_t port);
    enum kg_dial_state (*state)(void *context, const char **problem);
    size_t (*read)(void *context, void *to, size_t room); /* 0: nothing now */
    size_t (*write)(void *context, const void *from, size_t n);
    void (*close)(void *context);
    /* Datagrams, from a random port of ours. False: there is none. */
    bool (*open_port)(void *context);
    void (*send)(void *context, uint32_t address, uint16_t port, const void *from, size_t n); /* it may get lost */
    size_t (*receive)(void *context, uint32_t *address, uint16_t *port, void *to, size_t room);
    void (*close_port)(void *context);
    void (*wait)(void *context, uint32_t ms); /* sleeps until something may have happened, or that long */
};

#endif
