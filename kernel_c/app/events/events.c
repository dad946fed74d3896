/* The machine channel: see events.h and docs/events.md. */
#include "events.h"

#include "kgpt/crc32.h"
#include "kgpt/json.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"

uint64_t kg_event_line_size(const struct kg_model *model)
{
    uint64_t logits = 8 * (uint64_t)model->n_vocab;
    uint64_t text = kg_json_escaped((size_t)model->n_ctx * model->tokenizer.longest);
    uint64_t longest = logits > text ? logits : text;
    return longest + KG_EVENT_LINE_MIN;
}

bool kg_event_begin(struct kgpt *k, struct kg_json *json, const char *event)
{
    if (!k->line || !plat_has_events()) {
        return false;
    }
    kg_json_begin(json, k->line, k->line_size, event);
    return true;
}

void kg_event_send(struct kgpt *k, struct kg_json *json)
{
    size_t n = kg_json_end(json);
    if (n == 0) {
        plat_panic("an event does not fit its line");
    }
    plat_event(k->line, n);
}

void kg_event_boot(struct kgpt *k)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "boot")) {
        return;
    }
    kg_json_text(&json, "version", kgpt_version);
    kg_json_text(&json, "platform", k->info->platform);
    kg_json_text(&json, "loader", k->info->loader);
    size_t n = kg_strlen(k->info->cmdline); /* one that is longer than possible is refused, but told first */
    kg_json_text_n(&json, "cmdline", k->info->cmdline, n < KG_CMDLINE_MAX ? n : KG_CMDLINE_MAX);
    kg_json_u64(&json, "memory", k->info->memory_total);
    kg_json_bool(&json, "serial", k->info->has_serial);
    kg_json_bool(&json, "screen", k->info->has_screen);
    kg_json_text(&json, "display", k->info->screen_mode);
    kg_json_bool(&json, "keyboard", k->info->has_keyboard);
    kg_event_send(k, &json);
}

void kg_event_cpu(struct kgpt *k)
{
    struct kg_json json;
    const struct kg_cpu *cpu = k->info->cpu;
    if (!kg_event_begin(k, &json, "cpu")) {
        return;
    }
    kg_json_text(&json, "vendor", cpu->vendor);
    kg_json_text(&json, "brand", cpu->brand);
    kg_json_list_begin(&json, "features");
    for (uint32_t i = 0; i < KG_CPU_N_FEATURES; i++) {
        if (cpu->features >> i & 1) {
            kg_json_text(&json, NULL, kg_cpu_feature_names[i]);
        }
    }
    kg_json_list_end(&json);
    kg_json_u64(&json, "xcr0", cpu->xcr0);
    kg_json_text(&json, "isa", kg_isa_names[k->ops.isa]);
    kg_event_send(k, &json);
}

void kg_event_cpus(struct kgpt *k, const struct kg_cpus *cpus)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "cpus")) {
        return;
    }
    kg_json_u64(&json, "found", cpus->found);
    kg_json_u64(&json, "started", cpus->started);
    kg_json_text(&json, "by", cpus->by);
    kg_json_text(&json, "note", cpus->note);
    kg_event_send(k, &json);
}

void kg_event_model(struct kgpt *k)
{
    struct kg_json json;
    const struct kg_model *m = &k->model;
    if (!kg_event_begin(k, &json, "model")) {
        return;
    }
    kg_json_text(&json, "name", m->data->name);
    kg_json_text(&json, "arch", m->data->arch);
    kg_json_hex(&json, "sha256", m->data->sha256, sizeof m->data->sha256);
    kg_json_u64(&json, "n_vocab", m->n_vocab);
    kg_json_u64(&json, "n_ctx", m->n_ctx);
    kg_json_u64(&json, "n_embd", m->n_embd);
    kg_json_u64(&json, "n_layer", m->n_layer);
    kg_json_u64(&json, "n_head", m->n_head);
    kg_json_u64(&json, "n_head_kv", m->n_head_kv);
    kg_json_u64(&json, "n_ff", m->n_ff);
    kg_json_u64(&json, "parameters", m->n_parameters);
    kg_event_send(k, &json);
}

