/* The state of a run: main.c owns the object and passes it down. */
#ifndef KGPT_APP_KGPT_H
#define KGPT_APP_KGPT_H

#include "app/shell/input.h"
#include "app/shell/lineedit.h"
#include "kgpt/arena.h"
#include "kgpt/config.h"
#include "kgpt/generate.h"
#include "kgpt/model.h"
#include "kgpt/ops.h"
#include "kgpt/platform.h"
#include "kgpt/session.h"

/* Memory needs of the run, in bytes. */
struct kg_needs {
    uint64_t weights; /* part of the kernel: reported, not allocated */
    uint64_t kv;
    uint64_t scratch;
    uint64_t total; /* kv + scratch */
};

struct kg_trained; /* training/training_state.h */
struct kg_lm;      /* lm.h */

struct kgpt {
    const struct kg_platform_info *info;
    const char *prompt; /* config.prompt, or the prompt of a boot module */
    struct kg_arena arena;
    uint64_t status_shown;      /* plat_ticks() of the last update of the status line (statusline.h) */
    bool failed;                /* the model computed NaN or infinity: exit with KG_EXIT_FAILED */
    uint32_t workers;           /* processors that plat_parallel uses; 0: not started yet (cpus.h) */
    struct kg_lm *lm;           /* language models; NULL in a microgpt's kernel */
    struct kg_trained *trained; /* from the arena; NULL before the first training */

    /* Large members last: the code that reaches the others is shorter. */
    struct kg_config config;
    struct kg_ops ops;
    struct kg_session session;
    struct kg_generator generator;
    struct kg_model model;
    struct kg_needs needs;
    struct kg_input input;
    uint32_t keyboard_changes; /* that were told (app/shell/devices.c) */
    struct kg_lineedit edit;
};

#endif
