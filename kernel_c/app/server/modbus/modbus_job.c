/* A start by Modbus is a job of the server: see modbus.h. */
#include "modbus.h"

#include "kgpt/math.h"
#include "kgpt/mem.h"
#include "kgpt/utf8.h"

static void fail_start(struct kg_modbus *modbus, enum kg_modbus_error why)
{
    modbus->status = KG_MODBUS_FAILED;
    modbus->error = why;
    modbus->failures++;
    modbus->ms = kg_server_ms(modbus->server, modbus->asked_at);
}

static struct kg_modbus *modbus_of(const struct kg_client *client)
{
    return client->server->modbus;
}

static void note_refusal(struct kg_client *client, uint32_t status, const char *message)
{
    (void)message;
    fail_start(modbus_of(client), status == 503   ? KG_MODBUS_QUEUE_FULL
                                  : status >= 500 ? KG_MODBUS_REPLY
                                                  : KG_MODBUS_BAD_TEXT);
}

/* The probability of a token among those that the labels let through. The mask is that of this token: the next one is
 * made before the next token. */
static float probability_of(const struct kg_conversation *c, const struct kg_reply *reply, uint32_t token)
{
    const uint32_t *allowed = c->sampler.allowed;
    const float *logits = reply->past.logits;
    float sum = 0;
    for (uint32_t i = 0; allowed && i < reply->past.n_vocab; i++) {
        if (allowed[i / 32] >> i % 32 & 1) {
            sum += kg_expf(logits[i] - logits[token]);
        }
    }
    return sum > 0 ? 1 / sum : 1;
}

static void weigh_token(struct kg_client *client, const struct kg_choice *choice, const struct kg_reply *reply,
                        const struct kg_token *token)
{
    modbus_of(client)->probability *= probability_of(choice->conversation, reply, token->id);
}

const struct kg_inner kg_modbus_inner = {.token = weigh_token, .refused = note_refusal};

static bool is_valid_text(const char *text, size_t n)
{
    size_t length = 1;
    while (n && (length = kg_utf8_length(text, n)) != 0) {
        text += length;
        n -= length;
    }
    return length != 0;
}

/* The text in the registers. */
static size_t copy_start_text(const struct kg_modbus *modbus, char text[2 * KG_HOLDING_TEXT_N])
{
    for (uint32_t i = 0; i < KG_HOLDING_TEXT_N; i++) {
        text[2 * i] = (char)(modbus->holding[KG_HOLDING_TEXT + i] >> 8);
        text[2 * i + 1] = (char)(modbus->holding[KG_HOLDING_TEXT + i] & 0xFF);
    }
    return modbus->holding[KG_HOLDING_LENGTH];
}

void kg_modbus_begin(struct kg_modbus *modbus)
{
    static const struct kg_style style = {0}; /* nothing is printed */
    char bytes[2 * KG_HOLDING_TEXT_N];
    struct kg_text text = {bytes, copy_start_text(modbus, bytes)};
    modbus->requests++;
    modbus->asked_at = plat_ticks();
    modbus->asked_set = modbus->holding[KG_HOLDING_SET];
    modbus->class = KG_MODBUS_NO_CLASS;
    modbus->probability = 1;
    modbus->sampled = 0;
    modbus->error = KG_MODBUS_NO_ERROR;
    if (!text.n || !is_valid_text(text.data, text.n)) {
        fail_start(modbus, KG_MODBUS_BAD_TEXT);
        return;
    }
    struct kg_job *job = kg_job_new(&modbus->client, &style);
    if (!job) {
        return;
    }
    job->request.grammar = &modbus->sets[modbus->asked_set].grammar;
    job->request.plain = true;
    job->request.sampling.temperature = 0;
    job->request.n_stops = 0;
    job->request.max_tokens = modbus->holding[KG_HOLDING_TOKENS];
    bool good = modbus->server->k->lm->loaded.has_chat
                    ? kg_job_message(&modbus->client, (struct kg_text){NULL, 0}, text, job)
                    : kg_job_text(&modbus->client, text, job);
    if (good) {
        kg_job_start(job);
    } else {
        kg_job_drop(job);
    }
}

void kg_modbus_cancel(struct kg_modbus *modbus)
{
    if (modbus->client.job) {
        kg_job_leave(modbus->client.job);
        modbus->client.job = NULL;
        fail_start(modbus, KG_MODBUS_CANCELLED);
    }
}

/* The text of the reply is a label, unless it was cut. */
static void judge_reply(struct kg_modbus *modbus, const struct kg_reply *reply)
{
    const struct kg_label_set *set = &modbus->sets[modbus->asked_set];
    modbus->sampled = reply->speed.tokens;
    for (uint32_t i = 0; i < set->n && reply->reason == KG_REASON_EOS; i++) {
        if (set->labels[i].n == reply->n && memcmp(set->labels[i].data, reply->text, reply->n) == 0) {
            modbus->class = i;
            modbus->status = KG_MODBUS_DONE;
            modbus->ms = kg_server_ms(modbus->server, modbus->asked_at);
            return;
        }
    }
    fail_start(modbus, reply->reason == KG_REASON_MAX_TOKENS ? KG_MODBUS_BUDGET : KG_MODBUS_REPLY);
}

void kg_modbus_take_answer(struct kg_modbus *modbus)
{
    struct kg_server *server = modbus->server;
    struct kg_job *job = modbus->client.job;
    for (uint32_t slot = 0; job && slot < server->batch.n; slot++) {
        struct kg_choice *choice = &server->choices[slot];
        if (choice->job == job && choice->ended) {
            judge_reply(modbus, &choice->conversation->reply);
            kg_choice_free(choice);
            kg_job_end(job);
            modbus->client.job = NULL;
            return;
        }
    }
}

enum kg_modbus_status kg_modbus_status(const struct kg_modbus *modbus)
{
    const struct kg_job *job = modbus->client.job;
    return !job ? modbus->status : job->state == KG_JOB_WAITS ? KG_MODBUS_QUEUED : KG_MODBUS_RUNNING;
}
