/* The losses of the last training of a run, in a few lines: what the shell's `loss` shows. */
#ifndef KGPT_APP_TRAINING_LOG_H
#define KGPT_APP_TRAINING_LOG_H

#include <stdbool.h>
#include <stdint.h>

#define KG_LOG_LINES 20 /* of a whole training */

void kg_training_log_begin(void);
void kg_training_log_step(uint64_t step, double loss);
void kg_training_log_line(void); /* the steps since the last call are one line */
void kg_training_log_validation(uint64_t step, double loss);
bool kg_training_log_print(void); /* false: there was no step */

#endif
