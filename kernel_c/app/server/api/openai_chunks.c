/* Parts of replies that chats and texts share: the end of a whole answer, and chunks of a stream. See openai.h. */
#include "openai.h"

void kg_openai_add_text(const struct kg_choice *choice, const char *text, size_t n, uint32_t record,
                        struct kg_http_out *out)
{
    struct kg_json_out json;
    (void)choice;
    (void)record;
    kg_json_out_begin(&json, out);
    kg_json_escaped(&json.json, text, n);
    kg_json_out_end(&json);
}

void kg_openai_end(struct kg_job *job, struct kg_http_out *out)
{
    struct kg_json_out json;
    kg_json_out_begin(&json, out);
    kg_json_list_end(&json.json);
    kg_openai_usage(&json.json, job);
    kg_json_object_end(&json.json);
    kg_json_out_end(&json);
}

void kg_openai_begin_chunk(struct kg_json_out *json, const struct kg_job *job, const char *prefix, const char *object,
                           struct kg_http_out *out)
{
    kg_http_put(out, "data: ", 6);
    kg_json_out_begin(json, out);
    kg_json_object_begin(&json->json, NULL);
    kg_openai_keys(&json->json, job, prefix, object);
    kg_json_list_begin(&json->json, "choices");
}

void kg_openai_end_chunk(struct kg_json_out *json, const struct kg_job *job, bool usage)
{
    kg_json_list_end(&json->json);
    if (usage) {
        kg_openai_usage(&json->json, job);
    } else if (job->usage) {
        kg_json_null(&json->json, "usage");
    }
    kg_json_object_end(&json->json);
    kg_json_raw(&json->json, "\n\n", 2);
    kg_json_out_end(json);
}

void kg_openai_end_stream(struct kg_job *job, const char *prefix, const char *object, struct kg_http_out *out)
{
    struct kg_json_out json;
    if (job->usage) {
        kg_openai_begin_chunk(&json, job, prefix, object, out);
        kg_openai_end_chunk(&json, job, true);
    }
    kg_http_say(out, "data: [DONE]\n\n");
}
