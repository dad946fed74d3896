/* The driver of the serial port, on the test's ports. */
#include "ports.h"

#include "../../kernel_c/platform/pc/serial.c"

/* As a machine that is switched on does. */
bool driver_start(void);
bool driver_start(void)
{
    room = interrupts = 0;
    listening = false;
    ahead.in = ahead.out = 0;
    return kg_serial_init();
}
