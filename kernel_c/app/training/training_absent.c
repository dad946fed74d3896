/* Linked in place of the other files of this room into kernels without training, which stay small. */
#include "training.h"

const bool kg_can_train = false;

static enum kg_status refuse_training(struct kg_error *error)
{
    kg_error_set(error, KG_E_INPUT, "this kernel was built without training");
    kg_error_hint(error, "build it with kgpt build --train, or use kgpt train");
    return KG_E_INPUT;
}

enum kg_status kg_training_run(struct kgpt *k, struct kg_training_end *end, struct kg_error *error)
{
    (void)k;
    (void)end;
    return refuse_training(error);
}

enum kg_status kg_training_losses(const struct kgpt *k, struct kg_error *error)
{
    (void)k;
    return refuse_training(error);
}

enum kg_status kg_training_loss(struct kgpt *k, const char *text, double *loss, uint32_t *n, struct kg_error *error)
{
    (void)k;
    (void)text;
    (void)loss;
    (void)n;
    return refuse_training(error);
}
