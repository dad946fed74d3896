/* Connections to servers: over our stack and a network card in a kernel (dialing.c), over the host's sockets in a
 * process (dialing_process.c). */
#ifndef KGPT_APP_DIALING_H
#define KGPT_APP_DIALING_H

#include "app/kgpt.h"

#include "kgpt/dial.h"

/* Starts the network, with memory of the arena, which the caller rewinds when nothing is open any more. In a kernel it
 * waits for a link and an address. KG_E_STOPPED: by Ctrl-C. */
enum kg_status kg_dial_open(struct kgpt *k, const struct kg_dial **dial, struct kg_error *error);

#endif
