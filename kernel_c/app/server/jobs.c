/* Jobs: requests for replies wait, get slots of the batch, and give them back. See server.h. */
#include "server.h"

#include "app/events/events.h"
#include "app/events/print.h"

#include "kgpt/mem.h"

struct kg_job *kg_job_new(struct kg_client *client, const struct kg_style *style)
{
    struct kg_server *server = client->server;
    for (uint32_t i = 0; i < server->n_jobs; i++) {
        struct kg_job *job = &server->jobs[i];
        if (job->state == KG_JOB_FREE) {
            memset((char *)job + sizeof job->tokens, 0, offsetof(struct kg_job, memory) - sizeof job->tokens);
            job->server = server;
            job->client = client;
            job->style = style;
            job->state = KG_JOB_FAILED;
            job->number = ++server->clock;
            job->created = plat_time();
            job->asked_at = plat_ticks();
            job->passes_at = server->batch.passes;
            job->tools = KG_JSON_NONE;
            kg_job_defaults(job);
            return job;
        }
    }
    kg_answer_error(client, 503, NULL, "queue_full", "all %u slots are taken, and %u requests wait: try again later",
                    server->batch.n, server->queue);
    return NULL;
}

void kg_job_drop(struct kg_job *job)
{
    job->state = KG_JOB_FREE;
}

void kg_job_start(struct kg_job *job)
{
    job->state = KG_JOB_WAITS;
    job->client->job = job;
    if (!job->n_prompts) {
        job->each = job->n;
        job->all_tokens = job->n_tokens;
    }
}

void kg_choice_free(struct kg_choice *choice)
{
    choice->job = NULL;
    choice->used_at = ++choice->server->clock;
}

static void end_job(struct kg_job *job, const char *how)
{
    job->state = KG_JOB_FREE;
    KG_EMIT(served, .number = job->number, .how = how, .prompt_tokens = job->all_tokens, .cached_tokens = job->cached,
            .tokens = job->sampled, .us = kg_ticks_to_us(plat_ticks() - job->asked_at, plat_ticks_hz()),
            .passes = job->server->batch.passes - job->passes_at);
}

void kg_job_end(struct kg_job *job)
{
    end_job(job, "whole");
}

/* A job that nobody waits for is free when its last reply has ended. */
static void free_left_job(struct kg_job *job)
{
    if (!job->client && !job->running && job->state != KG_JOB_FREE) {
        end_job(job, job->failed ? "failed" : "left");
    }
}

void kg_job_leave(struct kg_job *job)
{
    struct kg_server *server = job->server;
    server->cancelled += !job->failed;
    job->client = NULL;
    job->state = KG_JOB_FAILED;
    for (uint32_t slot = 0; slot < server->batch.n; slot++) {
        struct kg_choice *choice = &server->choices[slot];
        if (choice->job == job && choice->ended) {
            kg_choice_free(choice);
        } else if (choice->job == job) {
            kg_batch_leave(&server->batch, slot);
        }
    }
    free_left_job(job);
}

/* The sinks of a choice. */

static bool choice_is_stopped(void *context)
{
    struct kg_choice *choice = context;
    struct kg_server *server = choice->server;
    if (server->inside && kg_server_ms(server, server->polled) >= 1) { /* between the layers of a pass */
        server->stopped = server->stopped || kg_input_stopped(&server->k->input);
        (void)server->poll(server);
    }
    return server->stopped || !choice->job->client;
}

static void record_token(void *context, const struct kg_reply *reply, const struct kg_token *token)
{
    struct kg_choice *choice = context;
    const struct kg_lm_loaded *loaded = choice->conversation->loaded;
    struct kg_client *client = choice->job->client;
    if (client && client->inner) {
        client->inner->token(client, choice, reply, token);
    }
    bool ends = kg_vocab_ends(&loaded->vocab, token->id) || token->id == loaded->end_token;
    if (!choice->job->logprobs || ends || choice->n_records > choice->conversation->session.options.n_ctx) {
        return;
    }
    uint32_t i = choice->n_records++;
    choice->records[i] = (struct kg_record){token->id, token->logprob, reply->n};
    memcpy(choice->tops + (size_t)i * KG_MAX_LOGPROBS, token->top, token->n_top * sizeof *token->top);
}

/* The free slot that goes on best: the one whose context is mostly a beginning of the prompt, or else the one that was
 * used longest ago. NULL: none is free. */
static struct kg_choice *choose_slot(struct kg_server *server, const struct kg_job *job)
{
    struct kg_choice *best = NULL, *oldest = NULL;
    uint32_t most = 0;
    for (uint32_t slot = 0; slot < server->batch.n; slot++) {
        struct kg_choice *choice = &server->choices[slot];
        if (choice->job) {
            continue;
        }
        const struct kg_lm_session *session = &choice->conversation->session;
        uint32_t same = kg_lm_common(session, job->tokens, job->n_tokens);
        if (same > most && same >= session->n_past / 2) {
            most = same;
            best = choice;
        }
        oldest = !oldest || choice->used_at < oldest->used_at ? choice : oldest;
    }
    return best ? best : oldest;
}

/* True if a choice of the job still reads the prompt of the next one: that copies it then. */
static bool reads_prompt(const struct kg_server *server, const struct kg_job *job)
{
    for (uint32_t slot = 0; slot < server->batch.n; slot++) {
        const struct kg_batch_slot *s = &server->batch.slots[slot];
        const struct kg_choice *choice = &server->choices[slot];
        bool same = choice->job == job && (job->task || choice->index / job->each == job->begun / job->each);
        if (same && s->running && kg_batch_reads(s)) {
            return true;
        }
    }
    return false;
}

