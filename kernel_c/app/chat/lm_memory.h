/* The memory of this machine, for the commands and settings that use it (docs/memory.md). */
#ifndef KGPT_APP_LM_MEMORY_H
#define KGPT_APP_LM_MEMORY_H

#include "app/lm.h"

#include "kgpt/store.h"

/* Opens the store, in memory of the arena. It is opened for each use, because its disk may be unplugged between two. */
enum kg_status kg_lm_memory_open(struct kgpt *k, struct kg_store **store, struct kg_error *error);

#endif
