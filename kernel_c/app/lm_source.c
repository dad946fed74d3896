/* Finds models where the kernel or the loader has put their files, and opens them. See lm.h. */
#include "lm.h"

#include "app/events/statusline.h"
#include "app/run/module.h"
#include "app/run/texts.h"

#include "kgpt/crc32.h"
#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/model_data.h"
#include "kgpt/str.h"

/* The bytes from `offset` on of the embedded model's blob. */
static const void *embedded(uint64_t offset)
{
    return (const uint8_t *)&kgpt_model + offset;
}

enum kg_status kg_lm_add_embedded(struct kgpt *k, struct kg_error *error)
{
    const struct kg_model_data *data = &kgpt_model;
    if (data->magic != KG_MODEL_MAGIC || data->version != KG_MODEL_VERSION) {
        return kg_error_set(error, KG_E_INPUT, "the embedded model's header is damaged");
    }
    if (!kg_streq(data->arch, "gguf")) {
        return KG_OK; /* a kernel without a model */
    }
    bool plain = k->config.cpumask == KG_ISA_C || kg_cpu_is_emulated(k->info->cpu->features);
    uint32_t features = plain ? 0 : k->info->cpu->features;
    uint32_t crc = kg_crc32_fast(embedded(sizeof *data), data->size - sizeof *data, features);
    if (crc != data->crc32) {
        kg_error_set(error, KG_E_INPUT, "the embedded model's check sum is %08x, expected %08x", crc, data->crc32);
        kg_error_hint(error, "the kernel is damaged: build or copy it again");
        return KG_E_INPUT;
    }
    k->lm->sources[k->lm->n_sources++] = (struct kg_lm_source){
        .place = "image",
        .data = embedded(data->weights_offset),
        .size = data->weights_size,
        .chat = data->vocab_size ? embedded(data->vocab_offset) : NULL,
        .chat_size = data->vocab_size,
        .prefill = data->prefill_size ? embedded(data->prefill_offset) : NULL,
        .prefill_size = data->prefill_size,
        .sha256 = data->sha256,
        .interleaved = (data->flags & KG_MODEL_INTERLEAVED) != 0,
    };
    return KG_OK;
}

/* Some loaders go on without a file that they could not read: `modules=` on the command line tells how many modules
 * there should be. */
static enum kg_status check_count(struct kgpt *k, struct kg_error *error)
{
    size_t n = k->info->n_files, wanted = k->config.lm.modules;
    if (n >= wanted) {
        return KG_OK;
    }
    kg_error_set(error, KG_E_INPUT, "%zu of %zu boot modules are missing: the loader brought %s%.80s%s", wanted - n,
                 wanted, n ? "\"" : "none", n ? k->info->files[0].name : "",
                 n == 0   ? ""
                 : n == 1 ? "\""
                          : "\", …");
    kg_error_hint(error, "the loader has said why; write the medium again, or give the machine more memory");
    return KG_E_INPUT;
}

/* The boot module with kind=draft. */
static enum kg_status add_draft(struct kg_lm *lm, const struct kg_file *file, struct kg_error *error)
{
    if (lm->draft_source.place) {
        kg_error_set(error, KG_E_INPUT, "\"%.80s\" is a second draft model", file->name);
        kg_error_hint(error, "give one");
        return KG_E_INPUT;
    }
    lm->draft_source = (struct kg_lm_source){.place = file->name, .data = file->data, .size = file->size, .file = file};
    return KG_OK;
}

/* Boot modules of language models, by the first bytes of the file. */
enum kind {
    KIND_MODEL,
    KIND_CHAT,
    KIND_PREFILL,
    KIND_OTHER,
};

static enum kind kind_of(const struct kg_file *file)
{
    static const char magic[KIND_OTHER][4] = {{'G', 'G', 'U', 'F'}, {'K', 'G', 'C', 'T'}, {'K', 'G', 'P', 'F'}};
    uint32_t kind = 0;
    while (kind < KIND_OTHER &&
           (file->size < sizeof magic[0] || memcmp(file->data, magic[kind], sizeof magic[0]) != 0)) {
        kind++;
    }
    return (enum kind)kind;
}

const struct kg_file *kg_lm_first_module(const struct kg_platform_info *info)
{
    for (size_t i = 0; i < info->n_files; i++) {
        const struct kg_file *file = &info->files[i];
        if (kind_of(file) == KIND_MODEL && !kg_file_is(file, "draft")) {
            return file;
        }
    }
    return NULL;
}

static enum kg_status add_model(struct kg_lm *lm, const struct kg_file *file, struct kg_error *error)
{
    if (lm->n_sources == KG_MAX_MODELS) {
        return kg_error_set(error, KG_E_INPUT, "there are more than %d models", KG_MAX_MODELS);
    }
    lm->sources[lm->n_sources++] =
        (struct kg_lm_source){.place = file->name, .data = file->data, .size = file->size, .file = file};
    return KG_OK;
}

/* The model that the file belongs to, which came with the module `before` it; NULL: there is none. */
static struct kg_lm_source *owner_of(struct kg_lm *lm, const struct kg_file *before)
{
    struct kg_lm_source *last = lm->n_sources ? &lm->sources[lm->n_sources - 1] : NULL;
    return before && last && (last->file == before || last->chat_file == before) ? last : NULL;
}

