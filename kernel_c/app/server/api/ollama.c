/* Ollama's API: the version, and the model that is served. See ollama.h. */
#include "ollama.h"

#include "app/events/events.h"
#include "app/server/endpoints.h"
#include "openai.h"

#include "kgpt/date.h"
#include "kgpt/mem.h"

#define TAG ":latest"
#define VERSION "0.12.0"    /* of Ollama's API, for clients that ask whether a server is recent enough */
#define TEMPLATE_MOST 8192u /* bytes of a chat template that is shown */

static bool has_tag(const char *name)
{
    while (*name && *name != ':') {
        name++;
    }
    return *name == ':';
}

void kg_ollama_name(const struct kg_server *server, char name[KG_OLLAMA_NAME])
{
    kg_format(name, KG_OLLAMA_NAME, "%s%s", server->name, has_tag(server->name) ? "" : TAG);
}

void kg_ollama_time(uint64_t seconds, char text[KG_OLLAMA_NAME])
{
    struct kg_date date = kg_date_of(seconds);
    kg_format(text, KG_OLLAMA_NAME, "%04u-%02u-%02uT%02u:%02u:%02uZ", date.year, date.month, date.day, date.hour,
              date.minute, date.second);
}

bool kg_ollama_check(struct kg_client *client, uint32_t root, const char *field)
{
    static const size_t tag = sizeof TAG - 1;
    struct kg_text name = {NULL, 0};
    if (!kg_field_text(client, root, field, &name)) {
        return false;
    }
    if (!name.data || !name.n) {
        return kg_refuse_value(client, field, "%s is required", field);
    }
    struct kg_text bare = name;
    if (name.n > tag && memcmp(name.data + name.n - tag, TAG, tag) == 0) {
        bare.n -= tag;
    }
    if (!kg_openai_is_model(client->server, name) && !kg_openai_is_model(client->server, bare)) {
        int shown = name.n < 64 ? (int)name.n : 64;
        kg_answer_error(client, 404, field, "model_not_found", "model '%.*s' not found, only %s" TAG, shown, name.data,
                        client->server->name);
        return false;
    }
    return true;
}

/* The type that most bytes of the weights have. */
static const char *main_type(const struct kg_gguf *gguf)
{
    uint64_t most = 0;
    const char *name = "";
    for (uint32_t i = 0; i < gguf->n_tensors; i++) {
        uint64_t bytes = 0;
        for (uint32_t j = i; j < gguf->n_tensors; j++) {
            bytes += gguf->tensors[j].type == gguf->tensors[i].type ? gguf->tensors[j].size : 0;
        }
        if (bytes > most) {
            most = bytes;
            name = kg_type_info(gguf->tensors[i].type)->name;
        }
    }
    return name;
}

static void write_details(struct kg_json *json, const struct kg_lm_loaded *loaded)
{
    char size[24];
    uint64_t n = loaded->model.n_parameters;
    double millions = (double)n / 1e6;
    kg_format(size, sizeof size, n >= 1000000000 ? "%.1fB" : "%.1fM", n >= 1000000000 ? millions / 1e3 : millions);
    kg_json_object_begin(json, "details");
    kg_json_text(json, "parent_model", "");
    kg_json_text(json, "format", "gguf");
    kg_json_text(json, "family", loaded->arch);
    kg_json_list_begin(json, "families");
    kg_json_text(json, NULL, loaded->arch);
    kg_json_list_end(json);
    kg_json_text(json, "parameter_size", size);
    kg_json_text(json, "quantization_level", main_type(&loaded->gguf));
    kg_json_object_end(json);
}

/* The list of models, which has one. `runs`: as the list of running models has it. */
static void answer_models(struct kg_client *client, bool runs)
{
    static const uint8_t unknown[32];
    const struct kg_server *server = client->server;
    const struct kg_lm *lm = server->k->lm;
    const struct kg_lm_source *source = &lm->sources[lm->current];
    char text[KG_OLLAMA_NAME];
    struct kg_json *json = kg_answer_json_begin(client);
    kg_json_object_begin(json, NULL);
    kg_json_list_begin(json, "models");
    kg_json_object_begin(json, NULL);
    kg_ollama_name(server, text);
    kg_json_text(json, "name", text);
    kg_json_text(json, "model", text);
    kg_ollama_time(0, text);
    kg_json_text(json, runs ? "expires_at" : "modified_at", runs ? "9999-12-31T23:59:59Z" : text);
    kg_json_u64(json, "size", source->size);
    kg_json_hex(json, "digest", source->sha256 ? source->sha256 : unknown, sizeof unknown);
    write_details(json, &lm->loaded);
    if (runs) {
        kg_json_u64(json, "size_vram", 0);
        kg_json_u64(json, "context_length", lm->conversation.session.options.n_ctx);
    }
    kg_json_object_end(json);
    kg_json_list_end(json);
    kg_json_object_end(json);
    kg_answer_json_send(client, 200);
}

void kg_get_ollama_tags(struct kg_client *client)
{
    answer_models(client, false);
}

void kg_get_ollama_ps(struct kg_client *client)
{
    answer_models(client, true);
}

void kg_get_ollama_version(struct kg_client *client)
{
    static const char body[] = "{\"version\":\"" VERSION "\"}";
    kg_answer(client, 200, "application/json; charset=utf-8", body, sizeof body - 1);
}

static void write_model_info(struct kg_json *json, const struct kg_lm_loaded *loaded)
{
    char key[64];
    kg_json_object_begin(json, "model_info");
    kg_json_text(json, "general.architecture", loaded->arch);
    kg_json_u64(json, "general.parameter_count", loaded->model.n_parameters);
    kg_format(key, sizeof key, "%s.context_length", loaded->arch);
    kg_json_u64(json, key, loaded->model.n_ctx_train);
    kg_format(key, sizeof key, "%s.embedding_length", loaded->arch);
    kg_json_u64(json, key, loaded->model.n_embd);
    kg_format(key, sizeof key, "%s.block_count", loaded->arch);
    kg_json_u64(json, key, loaded->model.n_layer);
    kg_json_object_end(json);
}

void kg_post_ollama_show(struct kg_client *client)
{
    const struct kg_lm_loaded *loaded = client->server->loaded;
    struct kg_text template = {"", 0};
    struct kg_error error;
    char time[KG_OLLAMA_NAME];
    uint32_t root;
    if (!kg_request_json(client, &root) ||
        !kg_ollama_check(client, root, kg_field(client, root, "model") == KG_JSON_NONE ? "name" : "model")) {
        return;
    }
    if (kg_gguf_find(&loaded->gguf, "tokenizer.chat_template")) {
        (void)kg_gguf_text(&loaded->gguf, "tokenizer.chat_template", &template, &error); /* kg_lm_open has checked it */
    }
    struct kg_json *json = kg_answer_json_begin(client);
    kg_json_object_begin(json, NULL);
    kg_json_text(json, "modelfile", "");
    kg_json_text(json, "parameters", "");
    kg_json_text_n(json, "template", template.data, template.n <= TEMPLATE_MOST ? template.n : 0);
    write_details(json, loaded);
    write_model_info(json, loaded);
    kg_json_list_begin(json, "capabilities");
    kg_json_text(json, NULL, "completion");
    kg_json_text(json, NULL, "embedding");
    if (loaded->has_chat && kg_chat_takes_tools(&loaded->chat)) {
        kg_json_text(json, NULL, "tools");
    }
    kg_json_list_end(json);
    kg_ollama_time(0, time);
    kg_json_text(json, "modified_at", time);
    kg_json_object_end(json);
    kg_answer_json_send(client, 200);
}
