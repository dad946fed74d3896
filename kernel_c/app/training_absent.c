/* What stands in for training.c in an image that was linked without training, to stay small. */
#include "training.h"

enum kg_status kg_training_run(struct kgpt *k, struct kg_training_end *end, struct kg_error *error)
{
    (void)k;
    (void)end;
    kg_error_set(error, KG_E_INPUT, "mode=train: this image was built without training");
    kg_error_hint(error, "build it with kgpt build --train, or use kgpt train");
    return KG_E_INPUT;
}
