/* What a reply answers or continues, as tokens: see server.h. */
#include "server.h"

#include "app/cmdline/keys.h"

#include "kgpt/mem.h"

/* Refuses what does not encode, and prompts that the context does not hold. */
static bool take_encoded(struct kg_client *client, struct kg_job *job, const struct kg_said_tokens *said,
                         enum kg_status status, const struct kg_error *error)
{
    uint32_t n_ctx = client->server->k->lm->conversation.session.options.n_ctx;
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

bool kg_job_tokens(struct kg_client *client, uint32_t n, struct kg_job *job)
{
    const struct kg_said_tokens said = {.n = n};
    return take_encoded(client, job, &said, KG_OK, NULL);
}

static struct kg_said_tokens said_tokens_of(const struct kg_job *job)
{
    return (struct kg_said_tokens){.tokens = job->tokens,
                                   .room = job->server->k->lm->conversation.session.options.n_ctx + 1};
}

bool kg_job_told(struct kg_client *client, const struct kg_told_chat *chat, struct kg_job *job)
{
    struct kg_said_tokens said = said_tokens_of(job);
    struct kg_error error;
    enum kg_status status =
        kg_lm_encode_chat(&said, &client->server->k->lm->loaded, chat, &client->server->k->arena, &error);
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

bool kg_job_text(struct kg_client *client, struct kg_text text, struct kg_job *job)
{
    const struct kg_lm_loaded *loaded = &client->server->k->lm->loaded;
    const struct kg_fragment fragment = {.text = text.data, .n = text.n};
    struct kg_said_tokens said = said_tokens_of(job);
    struct kg_error error;
    enum kg_status status = KG_OK;
    if (!text.n && loaded->vocab.first != KG_NO_TOKEN) {
        said.tokens[0] = loaded->vocab.first;
        said.n = 1;
    } else {
        status = kg_lm_encode(&said, loaded, &fragment, text.n > 0, loaded->vocab.add_bos, &client->server->k->arena,
                              &error);
    }
    return take_encoded(client, job, &said, status, &error);
}
