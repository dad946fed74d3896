/* A generation as people and programs see it: samples on the console, events, and what it took. */
#ifndef KGPT_APP_GENERATION_H
#define KGPT_APP_GENERATION_H

#include "kgpt.h"

/* Runs what k->config asks for with `prompt`. KG_E_STOPPED after Ctrl-C; otherwise as kg_generate. */
enum kg_status kg_generation_run(struct kgpt *k, const char *prompt, struct kg_error *error);

/* The seed that was given, or one from the platform's entropy if that was asked for. */
uint64_t kg_resolve_seed(const struct kg_config *config);

/* Microseconds in `ticks`; 0 where the frequency is unknown. */
uint64_t kg_ticks_to_us(uint64_t ticks, uint64_t hz);

#endif
