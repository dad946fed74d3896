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
    const char *own = server->loaded->model.name;
    return kg_text_is(name, server->name) || kg_text_is(name, own);
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

bool kg_openai_has_no_tools(struct kg_client *client, uint32_t root)
{
    static const struct kg_off_field fields[] = {{"tools", NULL, NULL, KG_NEVER_OFF},
                                                 {"tool_choice", "none", "auto", KG_NEVER_OFF}};
    return kg_fields_off(client, root, fields, sizeof fields / sizeof fields[0]);
}

bool kg_openai_check(struct kg_client *client, uint32_t root)
{
    static const struct kg_off_field fields[] = {
        {"modalities", "text", NULL, KG_NEVER_OFF},
        {"functions", NULL, NULL, KG_NEVER_OFF},
        {"function_call", "none", "auto", KG_NEVER_OFF},
        {"audio", NULL, NULL, KG_NEVER_OFF},
        {"web_search_options", NULL, NULL, KG_NEVER_OFF},
        {"suffix", "", NULL, KG_NEVER_OFF},
        {"echo", NULL, NULL, KG_NEVER_OFF},
    };
    struct kg_text name = {NULL, 0};
    if (!kg_field_text(client, root, "model", &name)) {
        return false;
    }
    if (name.data && !kg_openai_is_model(client->server, name)) {
        refuse_other_model(client, name);
        return false;
    }
    return kg_fields_off(client, root, fields, sizeof fields / sizeof fields[0]);
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
