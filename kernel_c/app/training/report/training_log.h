/* The losses of the last training in a few lines, for the shell's command `loss`. */
#ifndef KGPT_APP_TRAINING_LOG_H
#define KGPT_APP_TRAINING_LOG_H

#include <stdbool.h>
#include <stdint.h>

#define KG_LOG_LINES 20 /* of a whole training */

struct kg_log_line {
    uint64_t step;
    uint32_t steps;
    double sum; /* of the losses of `steps` steps, the last of which is `step` */
    double validation;
    bool has_validation; /* after `step`, or between it and the next line */
};

struct kg_training_log {
    struct kg_log_line lines[KG_LOG_LINES + 2]; /* the last one is being filled */
    uint32_t n;
};

void kg_training_log_begin(struct kg_training_log *log);
void kg_training_log_step(struct kg_training_log *log, uint64_t step, double loss);
void kg_training_log_line(struct kg_training_log *log); /* the steps since the last call are one line */
void kg_training_log_validation(struct kg_training_log *log, uint64_t step, double loss);
bool kg_training_log_print(const struct kg_training_log *log); /* false: there was no step */

#endif
