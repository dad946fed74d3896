/* Sends events on the machine channel: see events.h. */
#include "events.h"

#include "app/cmdline/words.h"

#include "kgpt/crc32.h"

void kg_event_emit(const char *row, bool all, const void *values)
{
    if (plat_has_events()) {
        kg_event_write(plat_event, row, all, values);
    }
}

/* Bytes of the command line that are told: those before an API key, if it has one, and at most as many as a command
 * line may have. A longer one is refused later. */
static size_t told_cmdline(const char *cmdline)
{
    size_t n = kg_strlen(cmdline);
    static const char *const keys[] = {"key=", "\"key="}; /* GRUB quotes words with spaces */
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *key = kg_word_value(cmdline, keys[i]);
        n = key && (size_t)(key - cmdline) < n ? (size_t)(key - cmdline) : n;
    }
    return n < KG_CMDLINE_MAX ? n : KG_CMDLINE_MAX;
}

void kg_event_boot(struct kgpt *k)
{
    const struct kg_platform_info *info = k->info;
    KG_EMIT(boot, .version = kgpt_version, .platform = info->platform, .loader = info->loader,
            .cmdline = {info->cmdline, told_cmdline(info->cmdline)}, .memory = info->memory_total,
            .serial = info->serial != NULL, .screen = info->has_screen, .display = info->screen_mode,
            .keyboard = info->has_keyboard);
}

void kg_event_cpu(struct kgpt *k)
{
    const struct kg_cpu *cpu = k->info->cpu;
    const char *features[KG_CPU_N_FEATURES];
    size_t n = 0;
    for (uint32_t i = 0; i < KG_CPU_N_FEATURES; i++) {
        if (cpu->features >> i & 1) {
            features[n++] = kg_cpu_feature_names[i];
        }
    }
    KG_EMIT(cpu, .vendor = cpu->vendor, .brand = cpu->brand, .features = {features, n}, .xcr0 = cpu->xcr0,
            .isa = kg_isa_names[k->ops.isa]);
}

void kg_event_model(struct kgpt *k)
{
    const struct kg_model *m = &k->model;
    KG_EMIT(model, .name = m->data->name, .arch = m->data->arch, .sha256 = {m->data->sha256, sizeof m->data->sha256},
            .n_vocab = m->n_vocab, .n_ctx = m->n_ctx, .n_embd = m->n_embd, .n_layer = m->n_layer, .n_head = m->n_head,
            .n_head_kv = m->n_head_kv, .n_ff = m->n_ff, .parameters = m->n_parameters);
}

void kg_event_memory(struct kgpt *k)
{
    KG_EMIT(memory, .weights = k->needs.weights, .kv = k->needs.kv, .scratch = k->needs.scratch,
            .needed = k->needs.total, .arena = k->arena.size, .outside = plat_outside().size);
}

void kg_event_config(struct kgpt *k, const char *prompt, uint32_t samples, const struct kg_request *request)
{
    const struct kg_event_config event = {
        .mode = kg_mode_names[k->config.mode],
        .prompt = {prompt, kg_strlen(prompt)},
        .samples = samples,
        .max_tokens = request->max_tokens,
        .seed = request->seed,
#define KG_SAMPLING(name, kind, values, where, otherwise, unit, help, words) .name = request->sampling.name,
#include "kgpt/options.def"
    };
    kg_event_emit(kg_event_row_config, false, &event);
}

void kg_event_token(void *context, const struct kg_reply *reply, const struct kg_token *token)
{
    (void)context;
    (void)reply;
    KG_EMIT(token, .sample = token->sample, .pos = token->pos, .id = token->id, .text = {token->text, token->n});
}

void kg_event_logits(void *context, const struct kg_reply *reply, uint32_t token)
{
    const struct kg_past *past = &reply->past;
    (void)context;
    KG_EMIT(logits, .sample = reply->request->index, .pos = past->n - 1, .id = token,
            .f32 = {past->logits, past->n_vocab});
}

void kg_event_sample(void *context, const struct kg_reply *reply)
{
    const struct kg_document document = kg_reply_document(reply);
    (void)context;
    kg_event_document(&document);
}

void kg_event_document(const struct kg_document *document)
{
    KG_EMIT(sample, .index = document->index, .text = {document->text, document->n}, .tokens = document->tokens,
            .reason = kg_reason_names[document->reason]);
}

void kg_event_stats(struct kgpt *k, const struct kg_stats *stats)
{
    KG_EMIT(stats, .samples = stats->totals.samples, .prompt_tokens = stats->totals.prompt_tokens,
            .tokens = stats->totals.tokens, .ticks = stats->ticks, .ticks_hz = stats->ticks_hz, .clock = plat_clock(),
            .us = stats->us, .first_token_ticks = stats->first_token_ticks, .used = k->arena.used);
}

void kg_event_error(const struct kg_error *error)
{
    KG_EMIT(error, .message = error->message, .hint = error->hint);
}

void kg_event_blob(const char *name, uint64_t step, double loss, const void *bytes, uint64_t size)
{
    KG_EMIT(blob, .name = name, .step = step, .loss = loss, .length = size, .crc32 = kg_crc32(bytes, size));
    plat_event(bytes, size);
}

void kg_event_exit(enum kg_exit code, const char *reason)
{
    KG_EMIT(exit, .code = code, .reason = reason);
}
