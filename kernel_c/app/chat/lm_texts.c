/* Texts that came as boot modules, for a language model: the memory that they need, and /read. */
#include "app/lm.h"

#include "app/events/print.h"
#include "app/run/module.h"
#include "app/run/texts.h"

#include "kgpt/mem.h"
#include "kgpt/str.h"

#define LONG_TEXT 2048 /* bytes: a shorter text always fits the default context */

bool kg_lm_is_text(const struct kg_file *file)
{
    return kg_file_is(file, "prompt") || kg_file_is(file, "system") || kg_file_is(file, "file") ||
           kg_file_is(file, "grammar") || kg_file_is(file, "key");
}

/* The largest file for /read, in bytes. */
static size_t largest_file(const struct kgpt *k)
{
    size_t most = 0;
    for (size_t i = 0; i < k->info->n_files; i++) {
        const struct kg_file *file = &k->info->files[i];
        most = kg_file_is(file, "file") && file->size > most ? file->size : most;
    }
    return most;
}

static size_t system_size(const struct kgpt *k)
{
    const struct kg_lm_config *config = &k->config.lm;
    const char *text = config->long_system ? config->long_system : config->image_system;
    return text ? kg_strlen(text) : 0;
}

/* A message of a file and a question. */
static char *carve_message(size_t file_n, size_t question_n, struct kg_arena *arena)
{
    return kg_arena_take(arena, file_n + question_n + 2);
}

void kg_lm_texts_count(const struct kgpt *k, struct kg_arena *counted)
{
    const struct kg_lm_loaded *lm = &k->lm->loaded;
    size_t file = largest_file(k), prompt = kg_strlen(k->prompt);
    uint64_t n = (file > prompt ? file : prompt) + system_size(k);
    uint64_t most = (uint64_t)lm->model.n_ctx_train * lm->vocab.longest;
    carve_message(file, KG_CMDLINE_MAX - 2, counted);
    kg_arena_reserve(counted, kg_vocab_scratch(&lm->vocab, KG_CMDLINE_MAX + (n < most ? n : most)));
}

static uint32_t count_text(struct kgpt *k, const char *text, size_t n)
{
    const struct kg_fragment fragment = {.text = text, .n = n};
    struct kg_error error;
    size_t count = 0;
    uint32_t none;
    if (n < LONG_TEXT || n > (uint64_t)k->lm->loaded.model.n_ctx_train * k->lm->loaded.vocab.longest) {
        return 0;
    }
    (void)kg_vocab_encode(&k->lm->loaded.vocab, &fragment, 1, &none, 0, &count, &k->arena, &error);
    return (uint32_t)count;
}

uint32_t kg_lm_texts_tokens(struct kgpt *k)
{
    const char *system = k->config.lm.long_system;
    uint32_t most = count_text(k, k->prompt, kg_strlen(k->prompt));
    for (size_t i = 0; i < k->info->n_files; i++) {
        const struct kg_file *file = &k->info->files[i];
        uint32_t n = kg_file_is(file, "file") ? count_text(k, file->data, file->size) : 0;
        most = n > most ? n : most;
    }
    return most + (system ? count_text(k, system, kg_strlen(system)) : k->lm->loaded.prefill.n);
}

/* The name of the file without the folders that some loaders put before it. */
static const char *base_name(const struct kg_file *file)
{
    const char *name = file->name;
    for (const char *at = name; *at; at++) {
        name = *at == '/' ? at + 1 : name;
    }
    return name;
}

const struct kg_file *kg_lm_find_file(const struct kgpt *k, const char *name)
{
    for (size_t i = 0; i < k->info->n_files; i++) {
        const struct kg_file *file = &k->info->files[i];
        if (kg_file_is(file, "file") && kg_streq(base_name(file), name)) {
            return file;
        }
    }
    return NULL;
}

static void list_files(const struct kgpt *k)
{
    bool any = false;
    for (size_t i = 0; i < k->info->n_files; i++) {
        const struct kg_file *file = &k->info->files[i];
        if (kg_file_is(file, "file")) {
            kg_print("%-24s %s\n", base_name(file), kg_amount(file->size).text);
            any = true;
        }
    }
    if (!any) {
        kg_print("kgpt: no files came with this machine: bring some with kgpt run --file PATH\n");
    }
}

static void append_text(char *to, size_t *n, const char *text, size_t text_n)
{
    memcpy(to + *n, text, text_n);
    *n += text_n;
}

/* The file, an empty line, and the question about the file. */
static enum kg_status compose_message(struct kgpt *k, const struct kg_file *file, const char *question,
                                      struct kg_text *message, struct kg_error *error)
{
    size_t question_n = kg_strlen(question), n = 0;
    char *text = carve_message(file->size, question_n, &k->arena);
    if (!text) {
        return kg_error_set(error, KG_E_MEMORY, "%s does not fit the memory", base_name(file));
    }
    append_text(text, &n, file->data, file->size);
    while (n && text[n - 1] == '\n') {
        n--;
    }
    if (question_n) {
        append_text(text, &n, "\n\n", 2);
        append_text(text, &n, question, question_n);
    }
    *message = (struct kg_text){text, n};
    return KG_OK;
}

bool kg_lm_read(struct kgpt *k, char *arguments, struct kg_text *message)
{
    struct kg_error error;
    if (!*arguments) {
        list_files(k);
        return false;
    }
    const char *question = kg_cut_word(arguments);
    const struct kg_file *file = kg_lm_find_file(k, arguments);
    enum kg_status status = KG_E_INPUT;
    if (file) {
        uint8_t digest[KG_SHA256_SIZE];
        bool known;
        status = kg_module_check(k, file, digest, &known, &error);
        status = status == KG_OK ? compose_message(k, file, question, message, &error) : status;
    } else {
        kg_error_set(&error, KG_E_INPUT, "there is no file \"%.64s\"", arguments);
        kg_error_hint(&error, "/read lists the files that came with this machine");
    }
    if (status != KG_OK) {
        kg_say_refused(&error);
    }
    return status == KG_OK;
}
