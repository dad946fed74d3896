/* Shell commands for a microgpt: see engine.h. */
#include "app/engine.h"
#include "app/events/print.h"
#include "app/events/report.h"
#include "app/run/bench.h"
#include "app/run/generation.h"
#include "app/training/training.h"

static enum kg_next run_micro_generate(struct kgpt *k, char *arguments)
{
    struct kg_error error;
    enum kg_status status = kg_generation_run(k, *arguments ? arguments : k->prompt, &error);
    if (status != KG_OK && status != KG_E_STOPPED) {
        kg_say_refused(&error);
    }
    return KG_NEXT_LINE;
}

static enum kg_next run_micro_model(struct kgpt *k, char *arguments)
{
    (void)arguments;
    kg_describe_model(k);
    return KG_NEXT_LINE;
}

static enum kg_next run_micro_bench(struct kgpt *k, char *arguments)
{
    (void)arguments;
    kg_bench_run(k);
    return KG_NEXT_LINE;
}

/* The settings apply to this training only: the next one starts from the settings at boot. */
static enum kg_next run_micro_train(struct kgpt *k, char *arguments)
{
    struct kg_error error;
    struct kg_training_end end;
    struct kg_config config = k->config;
    enum kg_status status = kg_config_train_words(&k->config, arguments, &error);
    if (status == KG_OK) {
        status = kg_training_run(k, &end, &error);
    }
    if (status != KG_OK) {
        kg_say_refused(&error);
    }
    k->config = config;
    return KG_NEXT_LINE;
}

static enum kg_next run_loss(struct kgpt *k, char *arguments)
{
    struct kg_error error;
    double loss;
    uint32_t n;
    enum kg_status status =
        *arguments ? kg_training_loss(k, arguments, &loss, &n, &error) : kg_training_losses(k, &error);
    if (status != KG_OK) {
        kg_say_refused(&error);
    } else if (*arguments) {
        kg_print("loss %.4f, the mean over %u token%s\n", loss, n, kg_plural(n));
    }
    return KG_NEXT_LINE;
}

static bool can_train(const struct kgpt *k)
{
    (void)k;
    return kg_can_train;
}

const struct kg_command kg_engine_commands[] = {
    {"generate", "[prompt]", "generate samples that begin with the prompt; Ctrl-C stops", run_micro_generate, NULL,
     KG_SHELL},
    {"train", "[key=value]", "train on the corpus, with settings as on the command line; Ctrl-C stops", run_micro_train,
     can_train, KG_SHELL},
    {"loss", "[text]", "the losses of the training, or the model's loss on a text", run_loss, can_train, KG_SHELL},
    {"model", "", "the embedded model: its sizes and its vocabulary", run_micro_model, NULL, KG_SHELL},
    {"bench", "", "measure the speed of generation", run_micro_bench, NULL, KG_SHELL},
    {0},
};
