/* See training_documents.h. */
#include "training_documents.h"

#include "app/run/texts.h"

#include "kgpt/corpus_data.h"
#include "kgpt/mem.h"
#include "kgpt/random.h"
#include "kgpt/train_dense.h"
#include "kgpt/train_exact.h"
#include "kgpt/train_fast.h"

static bool is_saved_training(const struct kg_file *file)
{
    uint32_t magic = 0;
    if (file->size < sizeof magic) {
        return false;
    }
    memcpy(&magic, file->data, sizeof magic);
    return magic == KG_EXACT_STATE_MAGIC || magic == KG_FAST_STATE_MAGIC || magic == KG_DENSE_STATE_MAGIC;
}

static const struct kg_file *first_training_file(const struct kg_platform_info *info, bool saved)
{
    for (size_t i = 0; i < info->n_files; i++) {
        if (!kg_file_is(&info->files[i], "prompt") && is_saved_training(&info->files[i]) == saved) {
            return &info->files[i];
        }
    }
    return NULL;
}

const struct kg_file *kg_saved_training(const struct kg_platform_info *info)
{
    return first_training_file(info, true);
}

/* A training uses one text and one saved training; refuse more rather than ignore it silently. */
static enum kg_status check_training_files(const struct kg_platform_info *info, struct kg_error *error)
{
    size_t n[2] = {0};
    for (size_t i = 0; i < info->n_files; i++) {
        if (!kg_file_is(&info->files[i], "prompt")) {
            n[is_saved_training(&info->files[i])]++;
        }
    }
    if (n[false] <= 1 && n[true] <= 1) {
        return KG_OK;
    }
    kg_error_set(error, KG_E_INPUT, "the loader brought %zu texts and %zu saved trainings", n[false], n[true]);
    kg_error_hint(error, "bring one of each at most");
    return KG_E_INPUT;
}

enum kg_status kg_documents_read(struct kgpt *k, struct kg_documents *documents, struct kg_error *error)
{
    const struct kg_file *file = first_training_file(k->info, false);
    const struct kg_train_config *config = &k->config.train;
    uint32_t block = config->text || k->config.block.block != KG_NO_BLOCK ? config->block_size : 0;
    enum kg_status status = check_training_files(k->info, error);
    if (status != KG_OK) {
        return status;
    }
    if (!file && kgpt_corpus_size == 0) {
        kg_error_set(error, KG_E_INPUT, "training needs a corpus: none is in the kernel, and the loader passed none");
        kg_error_hint(error, "use kgpt train, kgpt build --corpus FILE, or a `module` line in GRUB");
        return KG_E_INPUT;
    }
    const char *text = file ? file->data : kgpt_corpus;
    size_t size = file ? file->size : kgpt_corpus_size;
    return kg_corpus_read(&documents->all, text, size, block, &k->arena, error);
}

/* Documents `order[0]` to `order[n - 1]` of `all` as a corpus of their own, same vocabulary. */
static enum kg_status select_documents(struct kg_arena *arena, const struct kg_corpus *all, const uint32_t *order,
                                       uint32_t n, struct kg_corpus *part)
{
    uint32_t *start = kg_arena_take(arena, 4 * ((size_t)n + 1));
    uint32_t *tokens = kg_arena_take(arena, 4 * (size_t)all->n_tokens);
    if (!start || !tokens) {
        return KG_E_MEMORY;
    }
    *part = *all;
    part->n_documents = n;
    part->n_tokens = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t from = all->start[order[i]], length = all->start[order[i] + 1] - from;
        start[i] = part->n_tokens;
        memcpy(tokens + part->n_tokens, all->tokens + from, 4 * (size_t)length);
        part->n_tokens += length;
    }
    start[n] = part->n_tokens;
    part->start = start;
    part->tokens = tokens;
    return KG_OK;
}

/* Shuffles 0 .. n - 1 (Fisher-Yates) with a stream of the seed that is used for nothing else. */
static void shuffle_order(uint32_t *order, uint32_t n, uint64_t seed)
{
    struct kg_random random;
    kg_random_seed(&random, seed, UINT32_MAX);
    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
    }
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = (uint32_t)(kg_random_next(&random) % i), swapped = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swapped;
    }
}

enum kg_status kg_documents_split(struct kgpt *k, struct kg_documents *documents, uint64_t seed, struct kg_error *error)
{
    const struct kg_corpus *all = &documents->all;
    uint32_t n = all->n_documents, kept_back = (uint32_t)((double)n * k->config.train.val_fraction);
    documents->train = *all;
    documents->validation = *all;
    documents->validation.n_documents = 0;
    if (kept_back == 0) {
        return KG_OK;
    }
    if (kept_back == n) {
        kg_error_set(error, KG_E_INPUT, "val_fraction keeps all %u documents back: none are left to train on", n);
        kg_error_hint(error, "choose a smaller val_fraction");
        return KG_E_INPUT;
    }
    uint32_t *order = kg_arena_take(&k->arena, 4 * (size_t)n);
    if (order) {
        shuffle_order(order, n, seed);
    }
    if (!order || select_documents(&k->arena, all, order, kept_back, &documents->validation) != KG_OK ||
        select_documents(&k->arena, all, order + kept_back, n - kept_back, &documents->train) != KG_OK) {
        kg_error_set(error, KG_E_MEMORY, "there is no memory for a second copy of the corpus");
        kg_error_hint(error, "give the machine more memory, or leave out val_fraction");
        return KG_E_MEMORY;
    }
    return KG_OK;
}
