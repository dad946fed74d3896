/* What the process must know of its processor. Of the architecture's room (x86_64/, aarch64/). */
#ifndef KGPT_PLATFORM_LINUX_PROCESSOR_H
#define KGPT_PLATFORM_LINUX_PROCESSOR_H

#include <stdbool.h>
#include <stdint.h>

/* A signal, and the exception that causes it. */
struct kg_linux_fault {
    int signal_number; /* 0 ends the table */
    int vector;
    const char *name, *message;
};
extern const struct kg_linux_fault kg_linux_faults[];

void kg_linux_pause(void); /* in a loop that waits */

/* Of a signal handler's third argument. */
uint64_t kg_linux_program_counter(const void *context);

/* Causes a fault by an instruction; returns false if there is none for `kind` (a value of fault=). */
bool kg_linux_cause(const char *kind);

#define KG_LINUX_RETURN_MOST 4
extern const uint8_t kg_linux_return[KG_LINUX_RETURN_MOST]; /* the code of a function that returns at once */

/* Features (enum kg_cpu_feature) that Linux tells, and that kg_cpu_detect may not see. */
uint32_t kg_linux_features(void);

#endif
