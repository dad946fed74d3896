/* Embeddings of texts: the mean of the hidden states behind the final norm, of length 1. They are computed in a free
 * slot, between two passes of the replies. */
#include "ollama.h"
#include "openai.h"

#include "app/server/endpoints.h"

#include "kgpt/math.h"
#include "kgpt/mem.h"

enum api { OPENAI, OLLAMA, OLLAMA_OLD };

/* A request for embeddings. Its memory is the arena's. */
struct embedding {
    enum api api;
    struct kg_client *client;
    struct kg_job *job;
    struct kg_lm_session *session;
    struct kg_json *json;
    float *values; /* (n_embd) */
    bool base64, truncate;
    uint32_t n, n_tokens; /* texts, and their tokens */
};

static bool refuse_input(const struct embedding *e, const char *why)
{
    return kg_refuse_value(e->client, e->api == OLLAMA_OLD ? "prompt" : "input", "%s", why);
}

/* Numbers of tokens, which OpenAI's clients may send in place of a text. */
static bool take_embedded_tokens(struct embedding *e, uint32_t list)
{
    const struct kg_json_tree *tree = &e->client->server->json;
    uint32_t n_ctx = e->session->options.n_ctx;
    e->job->n_tokens = 0;
    for (uint32_t i = KG_JSON_NONE; (i = kg_json_next(tree, list, i)) != KG_JSON_NONE;) {
        uint32_t id;
        if (!kg_value_token(e->client, i, &id)) {
            return refuse_input(e, "a list in input holds what is no number of a token");
        }
        if (e->job->n_tokens == n_ctx) {
            return refuse_input(e, "a text is longer than the context");
        }
        e->job->tokens[e->job->n_tokens++] = id;
    }
    return e->job->n_tokens > 0 || refuse_input(e, "a text without tokens has no embedding");
}

static bool take_embedded_text(struct embedding *e, struct kg_text text)
{
    const struct kg_lm_loaded *loaded = e->client->server->loaded;
    uint32_t n_ctx = e->session->options.n_ctx;
    const struct kg_fragment fragment = {.text = text.data, .n = text.n};
    struct kg_said_tokens said = {.tokens = e->job->tokens, .room = n_ctx + 1};
    struct kg_error error;
    if (kg_lm_encode(&said, loaded, &fragment, text.n > 0, loaded->vocab.add_bos, &e->client->server->k->arena,
                     &error) != KG_OK) {
        return refuse_input(e, error.message);
    }
    if (said.n > n_ctx && !e->truncate) {
        return refuse_input(e, "a text is longer than the context");
    }
    e->job->n_tokens = said.n < n_ctx ? said.n : n_ctx;
    return true;
}

