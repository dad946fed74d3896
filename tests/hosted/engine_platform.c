/* The platform functions for libraries of the engine: a clock that advances when it is read, and no devices. */
#include "kgpt/platform.h"

uint64_t plat_ticks(void)
{
    static uint64_t ticks;
    return ticks += 1000;
}

uint64_t plat_ticks_hz(void)
{
    return 1000000;
}

void plat_poll(void)
{
}
