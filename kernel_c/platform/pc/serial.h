/* COM1, a 16550 UART: probed, and every wait bounded, since real machines often have none. */
#ifndef KGPT_X86_64_SERIAL_H
#define KGPT_X86_64_SERIAL_H

#include <stdbool.h>
#include <stddef.h>

bool kg_serial_init(void);
bool kg_serial_present(void);
void kg_serial_write(const char *text, size_t n); /* "\n" is sent as "\r\n" */
void kg_serial_flush(void);                       /* waits until the last byte is on the wire */
void kg_serial_ask(bool answer);                  /* see plat_ask_terminal */
void kg_serial_end(void);                         /* undoes what was asked for, and flushes */
int kg_serial_read(void);                         /* KG_READ_NONE if nothing was received */
void kg_serial_keep(void); /* takes in what was received, for kg_serial_read; with interrupts off */

/* From now on it interrupts when it has received something; once at first, to find out whether it can be heard. */
void kg_serial_listen(void);

#endif
