/* Starts the other processors on demand. */
#ifndef KGPT_APP_CPUS_H
#define KGPT_APP_CPUS_H

#include "app/kgpt.h"

/* Starts as many processors as the command line says (default: all) and reports them. Only the first call of a run
 * has an effect; k->workers is 0 before it. Memory from k's arena stays allocated. */
void kg_cpus_start(struct kgpt *k);

#endif
