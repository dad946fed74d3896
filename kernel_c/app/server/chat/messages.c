/* The messages of a chat: see server.h. */
#include "app/server/server.h"

#include "app/cmdline/keys.h"
#include "app/server/tools.h"

#include "kgpt/mem.h"

/* The messages while they are read. Memory of the arena. */
struct told_messages {
    struct kg_text system;
    struct kg_told *told;
    uint32_t n;
};

static bool refuse_messages(struct kg_client *client, uint32_t i, const char *why)
{
    char param[32];
    kg_format(param, sizeof param, "messages.[%u]", i);
    return kg_refuse_value(client, param, "message %u: %s", i, why);
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
    for (uint32_t part = KG_JSON_NONE; (part = kg_json_next(json, content, part)) != KG_JSON_NONE;) {
        uint32_t type = kg_json_member(json, part, "type"), said = kg_json_member(json, part, "text");
        bool is_text = kg_json_says(json, type, "text") && kg_json_kind(json, said) == KG_JSON_STRING;
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

/* A reply with calls may have no text. */
static bool read_content(struct kg_client *client, uint32_t message, uint32_t i, struct kg_told *told)
{
    const struct kg_json_tree *json = &client->server->json;
    uint32_t content = kg_field(client, message, "content");
    if (content == KG_JSON_NONE && told->n_calls) {
        told->text = (struct kg_text){"", 0};
        return true;
    }
    if (content == KG_JSON_NONE) {
        return refuse_messages(client, i, "content is missing");
    }
    if (kg_json_kind(json, content) == KG_JSON_LIST) {
        return join_parts(client, content, i, &told->text);
    }
    if (kg_json_kind(json, content) != KG_JSON_STRING) {
        return refuse_messages(client, i, "content must be a string or a list of parts");
    }
    told->text = kg_json_string(json, content);
    return true;
}

/* Why a message cannot stand behind the one before it (NULL: it is the first); NULL: it can. `rows`: the template takes
 * messages of the user in a row. */
static const char *why_not_behind(const struct kg_told *last, enum kg_told_kind kind, bool rows)
{
    bool waits = last && last->kind == KG_TOLD_REPLY && last->n_calls; /* for results */
    switch (kind) {
    case KG_TOLD_RESULT:
        return waits || (last && last->kind == KG_TOLD_RESULT) ? NULL : "a tool's message follows no tool_calls";
    case KG_TOLD_MESSAGE:
        return !last || (last->kind == KG_TOLD_REPLY && !waits) ? NULL
               : waits                                          ? "tool_calls are not followed by a tool's message"
               : last->kind == KG_TOLD_RESULT                   ? "a message of the user follows one of a tool"
               : rows                                           ? NULL
                                                                : "a message of the user follows another one";
    default:
        return last && last->kind != KG_TOLD_REPLY ? NULL
               : waits                             ? "tool_calls are not followed by a tool's message"
                                                   : "an assistant's message does not follow one of the user";
    }
}

static bool read_message_role(struct kg_client *client, uint32_t message, uint32_t i, bool *system,
                              enum kg_told_kind *kind)
{
    const struct kg_json_tree *json = &client->server->json;
    uint32_t role = kg_field(client, message, "role");
    if (role == KG_JSON_NONE) {
        return refuse_messages(client, i, "it is no object with a role");
    }
    bool user = kg_json_says(json, role, "user"), assistant = kg_json_says(json, role, "assistant");
    bool tool = kg_json_says(json, role, "tool");
    *system = kg_json_says(json, role, "system") || kg_json_says(json, role, "developer");
    *kind = user ? KG_TOLD_MESSAGE : assistant ? KG_TOLD_REPLY : KG_TOLD_RESULT;
    return *system || user || assistant || tool ||
           refuse_messages(client, i, "its role is none of system, developer, user, assistant, tool");
}

/* Message number `i`: a system prompt comes first; users and assistants take turns, users first. */
static bool read_chat_message(struct kg_client *client, uint32_t message, uint32_t i, struct told_messages *chat)
{
    struct kg_told told = {.n_calls = 0};
    bool system = false;
    if (!read_message_role(client, message, i, &system, &told.kind) || !kg_message_calls(client, message, i, &told)) {
        return false;
    }
    if (told.n_calls && (system || told.kind != KG_TOLD_REPLY)) {
        return refuse_messages(client, i, "tool_calls belong to an assistant's message");
    }
    if (!read_content(client, message, i, &told)) {
        return false;
    }
    if (system) {
        chat->system = told.text;
        return i == 0 || refuse_messages(client, i, "a system message must come first, and alone");
    }
    bool rows = client->server->loaded->chat.flags & KG_CHAT_ROWS;
    const char *why = why_not_behind(chat->n ? &chat->told[chat->n - 1] : NULL, told.kind, rows);
    if (why) {
        return refuse_messages(client, i, why);
    }
    chat->told[chat->n++] = told;
    return true;
}

static bool read_messages(struct kg_client *client, uint32_t messages, struct told_messages *chat)
{
    const struct kg_json_tree *json = &client->server->json;
    uint32_t i = 0;
    for (uint32_t m = KG_JSON_NONE; (m = kg_json_next(json, messages, m)) != KG_JSON_NONE;) {
        if (!read_chat_message(client, m, i++, chat)) {
            return false;
        }
    }
    return (chat->n && !chat->told[chat->n - 1].n_calls) ||
           refuse_messages(client, i - 1, "the last message must be one of the user or of a tool, or begin the reply");
}

bool kg_job_messages(struct kg_client *client, uint32_t messages, struct kg_job *job)
{
    struct kg_arena *arena = &client->server->k->arena;
    const struct kg_json_tree *json = &client->server->json;
    const char *system = kg_lm_system(&client->server->k->config.lm);
    struct told_messages read = {.system = {system, kg_strlen(system)}};
    size_t used = arena->used;
    if (kg_json_kind(json, messages) != KG_JSON_LIST || kg_json_first(json, messages) == KG_JSON_NONE) {
        return kg_refuse_value(client, "messages", "messages must be a list of at least one message");
    }
    if (!client->server->loaded->has_chat) {
        kg_answer_error(client, 400, "messages", "no_chat_template",
                        "the model %s has no chat template: use /v1/completions", client->server->name);
        return false;
    }
    /* A message has several values. */
    read.told = kg_arena_array(arena, json->values[messages].next - messages, sizeof *read.told);
    struct kg_told_chat chat = {.plain = job->request.plain};
    bool good = (read.told || refuse_messages(client, 0, "the messages do not fit the memory")) &&
                read_messages(client, messages, &read) && kg_job_tools(client, job, &chat);
    if (good) {
        chat.system = read.system;
        chat.told = read.told;
        chat.n = read.n;
        good = kg_job_told(client, &chat, job);
    }
    kg_arena_rewind(arena, used);
    return good;
}
