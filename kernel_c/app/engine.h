/* The interface of the engine to the application: app/micro*.c for a microgpt, app/lm*.c for language models from
 * GGUF files. kernel.mk links one of them (LM=0|1). */
#ifndef KGPT_APP_ENGINE_H
#define KGPT_APP_ENGINE_H

#include "app/shell/commands.h"
#include "kgpt.h"

/* Opens the model, reports its memory needs, and allocates them. */
enum kg_status kg_engine_set_up(struct kgpt *k, struct kg_error *error);

/* Runs k->config.mode, one of this engine's modes. Returns the exit code. */
enum kg_exit kg_engine_run(struct kgpt *k);

/* The name, or the file, of the model that kg_engine_set_up opens first; "" without one. */
const char *kg_engine_first_model(const struct kgpt *k);

/* The name of the model in use. */
const char *kg_engine_model_name(const struct kgpt *k);

/* The text of a token, `n` bytes, which last until the next call. */
const char *kg_engine_piece(struct kgpt *k, uint32_t token, size_t *n);

/* explain/: how the model reads a text, on the console (docs/explain-trace.md). KG_E_STOPPED after Ctrl-C. */
enum kg_status kg_engine_explain(struct kgpt *k, const char *text, struct kg_error *error);

/* Called before a line of the shell is obeyed. */
void kg_engine_obeys(struct kgpt *k);

/* Called after `set` has changed k->config. */
void kg_engine_changed(struct kgpt *k);

/* The engine's shell commands, ended by an entry without a name. */
extern const struct kg_command kg_engine_commands[];

#endif