static enum kg_status add_module(struct kg_lm *lm, const struct kg_file *file, const struct kg_file *before,
                                 struct kg_error *error)
{
    enum kind kind = kind_of(file);
    struct kg_lm_source *owner = owner_of(lm, before);
    if (kind == KIND_MODEL) {
        return add_model(lm, file, error);
    }
    if (kind == KIND_CHAT && owner && owner->file == before) {
        owner->chat = file->data;
        owner->chat_size = file->size;
        owner->chat_file = file;
        return KG_OK;
    }
    if (kind == KIND_PREFILL && owner) {
        owner->prefill = file->data;
        owner->prefill_size = file->size;
        owner->prefill_file = file;
        return KG_OK;
    }
    kg_error_set(error, KG_E_INPUT,
                 kind == KIND_CHAT      ? "the chat template \"%.80s\" came without its model"
                 : kind == KIND_PREFILL ? "the prefill \"%.80s\" came without its model"
                                        : "the boot module \"%.80s\" is no GGUF file",
                 file->name);
    kg_error_hint(error, "give models as modules, each followed by its chat template and its prefill if it has them");
    return KG_E_INPUT;
}

enum kg_status kg_lm_add_modules(struct kgpt *k, struct kg_error *error)
{
    const struct kg_file *files = k->info->files, *before = NULL;
    enum kg_status status = check_count(k, error);
    for (size_t i = 0; i < k->info->n_files && status == KG_OK; i++) {
        bool draft = kg_file_is(&files[i], "draft");
        if (draft) {
            status = add_draft(k->lm, &files[i], error);
        } else if (!kg_lm_is_text(&files[i])) {
            status = add_module(k->lm, &files[i], before, error);
        }
        before = draft || kg_lm_is_text(&files[i]) ? NULL : &files[i];
    }
    return status;
}

/* A model that is being opened. */
struct opening {
    struct kgpt *k;
    const struct kg_lm_source *source;
    bool interleaves;
};

/* `done` bytes of the model have been hashed or interleaved. On a terminal, a notice is erased by the next output. */
static void show_opening(void *context, uint64_t done)
{
    struct opening *opening = context;
    struct kgpt *k = opening->k;
    uint64_t percent = done * 100 / opening->source->size;
    const char *doing = opening->interleaves ? "arranging" : "hashing";
    char text[64];
    if (kg_statusline_due(k)) {
        plat_notice(text, kg_format(text, sizeof text, "%s the weights: %lu %%", doing, (unsigned long)percent));
        kg_statusline(k, "%s %.24s, %lu %%", doing, kg_module_base(opening->source->place), (unsigned long)percent);
    }
}

static void show_hashing(void *context, size_t done)
{
    show_opening(context, done);
}

/* The SHA-256 of a module whose words do not state it: a prefill is compared with it, and Modbus tells it. */
static void hash_module(struct kgpt *k, struct kg_lm_source *source)
{
    uint32_t features = k->config.cpumask == KG_ISA_C ? 0 : k->info->cpu->features;
    struct opening opening = {.k = k, .source = source};
    kg_sha256_telling(source->file->data, source->file->size, features, source->digest, show_hashing, &opening);
    source->sha256 = source->digest;
}

/* Compares a module, its template and its prefill with their digests, once: opening a model changes the layout of its
 * file. */
static enum kg_status check_source(struct kgpt *k, struct kg_lm_source *source, struct kg_error *error)
{
    uint8_t digest[KG_SHA256_SIZE];
    bool known = false;
    enum kg_status status = KG_OK;
    if (source->file) {
        status = kg_module_check(k, source->file, source->digest, &known, error);
        source->sha256 = known ? source->digest : NULL;
        bool told = k->config.mode == KG_MODE_SERVE && k->config.lm.modbus;
        if (status == KG_OK && !known && (source->prefill || k->config.mode == KG_MODE_PREFILL || told)) {
            hash_module(k, source);
        }
    }
    if (status == KG_OK && source->chat_file) {
        status = kg_module_check(k, source->chat_file, digest, &known, error);
    }
    if (status == KG_OK && source->prefill_file) {
        status = kg_module_check(k, source->prefill_file, digest, &known, error);
    }
    if (status == KG_OK) {
        source->file = source->chat_file = source->prefill_file = NULL;
    }
    return status;
}

enum kg_status kg_lm_open_source(struct kgpt *k, struct kg_lm_source *source, struct kg_lm_loaded *loaded,
                                 struct kg_error *error)
{
    struct opening opening = {k, source, true};
    enum kg_status status = check_source(k, source, error);
    loaded->interleaving = show_opening;
    loaded->context = &opening;
    if (status == KG_OK) {
        kg_statusline(k, "opening %.24s", kg_module_base(source->place));
        status = kg_lm_load(loaded, source->data, source->size, source->interleaved, &k->arena, error);
    }
    loaded->interleaving = NULL; /* `opening` ends with this function */
    loaded->gguf.interleaving = NULL;
    if (status != KG_OK) {
        return status;
    }
    source->interleaved = true; /* kg_lm_load interleaves files that are not */
    return kg_lm_load_chat(loaded, source->chat, source->chat_size, error);
}
