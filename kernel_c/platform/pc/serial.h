/* COM1, a 16550 UART. It is probed and all waits are bounded, because real machines often have none. */
#ifndef KGPT_PC_SERIAL_H
#define KGPT_PC_SERIAL_H

#include <stdbool.h>
#include <stddef.h>

bool kg_serial_init(void);
bool kg_serial_present(void);
void kg_serial_write(const char *text, size_t n); /* "\n" is sent as "\r\n" */
void kg_serial_flush(void);                       /* waits until the last byte is sent */
void kg_serial_ask(bool answer);                  /* see plat_ask_terminal */
void kg_serial_end(void);                         /* undoes kg_serial_ask, and flushes */
int kg_serial_read(void);                         /* KG_READ_NONE if nothing was received */
void kg_serial_keep(void); /* reads the port into the ring for kg_serial_read; interrupts must be off */

/* Enables the receive interrupt, and requests one interrupt as a test of the line. */
void kg_serial_listen(void);

#endif
