/* A PL011, the serial port of Arm's machines (Arm DDI 0183). All waits are bounded. */
#ifndef KGPT_VIRT_PL011_H
#define KGPT_VIRT_PL011_H

#include "facts/facts.h"
#include "platform/common/machine.h"

void kg_pl011_init(const struct kg_range *registers); /* size 0: there is none */
void kg_pl011_listen(void);                           /* received bytes interrupt */
void kg_pl011_keep(void);                             /* reads the port into the ring; interrupts must be off */
void kg_pl011_end(void);                              /* undoes kg_serial_ask, and waits until all is sent */

#endif