void kg_event_memory(struct kgpt *k)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "memory")) {
        return;
    }
    kg_json_u64(&json, "weights", k->needs.weights);
    kg_json_u64(&json, "kv", k->needs.kv);
    kg_json_u64(&json, "scratch", k->needs.scratch);
    kg_json_u64(&json, "needed", k->needs.total);
    kg_json_u64(&json, "arena", k->arena.size);
    kg_event_send(k, &json);
}

void kg_event_ready(struct kgpt *k, uint64_t ticks)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "ready")) {
        return;
    }
    kg_json_u64(&json, "ticks", ticks);
    kg_event_send(k, &json);
}

void kg_event_config(struct kgpt *k, const struct kg_request *request)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "config")) {
        return;
    }
    kg_json_text(&json, "mode", kg_mode_names[k->config.mode]);
    kg_json_text(&json, "prompt", request->prompt);
    kg_json_u64(&json, "samples", request->samples);
    kg_json_u64(&json, "max_tokens", request->max_tokens);
    kg_json_u64(&json, "seed", request->seed);
    kg_json_decimal(&json, "temperature", request->sampling.temperature);
    kg_json_u64(&json, "top_k", request->sampling.top_k);
    kg_json_decimal(&json, "top_p", request->sampling.top_p);
    kg_json_decimal(&json, "min_p", request->sampling.min_p);
    kg_event_send(k, &json);
}

void kg_event_token(struct kgpt *k, const struct kg_token *token)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "token")) {
        return;
    }
    kg_json_u64(&json, "sample", token->sample);
    kg_json_u64(&json, "pos", token->pos);
    kg_json_u64(&json, "id", token->id);
    kg_json_text_n(&json, "text", token->text, token->n);
    kg_event_send(k, &json);
}

void kg_event_logits(struct kgpt *k, uint32_t sample, uint32_t pos, uint32_t token, const float *logits,
                     uint32_t n_vocab)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "logits")) {
        return;
    }
    kg_json_u64(&json, "sample", sample);
    kg_json_u64(&json, "pos", pos);
    kg_json_u64(&json, "id", token);
    kg_json_hex(&json, "f32", logits, n_vocab * sizeof(float));
    kg_event_send(k, &json);
}

void kg_event_sample(struct kgpt *k, const struct kg_document *document)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "sample")) {
        return;
    }
    kg_json_u64(&json, "index", document->index);
    kg_json_text_n(&json, "text", document->text, document->n);
    kg_json_u64(&json, "tokens", document->tokens);
    kg_json_text(&json, "reason", kg_reason_names[document->reason]);
    kg_event_send(k, &json);
}

void kg_event_stats(struct kgpt *k, const struct kg_stats *stats)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "stats")) {
        return;
    }
    kg_json_u64(&json, "samples", stats->totals.samples);
    kg_json_u64(&json, "prompt_tokens", stats->totals.prompt_tokens);
    kg_json_u64(&json, "tokens", stats->totals.tokens);
    kg_json_u64(&json, "ticks", stats->ticks);
    kg_json_u64(&json, "ticks_hz", stats->ticks_hz);
    kg_json_text(&json, "clock", plat_clock());
    kg_json_u64(&json, "us", stats->us);
    kg_json_u64(&json, "first_token_ticks", stats->first_token_ticks);
    kg_json_u64(&json, "used", k->arena.used);
    kg_event_send(k, &json);
}

void kg_event_shell(struct kgpt *k, const char *prompt)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "shell")) {
        return;
    }
    kg_json_text(&json, "prompt", prompt);
    kg_event_send(k, &json);
}

