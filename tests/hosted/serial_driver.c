/* The driver of the serial port on simulated ports. */
#include "ports.h"

#include "../../kernel_c/platform/pc/serial.c"

/* Power-on state. */
bool driver_start(void);
bool driver_start(void)
{
    room = interrupts = 0;
    listening = false;
    ahead.in = ahead.out = 0;
    return kg_serial_init();
}
