/* Memory for models that come and go while the kernel runs, from disks or from servers. Each has a region at the end of
 * the arena, which becomes so much shorter. A region that is given back is used again, or the arena becomes longer. */
#ifndef KGPT_APP_LM_REGION_H
#define KGPT_APP_LM_REGION_H

#include "app/lm.h"

/* Brings a model, and its chat template (`chat_size` 0: it has none), into memory. */
struct kg_lm_bringer {
    void *context;
    const char *name; /* "/models/x.gguf" */
    uint64_t size, chat_size;
    enum kg_status (*read_model)(void *context, struct kg_lm_source *source, uint8_t *to, struct kg_error *error);
    enum kg_status (*read_chat)(void *context, uint8_t *to, struct kg_error *error);
};

/* Makes room, reads, checks, and opens the model once: a file that cannot be used is refused now. It becomes the last
 * model. Nothing changes if that fails. */
enum kg_status kg_lm_bring(struct kgpt *k, const struct kg_lm_bringer *bringer, struct kg_error *error);
enum kg_status kg_lm_may_bring(const struct kgpt *k, struct kg_error *error); /* false: there are too many models */

/* Compares source->digest with what "the disk" or "the server" states (NULL: nothing), and says so. */
enum kg_status kg_lm_check_hash(const struct kg_lm_source *source, const uint8_t *stated, const char *by,
                                struct kg_error *error);

#endif