/* The job whose next choice begins: one with the fewest running replies, of those the first that came. */
static struct kg_job *next_job(struct kg_server *server)
{
    struct kg_job *next = NULL;
    for (uint32_t i = 0; i < server->n_jobs; i++) {
        struct kg_job *job = &server->jobs[i];
        if (job->state != KG_JOB_WAITS || reads_prompt(server, job)) {
            continue;
        }
        bool before =
            !next || job->running < next->running || (job->running == next->running && job->number < next->number);
        next = before ? job : next;
    }
    return next;
}

static void fail_job(struct kg_job *job, enum kg_status status, const struct kg_error *error)
{
    struct kg_client *client = job->client;
    kg_print("kgpt: a reply failed: %s\n", error->message);
    job->server->k->failed = job->server->k->failed || status == KG_E_NUMBERS;
    if (!client) {
        return;
    }
    job->failed = true;
    kg_job_leave(job);
    client->job = NULL;
    if (job->head_sent) { /* the client sees that its answer breaks off */
        client->broken = true;
        return;
    }
    kg_answer_error(client, 500, NULL, "reply_failed", "%s", error->message);
}

static void begin_choice(struct kg_job *job, struct kg_choice *choice)
{
    struct kg_server *server = job->server;
    struct kg_conversation *c = choice->conversation;
    struct kg_error error;
    choice->job = job;
    choice->index = job->begun++;
    choice->opened = choice->ended = choice->closed = false;
    choice->told = 0;
    choice->call = (struct kg_call_place){0};
    choice->n_calls = 0;
    choice->in_call = choice->bare = false;
    choice->n_records = choice->told_records = 0;
    choice->request = job->request;
    choice->request.index = choice->index % job->each; /* as if its prompt had been asked for alone */
    choice->request.logprobs = !job->logprobs ? 0 : job->top_logprobs ? job->top_logprobs : 1;
    choice->sink = (struct kg_sink){.context = choice, .token = record_token, .stopped = choice_is_stopped};
    const struct kg_ask ask = {
        .request = &choice->request, .sinks = &choice->sink, .scratch = &server->k->arena, .batched = true};
    job->state = job->begun == job->n ? KG_JOB_RUNS : KG_JOB_WAITS;
    memcpy(c->prompt, job->tokens, job->n_tokens * sizeof *c->prompt);
    kg_batch_share_prefix(&server->batch, choice->slot, job->n_tokens);
    enum kg_status status = kg_conversation_continue(c, job->n_tokens, &ask, &error);
    if (status != KG_OK) {
        kg_choice_free(choice);
        fail_job(job, status, &error);
        return;
    }
    job->running++;
    if (choice->index % job->each == 0) {
        job->cached += c->reply.n_held;
        server->prompt_tokens += job->n_tokens;
    }
    kg_batch_join(&server->batch, choice->slot);
}

/* The task answers the client. */
static void run_job_task(struct kg_job *job, struct kg_choice *choice)
{
    struct kg_client *client = job->client;
    job->task(job, choice);
    choice->used_at = ++job->server->clock;
    client->job = NULL;
    job->state = KG_JOB_FREE;
}

/* A prompt is taken for a slot only. */
static bool has_free_slot(const struct kg_server *server)
{
    for (uint32_t slot = 0; slot < server->batch.n; slot++) {
        if (!server->choices[slot].job) {
            return true;
        }
    }
    return false;
}

void kg_jobs_begin(struct kg_server *server)
{
    struct kg_job *job;
    struct kg_choice *choice;
    while (!server->stopped && (job = next_job(server)) != NULL && has_free_slot(server)) {
        struct kg_error error;
        enum kg_status status = kg_job_next_prompt(job, &error);
        if (status != KG_OK) {
            fail_job(job, status, &error);
            continue;
        }
        choice = choose_slot(server, job);
        if (job->task) {
            run_job_task(job, choice);
        } else {
            begin_choice(job, choice);
        }
    }
}

bool kg_jobs_run(const struct kg_server *server)
{
    for (uint32_t slot = 0; slot < server->batch.n; slot++) {
        if (server->batch.slots[slot].running) {
            return true;
        }
    }
    return false;
}

/* A reply has ended. */
static void end_choice(struct kg_choice *choice, enum kg_status status, const struct kg_error *error)
{
    struct kg_job *job = choice->job;
    const struct kg_reply *reply = &choice->conversation->reply;
    bool full = status == KG_E_CONTEXT && reply->speed.tokens; /* the text filled the context: it is complete */
    choice->ended = true;
    job->running--;
    job->sampled += reply->speed.tokens;
    choice->server->tokens += reply->speed.tokens;
    choice->server->drafted += reply->speed.drafted;
    choice->server->accepted += reply->speed.accepted;
    if (status != KG_OK && !full && job->client && !choice->server->stopped) {
        fail_job(job, status, error);
    }
    if (!job->client) {
        kg_choice_free(choice);
        free_left_job(job);
    }
}

void kg_jobs_step(struct kg_server *server)
{
    server->inside = true;
    kg_batch_step(&server->batch);
    server->inside = false;
    for (uint32_t slot = 0; slot < server->batch.n; slot++) {
        struct kg_choice *choice = &server->choices[slot];
        const struct kg_batch_slot *s = &server->batch.slots[slot];
        if (choice->job && !choice->ended && !s->running) {
            end_choice(choice, s->status, &s->error);
        }
    }
}
