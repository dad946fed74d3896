/* Tools in a request: see tools.h. */
#include "app/server/tools.h"

#include "kgpt/grammar_schema.h"
#include "kgpt/mem.h"

#define NAME_MOST 64u /* bytes of a tool's name, as OpenAI's API has it */

static bool refuse_tool(struct kg_client *client, uint32_t i, const char *why)
{
    char param[32];
    kg_format(param, sizeof param, "tools.[%u]", i);
    return kg_refuse_value(client, param, "tool %u: %s", i, why);
}

static bool is_tool_name(struct kg_text name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.data[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '_' && c != '-') {
            return false;
        }
    }
    return name.n > 0 && name.n <= NAME_MOST;
}

/* Tool number `i`: its name, and the schema of its arguments. */
static bool read_tool(struct kg_client *client, uint32_t value, uint32_t i, struct kg_called_tool *tool)
{
    const struct kg_json_tree *json = &client->server->json;
    uint32_t type = kg_field(client, value, "type"), function = kg_field(client, value, "function");
    uint32_t name = kg_field(client, function, "name");
    if (type != KG_JSON_NONE && !kg_json_says(json, type, "function")) {
        return refuse_tool(client, i, "its type is not function");
    }
    if (kg_json_kind(json, name) != KG_JSON_STRING || !is_tool_name(kg_json_string(json, name))) {
        return refuse_tool(client, i, "function.name must be 1 to 64 letters, digits, underscores and hyphens");
    }
    tool->name = kg_json_string(json, name);
    tool->parameters = kg_field(client, function, "parameters");
    return tool->parameters == KG_JSON_NONE || json->values[tool->parameters].kind == KG_JSON_OBJECT ||
           refuse_tool(client, i, "function.parameters is no JSON schema");
}

/* What tool_choice says. */
struct choice {
    bool none, required;
    struct kg_text name; /* of the only tool that may be called; without data: any */
};

static bool read_choice(struct kg_client *client, uint32_t root, struct choice *choice)
{
    const struct kg_json_tree *json = &client->server->json;
    uint32_t field = kg_field(client, root, "tool_choice"), type = kg_json_member(json, field, "type");
    uint32_t name = kg_json_member(json, kg_json_member(json, field, "function"), "name");
    bool named = kg_json_says(json, type, "function") && kg_json_kind(json, name) == KG_JSON_STRING;
    choice->none = kg_json_says(json, field, "none");
    choice->required = named || kg_json_says(json, field, "required");
    if (named) {
        choice->name = kg_json_string(json, name);
    }
    if (field == KG_JSON_NONE || choice->none || choice->required || kg_json_says(json, field, "auto")) {
        return true;
    }
    return kg_refuse_value(
        client, "tool_choice",
        "tool_choice must be none, auto, required, or {\"type\": \"function\", \"function\": {\"name\": …}}");
}

/* The reply is one or more calls, with arguments that are valid for the schemas. */
static bool require_calls(struct kg_client *client, struct kg_job *job, const struct kg_called_tool *tools, uint32_t n)
{
    const struct kg_chat *chat = &client->server->loaded->chat;
    const struct kg_call_form form = {.before = chat->piece[KG_CHAT_CALL_PRE],
                                      .between = chat->piece[KG_CHAT_CALL_ARGUMENTS],
                                      .again = chat->piece[KG_CHAT_CALL_NEXT],
                                      .after = chat->piece[KG_CHAT_CALL_POST],
                                      .several = !job->one_call};
    struct kg_error error;
    kg_arena_rewind(&job->memory, 0);
    enum kg_status status = kg_grammar_calls(&job->grammar, &client->server->json, &form, tools, n, &job->memory,
                                             &client->server->k->arena, &error);
    return kg_job_constrain(client, job, "tools", status, &error);
}

/* What does not go together with tools. A grammar in GBNF says itself what is called; other grammars have no calls. */
static bool refuse_beside_tools(struct kg_client *client, uint32_t root, const struct kg_job *job,
                                const struct choice *choice)
{
    bool gbnf = kg_field(client, root, "grammar") != KG_JSON_NONE && !choice->required;
    const char *field = job->logprobs ? "logprobs" : job->request.grammar && !gbnf ? "response_format" : NULL;
    if (field) {
        kg_answer_error(client, 400, field, "unsupported_parameter",
                        "%s beside tools is not supported: send one of them, or tool_choice none",
                        job->logprobs ? "logprobs" : "a schema or a grammar");
    }
    return field != NULL;
}

/* The tools that may be called: all, or the one that is named. */
static bool read_tools(struct kg_client *client, uint32_t list, struct kg_job *job, const struct choice *choice)
{
    const struct kg_json_tree *json = &client->server->json;
    struct kg_called_tool tool,
        *tools = kg_arena_array(&client->server->k->arena, json->values[list].next - list, sizeof *tools);
    uint32_t n = 0, i = 0;
    if (!tools) {
        kg_answer_error(client, 503, "tools", NULL, "the memory is full");
        return false;
    }
    for (uint32_t value = KG_JSON_NONE; (value = kg_json_next(json, list, value)) != KG_JSON_NONE;) {
        if (!read_tool(client, value, i++, &tool)) {
            return false;
        }
        if (!choice->name.data || kg_text_same(choice->name, tool.name)) {
            tools[n++] = tool;
        }
    }
    if (!n) {
        return kg_refuse_value(client, "tool_choice", "tool_choice names a function that is not in tools");
    }
    return !choice->required || require_calls(client, job, tools, n);
}

