/* The memory types of physical addresses: firmware gives all processors the same ones, or they cannot share memory (SDM 3A, 12.11). */
#ifndef KGPT_X86_64_MTRR_H
#define KGPT_X86_64_MTRR_H

#include <stdbool.h>

void kg_mtrr_init(void); /* on the first processor: remembers its own */

/* On another one: takes over the first one's where its own differ. False if they differ all the same. */
bool kg_mtrr_join(void);

#endif
