/* How a reply is sampled, from the fields of a request: see server.h. The names are those of OpenAI, and of llama.cpp
 * where OpenAI has none. */
#include "app/server/server.h"

#include "app/run/request.h"

#include "kgpt/mem.h"

#define LEAST_TOP_P 1e-6f /* in place of 0: only the likeliest token is left */
#define MOST_BIAS 100.0

void kg_job_defaults(struct kg_job *job)
{
    struct kgpt *k = job->server->k;
    uint64_t seed;
    job->request = kg_request_of(&k->config);
    job->request.rng = KG_RNG_KGPT;
    job->request.logprobs = 0;
    job->request.on_overflow = KG_OVERFLOW_ERROR;
    job->request.logits = job->request.layers = false;
    job->request.seed = plat_entropy(&seed) ? seed : plat_ticks() ^ job->number;
    job->n = 1;
}

static bool read_seed_field(struct kg_client *client, uint32_t object, struct kg_job *job)
{
    uint32_t field = kg_field(client, object, "seed");
    uint64_t magnitude;
    bool negative;
    if (field == KG_JSON_NONE) {
        return true;
    }
    if (!kg_json_whole(&client->server->json, field, &magnitude, &negative)) {
        return kg_refuse_value(client, "seed", "seed must be a whole number below 2^64");
    }
    job->request.seed = negative ? 0 - magnitude : magnitude;
    return true;
}

static bool add_stop(struct kg_client *client, uint32_t value, struct kg_job *job)
{
    const struct kg_json_tree *json = &client->server->json;
    struct kg_text text = kg_json_string(json, value);
    struct kg_request *request = &job->request;
    bool holds_nul = false;
    for (size_t i = 0; i < text.n; i++) {
        holds_nul = holds_nul || !text.data[i];
    }
    if (kg_json_kind(json, value) != KG_JSON_STRING || !text.n || text.n >= KG_SERVER_STOP || holds_nul) {
        return kg_refuse_value(client, "stop", "stop must be a text of 1 to %u bytes, or a list of them",
                               KG_SERVER_STOP - 1);
    }
    if (request->n_stops == KG_MAX_STOPS) {
        return kg_refuse_value(client, "stop", "stop has more than %d texts", KG_MAX_STOPS);
    }
    char *copy = job->stops[request->n_stops];
    memcpy(copy, text.data, text.n);
    copy[text.n] = '\0';
    request->stops[request->n_stops++] = copy;
    return true;
}

static bool read_stop_field(struct kg_client *client, uint32_t object, struct kg_job *job)
{
    const struct kg_json_tree *json = &client->server->json;
    uint32_t field = kg_field(client, object, "stop");
    if (field == KG_JSON_NONE) {
        return true;
    }
    job->request.n_stops = 0;
    if (kg_json_kind(json, field) != KG_JSON_LIST) {
        return add_stop(client, field, job);
    }
    for (uint32_t i = KG_JSON_NONE; (i = kg_json_next(json, field, i)) != KG_JSON_NONE;) {
        if (!add_stop(client, i, job)) {
            return false;
        }
    }
    return true;
}

/* The number of a token, which is the key of a bias. */
static bool parse_token_key(struct kg_text text, uint32_t n_vocab, uint32_t *token)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || number >= n_vocab) {
            return false;
        }
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    *token = (uint32_t)number;
    return text.n && number < n_vocab;
}

