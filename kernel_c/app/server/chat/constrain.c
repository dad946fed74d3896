/* Replies that stay within a grammar: response_format of OpenAI, grammar and json_schema of llama.cpp. See server.h. */
#include "app/server/server.h"

#include "kgpt/grammar_schema.h"
#include "kgpt/matcher.h"

/* A matcher for each slot, and memory for the grammar of each job. */
void kg_server_grammars_carve(struct kg_server *server, const struct kg_vocab *vocab, struct kg_arena *arena)
{
    struct kg_matcher counted;
    kg_token_order_carve(&server->order, vocab, arena);
    server->matchers = kg_arena_array(arena, server->batch.n, sizeof *server->matchers);
    for (uint32_t i = 0; i < server->batch.n; i++) {
        kg_matcher_carve(arena->counts ? &counted : &server->matchers[i], &server->order, arena);
    }
    for (uint32_t i = 0; i < server->n_jobs; i++) {
        void *memory = kg_arena_take(arena, KG_SERVER_GRAMMAR);
        if (!arena->counts) {
            kg_arena_init(&server->jobs[i].memory, memory, KG_SERVER_GRAMMAR);
        }
    }
    if (arena->counts) {
        size_t order = kg_token_order_scratch(vocab); /* not at the same time */
        kg_arena_reserve(arena, order > KG_SERVER_READING ? order : KG_SERVER_READING);
    }
}

enum kg_status kg_server_grammars_fill(struct kg_server *server, struct kg_error *error)
{
    struct kgpt *k = server->k;
    for (uint32_t i = 0; i < server->batch.n; i++) {
        server->batch.slots[i].conversation->matcher = &server->matchers[i];
    }
    return kg_token_order_fill(&server->order, k->lm->loaded.end_token, &k->arena, error);
}

/* The reply gets the grammar that was read, and no thoughts, which it would not let through. */
bool kg_job_constrain(struct kg_client *client, struct kg_job *job, const char *field, enum kg_status status,
                      const struct kg_error *error)
{
    if (status == KG_E_MEMORY) {
        kg_answer_error(client, 400, field, "grammar_too_large", "%s needs more than %u KB of memory", field,
                        KG_SERVER_GRAMMAR >> 10);
    } else if (status != KG_OK) {
        kg_answer_error(client, 400, field, "invalid_grammar", "%s", error->message);
    } else {
        job->request.grammar = &job->grammar;
        job->request.plain = true;
    }
    return status == KG_OK;
}

static bool read_schema_field(struct kg_client *client, uint32_t schema, struct kg_job *job, const char *field)
{
    struct kg_error error;
    enum kg_status status = kg_grammar_schema(&job->grammar, &client->server->json, schema, &job->memory,
                                              &client->server->k->arena, &error);
    return kg_job_constrain(client, job, field, status, &error);
}

static bool read_any_object(struct kg_client *client, struct kg_job *job)
{
    static const char object[] = "{\"type\": \"object\"}";
    struct kg_error error;
    enum kg_status status = kg_grammar_read_schema(&job->grammar, (struct kg_text){object, sizeof object - 1},
                                                   &job->memory, &client->server->k->arena, &error);
    return kg_job_constrain(client, job, "response_format", status, &error);
}

static bool read_response_format(struct kg_client *client, uint32_t format, struct kg_job *job)
{
    const struct kg_json_tree *json = &client->server->json;
    uint32_t type = kg_json_member(json, format, "type"), wrapped = kg_json_member(json, format, "json_schema");
    uint32_t schema = kg_json_member(json, wrapped, "schema");
    if (schema == KG_JSON_NONE) { /* llama.cpp takes it beside the type */
        schema = kg_json_member(json, format, "schema");
    }
    if (kg_json_says(json, type, "text")) {
        return true;
    }
    if (kg_json_says(json, type, "json_object")) {
        return schema == KG_JSON_NONE ? read_any_object(client, job)
                                      : read_schema_field(client, schema, job, "response_format");
    }
    if (kg_json_says(json, type, "json_schema") && schema != KG_JSON_NONE) {
        return read_schema_field(client, schema, job, "response_format");
    }
    return kg_refuse_value(client, "response_format",
                           "response_format must be of the type text, json_object, or json_schema with a schema");
}

bool kg_field_format(struct kg_client *client, uint32_t root, struct kg_job *job)
{
    const struct kg_json_tree *json = &client->server->json;
    uint32_t format = kg_field(client, root, "format");
    kg_arena_rewind(&job->memory, 0);
    if (format == KG_JSON_NONE || kg_json_says(json, format, "")) {
        return true;
    }
    if (kg_json_says(json, format, "json")) {
        return read_any_object(client, job);
    }
    if (kg_json_kind(json, format) == KG_JSON_OBJECT) {
        return read_schema_field(client, format, job, "format");
    }
    return kg_refuse_value(client, "format", "format must be \"json\" or a JSON schema");
}

bool kg_fields_grammar(struct kg_client *client, uint32_t root, struct kg_job *job)
{
    uint32_t format = kg_field(client, root, "response_format"), schema = kg_field(client, root, "json_schema");
    struct kg_text grammar = {NULL, 0};
    struct kg_error error;
    kg_arena_rewind(&job->memory, 0);
    if (!kg_field_text(client, root, "grammar", &grammar)) {
        return false;
    }
    if ((format != KG_JSON_NONE) + (schema != KG_JSON_NONE) + (grammar.n > 0) > 1) {
        return kg_refuse_value(
            client, "grammar",
            "response_format, json_schema and grammar all say what a reply may say: send one of them");
    }
    if (format != KG_JSON_NONE) {
        return read_response_format(client, format, job);
    }
    if (schema != KG_JSON_NONE) {
        return read_schema_field(client, schema, job, "json_schema");
    }
    return !grammar.n ||
           kg_job_constrain(client, job, "grammar",
                            kg_grammar_read(&job->grammar, grammar, &job->memory, &client->server->k->arena, &error),
                            &error);
}
