/* The processors of the machine, started when something wants them. */
#ifndef KGPT_APP_CPUS_H
#define KGPT_APP_CPUS_H

#include "kgpt.h"

/* Starts as many as the command line says (all there are, if it does not), and tells how many work. Only the first
 * call of a run does something: k->workers is 0 until then. What the platform takes of k's arena stays taken. */
void kg_cpus_start(struct kgpt *k);

#endif