static bool read_bias_field(struct kg_client *client, uint32_t object, struct kg_job *job)
{
    const struct kg_json_tree *json = &client->server->json;
    struct kg_sampling *sampling = &job->request.sampling;
    uint32_t field = kg_field(client, object, "logit_bias"), value;
    const uint32_t most = sizeof sampling->logit_bias / sizeof sampling->logit_bias[0];
    if (field == KG_JSON_NONE) {
        return true;
    }
    bool good = kg_json_kind(json, field) == KG_JSON_OBJECT;
    sampling->n_biases = 0;
    for (uint32_t key = kg_json_first(json, field); good && key != KG_JSON_NONE;
         key = kg_json_after(json, field, value)) {
        struct kg_logit_bias bias = {0, 0};
        value = kg_json_after(json, field, key);
        double number = kg_json_kind(json, value) == KG_JSON_NUMBER ? kg_json_number(json, value) : MOST_BIAS + 1;
        good = parse_token_key(kg_json_string(json, key), client->server->loaded->vocab.n_vocab, &bias.token) &&
               number >= -MOST_BIAS && number <= MOST_BIAS && sampling->n_biases < most;
        bias.bias = (float)number;
        if (good) {
            sampling->logit_bias[sampling->n_biases++] = bias;
        }
    }
    if (!good) {
        (void)kg_refuse_value(
            client, "logit_bias",
            "logit_bias must be an object of at most %u tokens' numbers, each with a bias from -100 to 100", most);
    }
    return good;
}

/* Samplers and limits of other servers, which would change the reply: values that leave them off are let through. */
static bool refuse_other_samplers(struct kg_client *client, uint32_t object)
{
    static const struct kg_off_field others[] = {
        {"mirostat", NULL, NULL, 0},        {"tfs_z", NULL, NULL, 1},          {"dry_multiplier", NULL, NULL, 0},
        {"xtc_probability", NULL, NULL, 0}, {"dynatemp_range", NULL, NULL, 0}, {"min_keep", NULL, NULL, 0},
        {"n_indent", NULL, NULL, 0},        {"ignore_eos", NULL, NULL, 0},     {"t_max_predict_ms", NULL, NULL, 0},
        {"samplers", NULL, NULL, 0},        {"lora", NULL, NULL, 0},
    };
    return kg_fields_off(client, object, others, sizeof others / sizeof others[0]);
}

bool kg_field_predict(struct kg_client *client, uint32_t object, const char *name, struct kg_job *job)
{
    uint32_t field = kg_field(client, object, name);
    uint64_t number;
    bool negative;
    if (field == KG_JSON_NONE) {
        return true;
    }
    if (!kg_json_whole(&client->server->json, field, &number, &negative) || number > UINT32_MAX ||
        (negative && number > 2) || (!negative && !number)) {
        return kg_refuse_value(client, name, "%s must be a whole number from 1 on, or -1", name);
    }
    job->request.max_tokens = negative ? 0 : (uint32_t)number;
    return true;
}

/* Fields that are numbers, and where they go in struct kg_sampling. */
static bool read_number_fields(struct kg_client *client, uint32_t object, struct kg_sampling *sampling)
{
    static const struct {
        const char *name;
        float least, most;
        size_t at;
    } numbers[] = {
#define NUMBER(name, least, most) {#name, least, most, offsetof(struct kg_sampling, name)}
        NUMBER(temperature, 0, 100),
        NUMBER(top_p, 0, 1),
        NUMBER(min_p, 0, 1),
        NUMBER(typical_p, 0, 1),
        NUMBER(repeat_penalty, 0.01f, 100),
        NUMBER(frequency_penalty, -2, 2),
        NUMBER(presence_penalty, -2, 2),
#undef NUMBER
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (!kg_field_number(client, object, numbers[i].name, (double)numbers[i].least, (double)numbers[i].most,
                             (float *)((char *)sampling + numbers[i].at))) {
            return false;
        }
    }
    return true;
}

/* 0 leaves the likeliest token only. */
static void keep_above_zero(float *p)
{
    if (!(*p > 0)) {
        *p = LEAST_TOP_P;
    }
}

bool kg_fields_sampling(struct kg_client *client, uint32_t object, struct kg_job *job)
{
    struct kg_sampling *s = &job->request.sampling;
    if (!read_number_fields(client, object, s) || !kg_field_count(client, object, "top_k", 0, UINT32_MAX, &s->top_k) ||
        !kg_field_count(client, object, "repeat_last_n", 0, 1048576, &s->repeat_last_n)) {
        return false;
    }
    keep_above_zero(&s->top_p);
    keep_above_zero(&s->typical_p);
    return refuse_other_samplers(client, object) && read_seed_field(client, object, job) &&
           read_stop_field(client, object, job) && read_bias_field(client, object, job);
}
