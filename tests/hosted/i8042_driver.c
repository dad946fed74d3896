/* The driver of the keyboard controller on simulated ports. */
#include "ports.h"

#include "../../kernel_c/platform/pc/i8042.c"

/* Power-on state. */
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
