/* What a training says of its steps and validations: to the machine channel, the console, the log and the curve. */
#ifndef KGPT_APP_TRAINING_REPORT_H
#define KGPT_APP_TRAINING_REPORT_H

#include "app/kgpt.h"
#include "training_curve.h"
#include "training_log.h"

struct kg_training_report {
    struct kgpt *k;
    struct kg_training_log *log;
    struct kg_training_curve *curve;
    uint64_t until; /* the last step of the run */
    uint32_t steps; /* of the whole training */
};

/* An empty log and curve, for steps `done` + 1 to `until`. */
void kg_training_report_begin(struct kg_training_report *report, uint64_t done);

/* Step number `step`, from 1. True: it was printed too, as some are. */
bool kg_training_report_step(struct kg_training_report *report, uint64_t step, double loss, double lr);
void kg_training_report_validation(struct kg_training_report *report, uint64_t step, double loss);

/* The loss of step number `step` is not finite; `kept`: weights from before were sent. */
enum kg_status kg_training_refuse_loss(uint64_t step, bool kept, struct kg_error *error);

enum kg_status kg_training_refuse_memory(uint64_t needed, uint64_t left, struct kg_error *error);

#endif
