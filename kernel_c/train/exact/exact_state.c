/* Saves an exact training as bytes and loads it again: see kgpt/train_exact.h. */
#include "exact.h"

#include "kgpt/crc32.h"
#include "kgpt/mem.h"

#define KG_STATE_VERSION 1u

/* Followed by uint32_t order[n_documents], and parameters, m, v, each double[n_parameters]. Little endian. */
struct state {
    uint32_t magic, version;
    uint64_t size;
    uint32_t crc32;        /* of all that follows it */
    uint32_t corpus_crc32; /* of the corpus's tokens and starts */
    uint32_t n_documents;
    uint32_t n_tokens;
    struct kg_exact_settings settings;
    uint64_t step;
    struct kg_mt19937 random;
};
_Static_assert(sizeof(struct kg_shape) == 24 && sizeof(struct kg_adam) == 48 &&
                   sizeof(struct kg_exact_settings) == 80 && sizeof(struct kg_mt19937) == 2512 &&
                   sizeof(struct state) == 2632,
               "no padding between the members: a state has no bytes that are left to chance");

#define KG_AFTER_CRC offsetof(struct state, corpus_crc32)

/* The arrays after the header. */
#define N_PARTS 4
struct state_part {
    void *data;
    uint64_t size;
};

static void list_state_parts(const struct kg_exact *trainer, struct state_part parts[N_PARTS])
{
    const uint64_t vector = trainer->layout.n_parameters * sizeof(double);
    parts[0] = (struct state_part){trainer->order, sizeof(uint32_t) * (uint64_t)trainer->corpus->n_documents};
    parts[1] = (struct state_part){trainer->parameters, vector};
    parts[2] = (struct state_part){trainer->m, vector};
    parts[3] = (struct state_part){trainer->v, vector};
}

uint64_t kg_exact_state_size(const struct kg_exact *trainer)
{
    struct state_part parts[N_PARTS];
    uint64_t size = sizeof(struct state);
    list_state_parts(trainer, parts);
    for (uint32_t i = 0; i < N_PARTS; i++) {
        size += parts[i].size;
    }
    return size;
}

static uint32_t corpus_crc32(const struct kg_corpus *corpus)
{
    return kg_crc32(corpus->tokens, (size_t)corpus->n_tokens * 4) ^
           kg_crc32(corpus->start, ((size_t)corpus->n_documents + 1) * 4) ^
           kg_crc32(corpus->chars, (size_t)corpus->n_chars * 4);
}

/* A copy whose padding is zero: struct kg_adam ends in four bytes of it. */
static struct kg_exact_settings without_padding(const struct kg_exact_settings *settings)
{
    struct kg_exact_settings plain;
    memset(&plain, 0, sizeof plain);
    plain.shape = settings->shape;
    plain.seed = settings->seed;
    plain.adam.lr = settings->adam.lr;
    plain.adam.beta1 = settings->adam.beta1;
    plain.adam.beta2 = settings->adam.beta2;
    plain.adam.eps = settings->adam.eps;
    plain.adam.weight_decay = settings->adam.weight_decay;
    plain.adam.steps = settings->adam.steps;
    return plain;
}

void kg_exact_save(const struct kg_exact *trainer, void *state)
{
    struct state_part parts[N_PARTS];
    struct state head;
    memset(&head, 0, sizeof head);
    head.magic = KG_EXACT_STATE_MAGIC;
    head.version = KG_STATE_VERSION;
    head.size = kg_exact_state_size(trainer);
    head.corpus_crc32 = corpus_crc32(trainer->corpus);
    head.n_documents = trainer->corpus->n_documents;
    head.n_tokens = trainer->corpus->n_tokens;
    head.settings = without_padding(&trainer->settings);
    head.step = trainer->step;
    head.random = trainer->random;
    memcpy(state, &head, sizeof head);
    uint8_t *at = (uint8_t *)state + sizeof head;
    list_state_parts(trainer, parts);
    for (uint32_t i = 0; i < N_PARTS; at += parts[i++].size) {
        memcpy(at, parts[i].data, parts[i].size);
    }
    head.crc32 = kg_crc32((uint8_t *)state + KG_AFTER_CRC, head.size - KG_AFTER_CRC);
    memcpy(state, &head, sizeof head);
}

static enum kg_status refuse_state(struct kg_error *error, const char *what, const char *hint)
{
    kg_error_set(error, KG_E_INPUT, "the training cannot go on from this state: %s", what);
    kg_error_hint(error, "%s", hint);
    return KG_E_INPUT;
}

static enum kg_status check_state_whole(const struct state *head, const uint8_t *bytes, uint64_t size,
                                        struct kg_error *error)
{
    static const char hint[] = "use the state as it was saved";
    if (size < sizeof *head || head->magic != KG_EXACT_STATE_MAGIC) {
        return refuse_state(error, "it is not the state of an exact training", hint);
    }
    if (head->version != KG_STATE_VERSION) {
        return refuse_state(error, "it was saved by another version", "use the version that saved it");
    }
    if (head->size != size || head->crc32 != kg_crc32(bytes + KG_AFTER_CRC, size - KG_AFTER_CRC)) {
        return refuse_state(error, "it is damaged or cut short", hint);
    }
    return KG_OK;
}

static enum kg_status check_state_fits(const struct kg_exact *trainer, const struct state *head, struct kg_error *error)
{
    struct kg_exact_settings ours = without_padding(&trainer->settings), theirs = head->settings;
    if (memcmp(&ours.shape, &theirs.shape, sizeof ours.shape) != 0) {
        return refuse_state(error, "it has another shape", "use the sizes that it was begun with");
    }
    if (memcmp(&ours, &theirs, sizeof ours) != 0) {
        return refuse_state(error, "it has another seed, number of steps, or other numbers of Adam",
                            "use the settings that it was begun with");
    }
    if (head->corpus_crc32 != corpus_crc32(trainer->corpus) || head->n_documents != trainer->corpus->n_documents ||
        head->n_tokens != trainer->corpus->n_tokens || head->size != kg_exact_state_size(trainer)) {
        return refuse_state(error, "it was trained on another corpus", "use the corpus that it was begun with");
    }
    return KG_OK;
}

enum kg_status kg_exact_load(struct kg_exact *trainer, const void *state, uint64_t size, struct kg_error *error)
{
    struct state_part parts[N_PARTS];
    struct state head;
    memset(&head, 0, sizeof head);
    memcpy(&head, state, size < sizeof head ? size : sizeof head);
    enum kg_status status = check_state_whole(&head, state, size, error);
    if (status == KG_OK) {
        status = check_state_fits(trainer, &head, error);
    }
    if (status != KG_OK) {
        return status;
    }
    trainer->step = head.step;
    trainer->random = head.random;
    const uint8_t *at = (const uint8_t *)state + sizeof head;
    list_state_parts(trainer, parts);
    for (uint32_t i = 0; i < N_PARTS; at += parts[i++].size) {
        memcpy(parts[i].data, at, parts[i].size);
    }
    kg_exact_refresh(trainer);
    return KG_OK;
}