bool kg_fields_tools(struct kg_client *client, uint32_t root, struct kg_job *job, bool choice)
{
    const struct kg_json_tree *json = &client->server->json;
    const struct kg_lm_loaded *loaded = client->server->loaded;
    uint32_t list = kg_field(client, root, "tools");
    struct choice chosen = {.none = false};
    size_t used = client->server->k->arena.used;
    bool parallel = true;
    job->tools = KG_JSON_NONE;
    if (choice &&
        (!read_choice(client, root, &chosen) || !kg_field_bool(client, root, "parallel_tool_calls", &parallel))) {
        return false;
    }
    if (list != KG_JSON_NONE && kg_json_kind(json, list) != KG_JSON_LIST) {
        return kg_refuse_value(client, "tools", "tools must be a list of functions");
    }
    bool some = kg_json_first(json, list) != KG_JSON_NONE;
    if (chosen.required && !some) {
        return kg_refuse_value(client, "tool_choice", "tool_choice asks for a call, but there are no tools");
    }
    if (!some || chosen.none) { /* the model is not told of them */
        return true;
    }
    if (!loaded->has_chat || !kg_chat_takes_tools(&loaded->chat)) {
        kg_answer_error(client, 400, "tools", "unsupported_parameter",
                        "the chat template of %s has no tools of a form that this server knows", client->server->name);
        return false;
    }
    job->one_call = !parallel || chosen.name.data;
    bool good = !refuse_beside_tools(client, root, job, &chosen) && read_tools(client, list, job, &chosen);
    kg_arena_rewind(&client->server->k->arena, used);
    job->calls = good;
    job->tools = list;
    return good;
}

bool kg_job_tools(struct kg_client *client, const struct kg_job *job, struct kg_told_chat *chat)
{
    const struct kg_json_tree *json = &client->server->json;
    struct kg_arena *arena = &client->server->k->arena;
    if (job->tools == KG_JSON_NONE) {
        return true;
    }
    struct kg_text *texts = kg_arena_array(arena, json->values[job->tools].next - job->tools, sizeof *texts);
    bool good = texts;
    for (uint32_t i = KG_JSON_NONE; good && (i = kg_json_next(json, job->tools, i)) != KG_JSON_NONE;) {
        good = kg_json_as_python(json, i, arena, &texts[chat->n_tools++]);
    }
    chat->tools = texts;
    if (!good) {
        kg_answer_error(client, 503, "tools", NULL, "the memory is full");
    }
    return good;
}

/* Arguments are an object, or the text of one (OpenAI's API). Texts are read behind the values of the request. */
static bool read_arguments(const struct kg_client *client, uint32_t value, struct kg_text *text)
{
    const struct kg_json_tree *json = &client->server->json;
    struct kg_arena *arena = &client->server->k->arena;
    if (kg_json_kind(json, value) != KG_JSON_STRING) {
        return kg_json_kind(json, value) == KG_JSON_OBJECT && kg_json_as_python(json, value, arena, text);
    }
    struct kg_text said = kg_json_string(json, value);
    struct kg_json_tree inner = {.values = json->values + json->n, .room = json->room - json->n};
    char *copy = kg_arena_take(arena, said.n ? said.n : 1);
    if (!copy) {
        return false;
    }
    memcpy(copy, said.data, said.n);
    return kg_json_read(&inner, copy, said.n) && inner.values[0].kind == KG_JSON_OBJECT &&
           kg_json_as_python(&inner, 0, arena, text);
}

static bool read_call(const struct kg_client *client, uint32_t value, struct kg_chat_call *call)
{
    const struct kg_json_tree *json = &client->server->json;
    uint32_t function = kg_json_member(json, value, "function"), name = kg_json_member(json, function, "name");
    if (kg_json_kind(json, name) != KG_JSON_STRING || !is_tool_name(kg_json_string(json, name))) {
        return false;
    }
    call->name = kg_json_string(json, name);
    return read_arguments(client, kg_json_member(json, function, "arguments"), &call->arguments);
}

bool kg_message_calls(struct kg_client *client, uint32_t message, uint32_t i, struct kg_told *told)
{
    const struct kg_json_tree *json = &client->server->json;
    uint32_t list = kg_field(client, message, "tool_calls");
    char param[32];
    if (list == KG_JSON_NONE) {
        return true;
    }
    struct kg_chat_call *calls =
        kg_arena_array(&client->server->k->arena, json->values[list].next - list, sizeof *calls);
    bool good = calls && kg_json_kind(json, list) == KG_JSON_LIST;
    for (uint32_t value = KG_JSON_NONE; good && (value = kg_json_next(json, list, value)) != KG_JSON_NONE;) {
        good = read_call(client, value, &calls[told->n_calls++]);
    }
    told->calls = calls;
    if (!good) {
        kg_format(param, sizeof param, "messages.[%u]", i);
        (void)kg_refuse_value(
            client, param,
            "message %u: tool_calls must be a list of functions, each with a name and arguments that are a "
            "JSON object",
            i);
    }
    return good;
}
