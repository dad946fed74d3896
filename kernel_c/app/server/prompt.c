/* What a reply answers or continues, as tokens: see server.h. */
#include "server.h"

#include "app/cmdline/keys.h"

#include "kgpt/mem.h"

/* The messages of a chat while they are read: texts of users and assistants in turn. Memory of the arena. */
struct told_chat {
    struct kg_text system, *texts;
    uint32_t n;
};

static bool refuse_messages(struct kg_client *client, uint32_t i, const char *why)
{
    char param[32];
    kg_format(param, sizeof param, "messages.[%u]", i);
    kg_answer_error(client, 400, param, "invalid_value", "message %u: %s", i, why);
    return false;
}

/* The text of a content that is a list of parts: the parts joined, in memory of the arena. */
static bool join_parts(struct kg_client *client, uint32_t content, uint32_t i, struct kg_text *text)
{
    struct kg_arena *arena = &client->server->k->arena;
    const struct kg_json_tree *json = &client->server->json;
    size_t n = 0;
    char *joined = kg_arena_take(arena, json->values[content].n);
    if (!joined) {
        return refuse_messages(client, i, "its text does not fit the memory");
    }
    for (uint32_t part = kg_json_first(json, content); part != KG_JSON_NONE;
         part = kg_json_after(json, content, part)) {
        uint32_t type = kg_json_member(json, part, "type"), said = kg_json_member(json, part, "text");
        bool is_text = type != KG_JSON_NONE && kg_json_says(json, type, "text") && said != KG_JSON_NONE &&
                       json->values[said].kind == KG_JSON_STRING;
        if (!is_text) {
            return refuse_messages(client, i, "only parts of the type text are supported, no images or sounds");
        }
        struct kg_text piece = kg_json_string(json, said);
        memcpy(joined + n, piece.data, piece.n); /* shorter than the list that holds it */
        n += piece.n;
    }
    *text = (struct kg_text){joined, n};
    return true;
}

static bool read_content(struct kg_client *client, uint32_t message, uint32_t i, struct kg_text *text)
{
    const struct kg_json_tree *json = &client->server->json;
    uint32_t content = kg_field(client, message, "content"), calls = kg_field(client, message, "tool_calls");
    if (calls != KG_JSON_NONE && kg_json_first(json, calls) != KG_JSON_NONE) {
        return refuse_messages(client, i, "tool_calls are not supported");
    }
    if (content == KG_JSON_NONE) {
        return refuse_messages(client, i, "content is missing");
    }
    if (json->values[content].kind == KG_JSON_LIST) {
        return join_parts(client, content, i, text);
    }
    if (json->values[content].kind != KG_JSON_STRING) {
        return refuse_messages(client, i, "content must be a string or a list of parts");
    }
    *text = kg_json_string(json, content);
    return true;
}

/* Message number `i`: a system prompt comes first; users and assistants take turns, users first. */
static bool read_chat_message(struct kg_client *client, uint32_t message, uint32_t i, struct told_chat *chat)
{
    const struct kg_json_tree *json = &client->server->json;
    uint32_t role = kg_field(client, message, "role");
    struct kg_text text;
    if (role == KG_JSON_NONE) {
        return refuse_messages(client, i, "it is no object with a role");
    }
    bool system = kg_json_says(json, role, "system") || kg_json_says(json, role, "developer");
    bool user = kg_json_says(json, role, "user"), assistant = kg_json_says(json, role, "assistant");
    if (!system && !user && !assistant) {
        return refuse_messages(client, i, "its role is none of system, developer, user, assistant");
    }
    if (!read_content(client, message, i, &text)) {
        return false;
    }
    if (system) {
        if (i > 0) {
            return refuse_messages(client, i, "a system message must come first, and alone");
        }
        chat->system = text;
        return true;
    }
    if (user != (chat->n % 2 == 0)) {
        return refuse_messages(client, i,
                               user ? "a message of the user follows another one"
                                    : "an assistant's message does not follow one of the user");
    }
    chat->texts[chat->n++] = text;
    return true;
}

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

static bool read_messages(struct kg_client *client, uint32_t messages, struct told_chat *chat)
{
    const struct kg_json_tree *json = &client->server->json;
    uint32_t i = 0, last = 0;
    for (uint32_t m = kg_json_first(json, messages); m != KG_JSON_NONE; m = kg_json_after(json, messages, m)) {
        last = i;
        if (!read_chat_message(client, m, i++, chat)) {
            return false;
        }
    }
    return chat->n % 2 == 1 || refuse_messages(client, last, "the last message must be one of the user");
}

bool kg_job_messages(struct kg_client *client, uint32_t messages, struct kg_job *job)
{
    struct kg_lm *lm = client->server->k->lm;
    struct kg_arena *arena = &client->server->k->arena;
    const struct kg_json_tree *json = &client->server->json;
    const char *system = kg_lm_system(&client->server->k->config.lm);
    struct told_chat chat = {.system = {system, kg_strlen(system)}};
    struct kg_error error;
    size_t used = arena->used;
    if (messages == KG_JSON_NONE || kg_json_first(json, messages) == KG_JSON_NONE ||
        json->values[messages].kind != KG_JSON_LIST) {
        kg_answer_error(client, 400, "messages", "invalid_value", "messages must be a list of at least one message");
        return false;
    }
    if (!lm->loaded.has_chat) {
        kg_answer_error(client, 400, "messages", "no_chat_template",
                        "the model %s has no chat template: use /v1/completions", client->server->name);
        return false;
    }
    /* A message has several values. */
    chat.texts = kg_arena_array(arena, json->values[messages].next - messages, sizeof *chat.texts);
    bool good = chat.texts ? read_messages(client, messages, &chat)
                           : refuse_messages(client, 0, "the messages do not fit the memory");
    if (good) {
        struct kg_said_tokens said = said_tokens_of(job);
        enum kg_status status =
            kg_lm_encode_chat(&said, &lm->loaded, chat.system, chat.texts, chat.n, job->request.plain, arena, &error);
        good = take_encoded(client, job, &said, status, &error);
    }
    kg_arena_rewind(arena, used);
    return good;
}

bool kg_job_message(struct kg_client *client, struct kg_text system, struct kg_text text, struct kg_job *job)
{
    struct kg_server *server = client->server;
    struct kg_lm *lm = server->k->lm;
    const char *own = kg_lm_system(&server->k->config.lm);
    struct kg_said_tokens said = said_tokens_of(job);
    struct kg_error error;
    system = system.data ? system : (struct kg_text){own, kg_strlen(own)};
    enum kg_status status =
        kg_lm_encode_chat(&said, &lm->loaded, system, &text, 1, job->request.plain, &server->k->arena, &error);
    return take_encoded(client, job, &said, status, &error);
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
