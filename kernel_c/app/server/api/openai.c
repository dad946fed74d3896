/* OpenAI's API: the models, and what its replies share. See openai.h. */
#include "openai.h"

#include "app/events/events.h"
#include "app/server/endpoints.h"

#include "kgpt/mem.h"

void kg_get_health(struct kg_client *client)
{
    static const char body[] = "{\"status\":\"ok\"}";
    kg_answer(client, 200, "application/json; charset=utf-8", body, sizeof body - 1);
}

static void write_model(struct kg_json *json, const struct kg_server *server)
{
    kg_json_object_begin(json, NULL);
    kg_json_text(json, "id", server->name);
    kg_json_text(json, "object", "model");
    kg_json_u64(json, "created", 0);
    kg_json_text(json, "owned_by", "kgpt");
    kg_json_object_end(json);
}

void kg_get_models(struct kg_client *client)
{
    struct kg_json *json = kg_answer_json_begin(client);
    kg_json_object_begin(json, NULL);
    kg_json_text(json, "object", "list");
    kg_json_list_begin(json, "data");
    write_model(json, client->server);
    kg_json_list_end(json);
    kg_json_object_end(json);
    kg_answer_json_send(client, 200);
}

bool kg_openai_is_model(const struct kg_server *server, struct kg_text name)
{
    const char *own = server->k->lm->loaded.model.name;
    return (name.n == kg_strlen(server->name) && memcmp(name.data, server->name, name.n) == 0) ||
           (name.n == kg_strlen(own) && memcmp(name.data, own, name.n) == 0);
}

static void refuse_other_model(struct kg_client *client, struct kg_text name)
{
    int shown = name.n < 64 ? (int)name.n : 64;
    kg_answer_error(client, 404, "model", "model_not_found", "there is no model %.*s here, only %s", shown, name.data,
                    client->server->name);
}

void kg_get_model(struct kg_client *client)
{
    static const char before[] = "/v1/models/";
    struct kg_text path = client->head.path;
    char text[128];
    struct kg_text name = {path.data + sizeof before - 1, path.n - (sizeof before - 1)};
    name = (struct kg_text){text, kg_http_unescape(name, text, sizeof text)};
    if (!kg_openai_is_model(client->server, name)) {
        refuse_other_model(client, name);
        return;
    }
    struct kg_json *json = kg_answer_json_begin(client);
    write_model(json, client->server);
    kg_answer_json_send(client, 200);
}

/* A field that would change the answer, unless it is null, false, an empty list, one of the two texts, or a list of the
 * first one. */
struct unsupported {
    const char *name, *harmless, *also;
};

/* True for a list of nothing but `text`, or of nothing at all. */
static bool holds_only(const struct kg_json_tree *json, uint32_t list, const char *text)
{
    bool only = true;
    for (uint32_t i = kg_json_first(json, list); only && i != KG_JSON_NONE; i = kg_json_after(json, list, i)) {
        only = text && kg_json_says(json, i, text);
    }
    return only;
}

static bool is_harmless(const struct kg_json_tree *json, uint32_t value, const struct unsupported *field)
{
    switch (kg_json_kind(json, value)) {
    case KG_JSON_NULL:
    case KG_JSON_FALSE: return true;
    case KG_JSON_LIST: return holds_only(json, value, field->harmless);
    case KG_JSON_STRING:
        return (field->harmless && kg_json_says(json, value, field->harmless)) ||
               (field->also && kg_json_says(json, value, field->also));
    default: return false;
    }
}

static bool refuse_unsupported(struct kg_client *client, uint32_t root, const struct unsupported *fields, size_t n)
{
    const struct kg_json_tree *json = &client->server->json;
    for (size_t i = 0; i < n; i++) {
        uint32_t value = kg_field(client, root, fields[i].name);
        if (value != KG_JSON_NONE && !is_harmless(json, value, &fields[i])) {
            return kg_refuse_field(client, fields[i].name);
        }
    }
    return true;
}

bool kg_openai_has_no_tools(struct kg_client *client, uint32_t root)
{
    static const struct unsupported fields[] = {{"tools", NULL, NULL}, {"tool_choice", "none", "auto"}};
    return refuse_unsupported(client, root, fields, sizeof fields / sizeof fields[0]);
}

bool kg_openai_check(struct kg_client *client, uint32_t root)
{
    static const struct unsupported fields[] = {
        {"modalities", "text", NULL}, {"functions", NULL, NULL},          {"function_call", "none", "auto"},
        {"audio", NULL, NULL},        {"web_search_options", NULL, NULL}, {"suffix", "", NULL},
        {"echo", NULL, NULL},
    };
    struct kg_text name = {NULL, 0};
    if (!kg_field_text(client, root, "model", &name)) {
        return false;
    }
    if (name.data && !kg_openai_is_model(client->server, name)) {
        refuse_other_model(client, name);
        return false;
    }
    return refuse_unsupported(client, root, fields, sizeof fields / sizeof fields[0]);
}

bool kg_openai_fields(struct kg_client *client, uint32_t root, struct kg_job *job, bool *stream)
{
    uint32_t options = kg_field(client, root, "stream_options");
    return kg_field_count(client, root, "n", 1, KG_SERVER_CHOICES, &job->n) &&
           kg_field_predict(client, root, "max_tokens", job) &&
           kg_field_predict(client, root, "max_completion_tokens", job) &&
           kg_field_predict(client, root, "n_predict", job) && kg_field_bool(client, root, "stream", stream) &&
           kg_field_bool(client, options, "include_usage", &job->usage) && kg_fields_sampling(client, root, job) &&
           kg_fields_grammar(client, root, job);
}

void kg_openai_keys(struct kg_json *json, const struct kg_job *job, const char *prefix, const char *object)
{
    char id[48];
    kg_format(id, sizeof id, "%s-%lu", prefix, (unsigned long)job->number);
    kg_json_text(json, "id", id);
    kg_json_text(json, "object", object);
    kg_json_u64(json, "created", job->created);
    kg_json_text(json, "model", job->server->name);
    kg_format(id, sizeof id, "kgpt-%s", kgpt_version);
    kg_json_text(json, "system_fingerprint", id);
}

void kg_openai_usage(struct kg_json *json, const struct kg_job *job)
{
    kg_json_object_begin(json, "usage");
    kg_json_u64(json, "prompt_tokens", job->all_tokens);
    kg_json_u64(json, "completion_tokens", job->sampled);
    kg_json_u64(json, "total_tokens", job->all_tokens + job->sampled);
    kg_json_object_begin(json, "prompt_tokens_details");
    kg_json_u64(json, "cached_tokens", job->cached);
    kg_json_object_end(json);
    kg_json_object_end(json);
}
