/* What a reply answers or continues, as tokens: see server.h. */
#include "app/server/server.h"

#include "app/cmdline/keys.h"

#include "kgpt/mem.h"

/* Refuses what does not encode, and prompts that the context does not hold. */
static bool take_encoded(struct kg_client *client, struct kg_job *job, const struct kg_said_tokens *said,
                         enum kg_status status, const struct kg_error *error)
{
    uint32_t n_ctx = client->server->n_ctx;
    if (status != KG_OK) {
        kg_answer_error(client, status == KG_E_MEMORY ? 503 : 400, "messages", "invalid_value", "%s", error->message);
        return false;
    }
    if (said->n > n_ctx) {
        kg_answer_error(client, 400, "messages", "context_length_exceeded",
                        "the prompt has %u tokens, and the context has room for %u", said->n, n_ctx);
        return false;
    }
    job->n_tokens = said->n;
    return true;
}

static struct kg_said_tokens said_tokens_of(const struct kg_job *job)
{
    return (struct kg_said_tokens){.tokens = job->tokens, .room = job->server->n_ctx + 1};
}

bool kg_job_told(struct kg_client *client, const struct kg_told_chat *chat, struct kg_job *job)
{
    struct kg_said_tokens said = said_tokens_of(job);
    struct kg_error error;
    enum kg_status status = kg_lm_encode_chat(&said, client->server->loaded, chat, &client->server->k->arena, &error);
    return take_encoded(client, job, &said, status, &error);
}

bool kg_job_message(struct kg_client *client, struct kg_text system, struct kg_text text, struct kg_job *job)
{
    const char *own = kg_lm_system(&client->server->k->config.lm);
    const struct kg_told told = {.kind = KG_TOLD_MESSAGE, .text = text};
    const struct kg_told_chat chat = {.system = system.data ? system : (struct kg_text){own, kg_strlen(own)},
                                      .told = &told,
                                      .n = 1,
                                      .plain = job->request.plain};
    return kg_job_told(client, &chat, job);
}

/* Clients write the special tokens of a template into a prompt; controllers (Modbus) do not. */
static enum kg_status encode_prompt_text(const struct kg_job *job, struct kg_text text, struct kg_said_tokens *said,
                                         struct kg_error *error)
{
    const struct kg_lm_loaded *loaded = job->server->loaded;
    const struct kg_fragment fragment = {text.data, text.n, !job->client->inner};
    *said = said_tokens_of(job);
    if (!text.n && loaded->vocab.first != KG_NO_TOKEN) {
        said->tokens[0] = loaded->vocab.first;
        said->n = 1;
        return KG_OK;
    }
    return kg_lm_encode(said, loaded, &fragment, text.n > 0, loaded->vocab.add_bos, &job->server->k->arena, error);
}

bool kg_job_text(struct kg_client *client, struct kg_text text, struct kg_job *job)
{
    struct kg_said_tokens said;
    struct kg_error error;
    enum kg_status status = encode_prompt_text(job, text, &said, &error);
    return take_encoded(client, job, &said, status, &error);
}

/* A list of tokens' numbers; those that fit the context are kept. KG_E_INPUT: it holds something else, or nothing. */
static enum kg_status copy_prompt_tokens(const struct kg_job *job, const struct kg_json_tree *json, uint32_t list,
                                         struct kg_said_tokens *said, struct kg_error *error)
{
    uint32_t n_vocab = job->server->loaded->vocab.n_vocab;
    *said = said_tokens_of(job);
    for (uint32_t i = KG_JSON_NONE; (i = kg_json_next(json, list, i)) != KG_JSON_NONE;) {
        uint32_t id;
        if (!kg_value_token(job->client, i, &id)) {
            said->n = 0;
            break;
        }
        if (said->n < said->room) {
            said->tokens[said->n] = id;
        }
        said->n++;
    }
    return said->n
               ? KG_OK
               : kg_error_set(error, KG_E_INPUT,
                              "prompt must be a text, a list of tokens' numbers below %u, or a list of these", n_vocab);
}

/* Takes one prompt as the tokens of the job. */
static bool take_one_prompt(struct kg_client *client, uint32_t value, struct kg_job *job)
{
    const struct kg_json_tree *json = &client->server->json;
    struct kg_said_tokens said;
    struct kg_error error;
    if (kg_json_kind(json, value) == KG_JSON_STRING) {
        return kg_job_text(client, kg_json_string(json, value), job);
    }
    enum kg_status status = copy_prompt_tokens(job, json, value, &said, &error);
    if (status != KG_OK) {
        return kg_refuse_value(client, "prompt", "%s", error.message);
    }
    return take_encoded(client, job, &said, status, &error);
}

/* Several prompts: each is checked now, and taken again when its first choice begins. */
static bool take_prompts(struct kg_client *client, uint32_t list, struct kg_job *job)
{
    const struct kg_json_tree *json = &client->server->json;
    uint64_t all = 0;
    job->each = job->n;
    for (uint32_t i = KG_JSON_NONE; (i = kg_json_next(json, list, i)) != KG_JSON_NONE;) {
        if ((job->n_prompts + 1) * job->each > KG_SERVER_CHOICES) {
            return kg_refuse_value(client, "prompt", "prompts and n ask for more than %u choices", KG_SERVER_CHOICES);
        }
        if (!take_one_prompt(client, i, job)) {
            return false;
        }
        bool tokens = kg_json_kind(json, i) == KG_JSON_LIST;
        job->prompts[job->n_prompts++] = (struct kg_prompt_place){json->values[i].at, json->values[i].n, tokens};
        all += job->n_tokens;
    }
    job->n = job->n_prompts * job->each;
    job->all_tokens = all;
    job->prompt = job->n_prompts - 1; /* the one in job->tokens */
    return true;
}

bool kg_job_prompts(struct kg_client *client, uint32_t value, struct kg_job *job)
{
    const struct kg_json_tree *json = &client->server->json;
    uint32_t first = value == KG_JSON_NONE ? KG_JSON_NONE : kg_json_first(json, value);
    if (value == KG_JSON_NONE) {
        return kg_job_text(client, (struct kg_text){"", 0}, job);
    }
    bool list = kg_json_kind(json, value) == KG_JSON_LIST && first != KG_JSON_NONE;
    bool nested = list && kg_json_kind(json, first) != KG_JSON_NUMBER;
    if (nested && kg_json_after(json, value, first) != KG_JSON_NONE) {
        return take_prompts(client, value, job);
    }
    return take_one_prompt(client, nested ? first : value, job);
}

enum kg_status kg_job_next_prompt(struct kg_job *job, struct kg_error *error)
{
    uint32_t next = job->n_prompts ? job->begun / job->each : 0;
    if (!job->n_prompts || next == job->prompt) {
        return KG_OK;
    }
    const struct kg_prompt_place *place = &job->prompts[next];
    struct kg_text text = {job->client->body + place->at, place->n};
    struct kg_said_tokens said;
    struct kg_json_tree *json = &job->server->json;
    enum kg_status status = KG_OK;
    if (!place->tokens) {
        status = encode_prompt_text(job, text, &said, error);
    } else if (kg_json_read(json, job->client->body + place->at, place->n)) { /* numbers, which are not decoded */
        status = copy_prompt_tokens(job, json, 0, &said, error);
    } else {
        status = kg_error_set(error, KG_E_INPUT, "a prompt is no longer a list");
    }
    if (status == KG_OK) {
        job->n_tokens = said.n;
        job->prompt = next;
    }
    return status;
}
