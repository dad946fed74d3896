/* What trainings keep until the end of the run; k->trained points to it. */
#ifndef KGPT_APP_TRAINING_STATE_H
#define KGPT_APP_TRAINING_STATE_H

#include "app/training/report/training_curve.h"
#include "app/training/report/training_log.h"
#include "training_weights.h"

struct kg_trained {
    struct kg_training_log log; /* of the last training */
    struct kg_training_curve curve;
    struct kg_engine_before before; /* the first training */
};

#endif
