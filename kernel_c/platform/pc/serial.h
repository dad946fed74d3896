/* COM1, a 16550 UART. It is probed and all waits are bounded, because real machines often have none. */
#ifndef KGPT_PC_SERIAL_H
#define KGPT_PC_SERIAL_H

#include "platform/common/machine.h"

bool kg_serial_init(void);
void kg_serial_flush(void); /* waits until the last byte is sent */
void kg_serial_end(void);   /* undoes kg_serial_ask, and flushes */
void kg_serial_keep(void);  /* reads the port into the ring for kg_serial_read; interrupts must be off */

/* Enables the receive interrupt, and requests one interrupt as a test of the line. */
void kg_serial_listen(void);

#endif