void kg_event_test(struct kgpt *k, const char *name, bool ok, const char *message)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "test")) {
        return;
    }
    kg_json_text(&json, "name", name);
    kg_json_bool(&json, "ok", ok);
    kg_json_text(&json, "message", message);
    kg_event_send(k, &json);
}

void kg_event_tests(struct kgpt *k, uint32_t passed, uint32_t failed)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "tests")) {
        return;
    }
    kg_json_u64(&json, "passed", passed);
    kg_json_u64(&json, "failed", failed);
    kg_event_send(k, &json);
}

void kg_event_error(struct kgpt *k, const struct kg_error *error)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "error")) {
        return;
    }
    kg_json_text(&json, "message", error->message);
    kg_json_text(&json, "hint", error->hint);
    kg_event_send(k, &json);
}

void kg_event_corpus(struct kgpt *k, const struct kg_corpus *corpus, uint32_t train, uint32_t validation)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "corpus")) {
        return;
    }
    kg_json_u64(&json, "documents", corpus->n_documents);
    kg_json_u64(&json, "characters", corpus->n_tokens);
    kg_json_u64(&json, "n_vocab", corpus->n_vocab);
    kg_json_u64(&json, "train", train);
    kg_json_u64(&json, "validation", validation);
    kg_event_send(k, &json);
}

void kg_event_training(struct kgpt *k, const char *method, uint32_t batch, const struct kg_shape *shape, uint64_t seed,
                       uint64_t first_step)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "training")) {
        return;
    }
    kg_json_text(&json, "method", method);
    kg_json_u64(&json, "steps", k->config.train.adam.steps);
    kg_json_u64(&json, "batch", batch);
    kg_json_u64(&json, "n_layer", shape->n_layer);
    kg_json_u64(&json, "n_embd", shape->n_embd);
    kg_json_u64(&json, "n_head", shape->n_head);
    kg_json_u64(&json, "block_size", shape->n_ctx);
    kg_json_u64(&json, "parameters", kg_layout_of(shape).n_parameters);
    kg_json_u64(&json, "seed", seed);
    kg_json_u64(&json, "first_step", first_step);
    kg_event_send(k, &json);
}

/* A loss as people read it, and bit by bit. */
static void put_loss(struct kg_json *json, double loss)
{
    uint64_t bits;
    memcpy(&bits, &loss, sizeof bits);
    kg_json_double(json, "loss", loss);
    kg_json_address(json, "loss_bits", bits);
}

void kg_event_step(struct kgpt *k, uint64_t step, double loss, double lr)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "step")) {
        return;
    }
    kg_json_u64(&json, "step", step);
    put_loss(&json, loss);
    kg_json_double(&json, "lr", lr);
    kg_event_send(k, &json);
}

void kg_event_preview(struct kgpt *k, uint64_t step, const struct kg_document *document)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "preview")) {
        return;
    }
    kg_json_u64(&json, "step", step);
    kg_json_text_n(&json, "text", document->text, document->n);
    kg_event_send(k, &json);
}

void kg_event_eval(struct kgpt *k, uint64_t step, double loss)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "eval")) {
        return;
    }
    kg_json_u64(&json, "step", step);
    kg_json_double(&json, "loss", loss);
    kg_event_send(k, &json);
}

void kg_event_blob(struct kgpt *k, const char *name, uint64_t step, double loss, const void *bytes, uint64_t size)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "blob")) {
        return;
    }
    kg_json_text(&json, "name", name);
    kg_json_u64(&json, "step", step);
    kg_json_double(&json, "loss", loss);
    kg_json_u64(&json, "length", size);
    kg_json_u64(&json, "crc32", kg_crc32(bytes, size));
    kg_event_send(k, &json);
    plat_event(bytes, size);
}

void kg_event_exit(struct kgpt *k, enum kg_exit code, const char *reason)
{
    struct kg_json json;
    if (!kg_event_begin(k, &json, "exit")) {
        return;
    }
    kg_json_u64(&json, "code", code);
    kg_json_text(&json, "reason", reason);
    kg_event_send(k, &json);
}
