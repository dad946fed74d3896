/* What the application is told about the machine. */
#ifndef KGPT_COMMON_DESCRIBE_H
#define KGPT_COMMON_DESCRIBE_H

#include "kgpt/platform.h"
#include "platform/boot/boot.h"

/* To be called when everything else is set up: the arena is given away. */
const struct kg_platform_info *kg_describe_platform(const char *name, const struct kg_boot *boot,
                                                    const struct kg_cpu *cpu);

#endif