static void write_base64(struct kg_json *json, const float *values, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *bytes = (const uint8_t *)values;
    size_t size = n * sizeof *values;
    kg_json_raw(json, "\"", 1);
    for (size_t i = 0; i < size; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16 | (i + 1 < size ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (i + 2 < size ? bytes[i + 2] : 0);
        char text[4] = {digits[group >> 18], digits[group >> 12 & 63], i + 1 < size ? digits[group >> 6 & 63] : '=',
                        i + 2 < size ? digits[group & 63] : '='};
        kg_json_raw(json, text, sizeof text);
    }
    kg_json_raw(json, "\"", 1);
}

static void write_vector(struct embedding *e, const char *key)
{
    struct kg_json *json = e->json;
    kg_json_list_begin(json, key);
    for (uint32_t i = 0; i < e->session->model->n_embd; i++) {
        kg_json_decimal(json, NULL, e->values[i]);
    }
    kg_json_list_end(json);
}

static void write_embedding(struct embedding *e)
{
    struct kg_json *json = e->json;
    if (e->api != OPENAI) {
        write_vector(e, e->api == OLLAMA ? NULL : "embedding");
        return;
    }
    kg_json_object_begin(json, NULL);
    kg_json_text(json, "object", "embedding");
    kg_json_u64(json, "index", e->n);
    if (e->base64) {
        kg_json_raw(json, ",\"embedding\":", 13);
        write_base64(json, e->values, e->session->model->n_embd);
    } else {
        write_vector(e, "embedding");
    }
    kg_json_object_end(json);
}

/* Computes and writes the embedding of the job's tokens. */
static bool embed_tokens(struct embedding *e)
{
    struct kg_arena *arena = &e->client->server->k->arena;
    uint32_t n_embd = e->session->model->n_embd;
    struct kg_error error;
    float sum = 0;
    if (kg_lm_mean(e->session, e->job->tokens, e->job->n_tokens, e->values, arena, &error) != KG_OK) {
        kg_answer_error(e->client, 500, NULL, "embedding_failed", "%s", error.message);
        return false;
    }
    for (uint32_t i = 0; i < n_embd; i++) {
        sum += e->values[i] * e->values[i];
    }
    float scale = sum > 0 ? 1.0f / kg_sqrtf(sum) : 0;
    for (uint32_t i = 0; i < n_embd; i++) {
        e->values[i] *= scale;
    }
    write_embedding(e);
    e->n++;
    e->n_tokens += e->job->n_tokens;
    e->client->server->prompt_tokens += e->job->n_tokens;
    return true;
}

/* A text, a list of texts, numbers of tokens, or a list of these. */
static bool embed_inputs(struct embedding *e, uint32_t input)
{
    const struct kg_json_tree *tree = &e->client->server->json;
    enum kg_json_kind kind = kg_json_kind(tree, input);
    if (kind == KG_JSON_STRING) {
        return take_embedded_text(e, kg_json_string(tree, input)) && embed_tokens(e);
    }
    if (kind != KG_JSON_LIST) {
        return refuse_input(e, "the input must be a text or a list of texts");
    }
    uint32_t i = kg_json_first(tree, input);
    if (kg_json_kind(tree, i) == KG_JSON_NUMBER) {
        return take_embedded_tokens(e, input) && embed_tokens(e);
    }
    for (; i != KG_JSON_NONE; i = kg_json_after(tree, input, i)) {
        kind = kg_json_kind(tree, i);
        bool taken = kind == KG_JSON_STRING ? take_embedded_text(e, kg_json_string(tree, i))
                     : kind == KG_JSON_LIST ? take_embedded_tokens(e, i)
                                            : refuse_input(e, "the input must be a text or a list of texts");
        if (!taken || !embed_tokens(e)) {
            return false;
        }
    }
    return e->n > 0 || e->api != OPENAI || refuse_input(e, "the input is an empty list");
}

static bool read_embedding_fields(struct embedding *e, uint32_t root)
{
    struct kg_client *client = e->client;
    struct kg_text format = {"float", 5};
    uint32_t n_embd = e->session->model->n_embd, dimensions = n_embd;
    if (e->api == OPENAI ? !kg_openai_check(client, root) : !kg_ollama_check(client, root, "model")) {
        return false;
    }
    if (!kg_field_text(client, root, "encoding_format", &format) ||
        !kg_field_bool(client, root, "truncate", &e->truncate) ||
        !kg_field_count(client, root, "dimensions", n_embd, n_embd, &dimensions)) {
        return false;
    }
    e->base64 = kg_text_is(format, "base64");
    if (!e->base64 && !kg_text_is(format, "float")) {
        return kg_refuse_value(client, "encoding_format", "encoding_format must be float or base64");
    }
    return true;
}

static void begin_answer(struct embedding *e)
{
    struct kg_json *json = e->json;
    kg_json_object_begin(json, NULL);
    if (e->api == OPENAI) {
        kg_json_text(json, "object", "list");
        kg_json_text(json, "model", e->client->server->name);
        kg_json_list_begin(json, "data");
    } else if (e->api == OLLAMA) {
        char name[KG_OLLAMA_NAME];
        kg_ollama_name(e->client->server, name);
        kg_json_text(json, "model", name);
        kg_json_list_begin(json, "embeddings");
    }
}

static void end_answer(struct embedding *e)
{
    struct kg_json *json = e->json;
    if (e->api != OLLAMA_OLD) {
        kg_json_list_end(json);
    }
    if (e->api == OPENAI) {
        kg_json_object_begin(json, "usage");
        kg_json_u64(json, "prompt_tokens", e->n_tokens);
        kg_json_u64(json, "total_tokens", e->n_tokens);
        kg_json_object_end(json);
    } else if (e->api == OLLAMA) {
        kg_json_u64(json, "total_duration", kg_server_ms(e->client->server, e->job->asked_at) * 1000000);
        kg_json_u64(json, "load_duration", 0);
        kg_json_u64(json, "prompt_eval_count", e->n_tokens);
    }
    kg_json_object_end(json);
}

static void answer_embeddings(struct kg_job *job, struct kg_choice *choice, enum api api)
{
    struct kg_arena *arena = &job->server->k->arena;
    size_t used = arena->used;
    struct embedding e = {.api = api,
                          .client = job->client,
                          .job = job,
                          .session = &choice->conversation->session,
                          .truncate = api != OPENAI};
    uint32_t root;
    e.values = kg_arena_array(arena, e.session->model->n_embd, sizeof *e.values);
    if (!e.values) {
        kg_answer_error(e.client, 503, NULL, NULL, "the memory is full");
    } else if (kg_request_json(e.client, &root) && read_embedding_fields(&e, root) &&
               (e.json = kg_answer_long_begin(e.client)) != NULL) {
        begin_answer(&e);
        if (embed_inputs(&e, kg_field(e.client, root, api == OLLAMA_OLD ? "prompt" : "input"))) {
            end_answer(&e);
            kg_answer_long_send(e.client);
        }
    }
    kg_arena_rewind(arena, used);
}

static void openai_task(struct kg_job *job, struct kg_choice *choice)
{
    answer_embeddings(job, choice, OPENAI);
}

static void ollama_task(struct kg_job *job, struct kg_choice *choice)
{
    answer_embeddings(job, choice, OLLAMA);
}

static void old_ollama_task(struct kg_job *job, struct kg_choice *choice)
{
    answer_embeddings(job, choice, OLLAMA_OLD);
}

static void start_task(struct kg_client *client, void (*task)(struct kg_job *job, struct kg_choice *choice))
{
    struct kg_job *job = kg_job_new(client, NULL);
    if (job) {
        job->task = task;
        kg_job_start(job);
    }
}

void kg_post_embeddings(struct kg_client *client)
{
    start_task(client, openai_task);
}

void kg_post_ollama_embed(struct kg_client *client)
{
    start_task(client, ollama_task);
}

void kg_post_ollama_embeddings(struct kg_client *client)
{
    start_task(client, old_ollama_task);
}
