/* What the application asks of the engine that an image holds: app/micro*.c for microgpt, app/lm*.c for language models from GGUF
 * files. kernel.mk links one of them (LM=0|1). */
#ifndef KGPT_APP_ENGINE_H
#define KGPT_APP_ENGINE_H

#include "app/shell/commands.h"
#include "kgpt.h"

/* What this engine presumes where the command line says nothing, on top of kg_config_defaults. */
void kg_engine_defaults(struct kg_config *config);

/* Opens the model, says what it needs, and takes it from the arena. */
enum kg_status kg_engine_set_up(struct kgpt *k, struct kg_error *error);

/* Does what k->config.mode says, if that is this engine's business, and returns the verdict. */
enum kg_exit kg_engine_run(struct kgpt *k);

/* The name of the model in use. */
const char *kg_engine_model_name(const struct kgpt *k);

/* Told after `set` has changed k->config. */
void kg_engine_changed(struct kgpt *k);

/* Its commands in the shell; one without a name behind the last. */
extern const struct kg_command kg_engine_commands[];

#endif
