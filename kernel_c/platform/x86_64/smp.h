/* The other processors: ACPI lists them, INIT and startup IPIs start them, platform/common/parallel.c gives them
 * work. */
#ifndef KGPT_X86_64_SMP_H
#define KGPT_X86_64_SMP_H

#include "kgpt/acpi.h"
#include "platform/common/processors.h"

/* Opens the ACPI tables. NULL: `*problem` says why there are none. */
typedef const struct kg_acpi *kg_tables_fn(const char **problem);

void kg_smp_init(kg_tables_fn *tables); /* at boot: stores the address of the tables */

#endif
