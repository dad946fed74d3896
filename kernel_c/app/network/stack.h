/* Our network stack over a card of this machine: for the server, and for models that are loaded. Kernels alone have it;
 * a process has its host's sockets. */
#ifndef KGPT_APP_STACK_H
#define KGPT_APP_STACK_H

#include "app/kgpt.h"

#include "kgpt/net.h"

struct kg_unit;

/* The caller fills `memory`, by kg_net_carve. */
struct kg_stack {
    struct kg_net_memory memory;
    struct kg_net_link link;
    struct kg_net *net;
    struct kg_unit *card;
    uint64_t heard;  /* plat_ticks() of the last frame */
    uint64_t looked; /* … of the last look at the link: it costs microseconds, and the stack asks in each poll */
    bool is_up, told_failure;
};

/* Starts the stack with the address of the command line. Waits for a link and an address, however long, and says so.
 * KG_E_STOPPED: by Ctrl-C, or the run shall end. `what` needs the card: for the message that there is none. */
enum kg_status kg_stack_open(struct kg_stack *stack, struct kgpt *k, const char *what, struct kg_error *error);

#endif
