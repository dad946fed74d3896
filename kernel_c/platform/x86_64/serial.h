/* COM1, a 16550 UART: probed, and every wait bounded, since real machines often have none. */
#ifndef KGPT_X86_64_SERIAL_H
#define KGPT_X86_64_SERIAL_H

#include <stdbool.h>
#include <stddef.h>

bool kg_serial_init(void);
bool kg_serial_present(void);
void kg_serial_write(const char *text, size_t n); /* "\n" is sent as "\r\n" */
void kg_serial_flush(void);                       /* waits until the last byte is on the wire */
int kg_serial_read(void);                         /* KG_READ_NONE if nothing was received */
void kg_serial_keep(void);                        /* a byte that was received, for later */

/* When it interrupts from now on. */
enum kg_serial_interrupt {
    KG_SERIAL_NEVER = 0,
    KG_SERIAL_RECEIVED = 1, /* when there is something to read */
    KG_SERIAL_SENT = 2,     /* when there is nothing to send: to find out whether it can be heard */
};
void kg_serial_interrupt(enum kg_serial_interrupt when);
extern volatile bool kg_serial_woke; /* it did */

#endif
