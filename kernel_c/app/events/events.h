/* Sends events on the machine channel (docs/events.md). */
#ifndef KGPT_APP_EVENTS_H
#define KGPT_APP_EVENTS_H

#include "app/kgpt.h"
#include "kgpt/event.h"

struct kg_stats {
    struct kg_totals totals;
    uint64_t ticks, ticks_hz, us, first_token_ticks;
};

/* Sends an event of kgpt/events.def if the machine channel has a reader. */
void kg_event_emit(const char *row, bool all, const void *values);

/* KG_EMIT(ready, .ticks = 5) sends an event where it happens; keys that are not named are 0 or empty. KG_EMIT_LM also
 * sends the keys that only kernels for language models send. */
#define KG_EMIT(name, ...) kg_event_emit(kg_event_row_##name, false, &(const struct kg_event_##name){__VA_ARGS__})
#define KG_EMIT_LM(name, ...) kg_event_emit(kg_event_row_##name, true, &(const struct kg_event_##name){__VA_ARGS__})

/* Events that are sent from several places, or whose keys are collected from several objects. */
void kg_event_boot(struct kgpt *k);
void kg_event_cpu(struct kgpt *k);
void kg_event_model(struct kgpt *k);
void kg_event_memory(struct kgpt *k);
void kg_event_config(struct kgpt *k, const char *prompt, uint32_t samples, const struct kg_request *request);
void kg_event_stats(struct kgpt *k, const struct kg_stats *stats);
void kg_event_error(const struct kg_error *error);
void kg_event_document(const struct kg_document *document); /* the event `sample` */
/* The event, then the bytes themselves. */
void kg_event_blob(const char *name, uint64_t step, double loss, const void *bytes, uint64_t size);
void kg_event_exit(enum kg_exit code, const char *reason);

/* Functions of a sink (kgpt/sink.h), whatever its context. */
void kg_event_token(void *context, const struct kg_reply *reply, const struct kg_token *token);
void kg_event_logits(void *context, const struct kg_reply *reply, uint32_t token);
void kg_event_sample(void *context, const struct kg_reply *reply);

#endif
