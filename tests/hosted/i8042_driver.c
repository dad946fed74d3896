/* The driver of the keyboard controller, on the test's ports. */
#include "ports.h"

#include "../../kernel_c/platform/pc/i8042.c"

/* As a machine that is switched on does. */
void driver_start(void);
void driver_start(void)
{
    there = present = leds_awaited = false;
    leds = 0;
    typed_n = typed_at = 0;
    codes.in = codes.out = 0;
    keyboard = (struct kg_keyboard){0};
    kg_i8042_init();
}
