/* The network stack: Ethernet, ARP, IPv4, ICMP, UDP, DHCP, DNS and TCP over one link. It is pure: frames come from and
 * go to the functions of struct kg_net_link, and everything happens in kg_net_poll. Its memory is taken once. See
 * docs/network.md. */
#ifndef KGPT_NET_H
#define KGPT_NET_H

#include "kgpt/arena.h"
#include "kgpt/connections.h"
#include "kgpt/error.h"
#include "kgpt/net_link.h"

struct kg_net;
struct kg_tcp_connection;
struct kg_tcp_half;
struct kg_tcp_waiting;

/* What the stack may hold at once; each at least 1. */
struct kg_net_limits {
    uint32_t servers, clients; /* connections of clients of ours, and ours to servers */
    uint32_t server_buffer;    /* bytes of a connection, for each direction: 4,096 to 1 GiB */
    uint32_t client_buffer;
    uint32_t half_open; /* SYNs; more are answered with SYN cookies */
    uint32_t waiting;   /* in TIME-WAIT; more push out the oldest */
};

/* For a few tens of clients: about 9 MiB. */
struct kg_net_limits kg_net_usual_limits(void);

struct kg_net_memory {
    struct kg_net_limits limits;
    struct kg_net *net;
    struct kg_tcp_connection *connections;
    struct kg_tcp_half *half;
    struct kg_tcp_waiting *waiting;
    struct kg_tcp_connection **numbers;
    uint8_t *buffers;
};

/* Sizes and takes all memory of a stack. False: the arena is full. */
bool kg_net_carve(struct kg_net_memory *memory, const struct kg_net_limits *limits, struct kg_arena *arena);

struct kg_net_settings {
    bool dhcp;
    uint32_t address, mask, gateway; /* without DHCP */
    uint32_t dns[2];                 /* 0: none; with DHCP in place of its own */
};

#define KG_NET_PREFIX(n) (0xFFFFFFFFu << (32 - (n))) /* the mask of a network, 1 to 32 bits */

/* Reads "dhcp" or "192.168.1.5/24,gw=192.168.1.1,dns=192.168.1.1": gateway, and up to two DNS servers, may be left
 * out; "dhcp,dns=…" replaces the server's. */
enum kg_status kg_net_read_settings(const char *text, struct kg_net_settings *settings, struct kg_error *error);

/* Begins, and forgets all that a stack in this memory held before. The link and its context must outlive it. */
struct kg_net *kg_net_start(const struct kg_net_memory *memory, const struct kg_net_link *link,
                            const struct kg_net_settings *settings);

/* Lets the stack work: takes the frames that have arrived, and does what is due. Does not wait. True: something
 * arrived. */
bool kg_net_poll(struct kg_net *net);

/* When the stack next has something to do without a frame, by the link's clock; UINT64_MAX: never. */
uint64_t kg_net_next(const struct kg_net *net);

/* Polls until a frame arrives, at most so long, asleep by the link's `relax`. */
void kg_net_wait(struct kg_net *net, uint32_t ms);

struct kg_net_status {
    bool link;
    uint32_t address, mask, gateway; /* address 0: none yet */
    uint32_t dns[2];
    uint32_t open;       /* connections */
    const char *problem; /* why there is no address; NULL: none */
    const struct kg_net_counters *counters;
};
struct kg_net_status kg_net_status(const struct kg_net *net);

/* Servers. Takes connections to `port` from now on. False: too many ports are used. */
bool kg_net_listen(struct kg_net *net, uint16_t port, struct kg_connections *connections);

/* Clients. -1: there is no address, or too many connections are open. */
int32_t kg_net_connect(struct kg_net *net, uint32_t address, uint16_t port);
enum kg_net_client { KG_NET_CONNECTING, KG_NET_OPEN, KG_NET_ENDED, KG_NET_FAILED };
/* KG_NET_ENDED: the server will send no more; what came before can be read. `problem`: of KG_NET_FAILED; may be NULL.
 */
enum kg_net_client kg_net_client_state(const struct kg_net *net, int32_t client, const char **problem);
size_t kg_net_read(struct kg_net *net, int32_t client, void *to, size_t room);
size_t kg_net_write(struct kg_net *net, int32_t client, const void *from, size_t n);
void kg_net_shut(struct kg_net *net, int32_t client);  /* no more will be written */
void kg_net_close(struct kg_net *net, int32_t client); /* the number is free again */

/* Names. One lookup at a time: a second one ends the first. False: it has failed at once. */
enum kg_net_lookup { KG_NET_LOOKUP_NONE, KG_NET_LOOKUP_RUNNING, KG_NET_LOOKUP_DONE, KG_NET_LOOKUP_FAILED };
bool kg_net_resolve(struct kg_net *net, const char *name);
enum kg_net_lookup kg_net_resolved(const struct kg_net *net, uint32_t *address, const char **problem);

/* Datagrams: a random port of ours, and what comes to it. 0: too many ports are used. */
uint16_t kg_net_open_port(struct kg_net *net, void *context,
                          void (*receive)(void *context, uint32_t from, uint16_t from_port, const uint8_t *data,
                                          uint32_t n));
void kg_net_close_port(struct kg_net *net, uint16_t port);
/* At most KG_NET_DATAGRAM bytes. The datagram may get lost. */
#define KG_NET_DATAGRAM 1472u
void kg_net_send_datagram(struct kg_net *net, uint16_t from, uint32_t to, uint16_t to_port, const void *data, size_t n);

bool kg_net_read_address(const char *text, uint32_t *address); /* "192.0.2.1", and nothing behind it */
/* "192.0.2.1" into at least 16 bytes. */
void kg_net_address_text(uint32_t address, char *text, size_t size);

#endif
