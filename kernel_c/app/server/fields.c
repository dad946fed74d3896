/* Members of a request: see server.h. */
#include "server.h"

bool kg_request_json(struct kg_client *client, uint32_t *root)
{
    struct kg_json_tree *json = &client->server->json;
    if (!kg_json_read(json, client->body, client->n_body)) {
        kg_answer_error(client, 400, NULL, "invalid_json", "the body is not JSON: %s (at byte %zu)", json->problem,
                        json->problem_at);
        return false;
    }
    *root = 0;
    if (kg_json_kind(json, 0) != KG_JSON_OBJECT) {
        kg_answer_error(client, 400, NULL, "invalid_json", "the body must be a JSON object");
        return false;
    }
    return true;
}

/* True for a list of nothing but `text`, or of nothing at all. */
static bool holds_only(const struct kg_json_tree *json, uint32_t list, const char *text)
{
    bool only = true;
    for (uint32_t i = KG_JSON_NONE; only && (i = kg_json_next(json, list, i)) != KG_JSON_NONE;) {
        only = text && kg_json_says(json, i, text);
    }
    return only;
}

static bool is_off(const struct kg_json_tree *json, uint32_t value, const struct kg_off_field *field)
{
    switch (kg_json_kind(json, value)) {
    case KG_JSON_NULL:
    case KG_JSON_FALSE: return true;
    case KG_JSON_NUMBER: return kg_json_number(json, value) == (double)field->number;
    case KG_JSON_LIST: return holds_only(json, value, field->text);
    case KG_JSON_STRING:
        return (field->text && kg_json_says(json, value, field->text)) ||
               (field->also && kg_json_says(json, value, field->also));
    default: return false;
    }
}

bool kg_fields_off(struct kg_client *client, uint32_t object, const struct kg_off_field *fields, size_t n)
{
    const struct kg_json_tree *json = &client->server->json;
    for (size_t i = 0; i < n; i++) {
        if (!is_off(json, kg_json_member(json, object, fields[i].name), &fields[i])) {
            return kg_refuse_field(client, fields[i].name);
        }
    }
    return true;
}

uint32_t kg_field(const struct kg_client *client, uint32_t object, const char *name)
{
    const struct kg_json_tree *json = &client->server->json;
    uint32_t value = kg_json_member(json, object, name);
    return kg_json_kind(json, value) == KG_JSON_NULL ? KG_JSON_NONE : value;
}

static bool refuse_json_field(struct kg_client *client, const char *name, const char *wanted)
{
    return kg_refuse_value(client, name, "%s must be %s", name, wanted);
}

bool kg_field_bool(struct kg_client *client, uint32_t object, const char *name, bool *value)
{
    const struct kg_json_tree *json = &client->server->json;
    uint32_t field = kg_field(client, object, name);
    if (field == KG_JSON_NONE) {
        return true;
    }
    enum kg_json_kind kind = kg_json_kind(json, field);
    if (kind != KG_JSON_TRUE && kind != KG_JSON_FALSE) {
        return refuse_json_field(client, name, "true or false");
    }
    *value = kind == KG_JSON_TRUE;
    return true;
}

bool kg_field_number(struct kg_client *client, uint32_t object, const char *name, double least, double most,
                     float *value)
{
    const struct kg_json_tree *json = &client->server->json;
    uint32_t field = kg_field(client, object, name);
    char wanted[64];
    if (field == KG_JSON_NONE) {
        return true;
    }
    double number = kg_json_kind(json, field) == KG_JSON_NUMBER ? kg_json_number(json, field) : most + 1;
    if (!(number >= least && number <= most)) {
        kg_format(wanted, sizeof wanted, "a number from %.2f to %.2f", least, most);
        return refuse_json_field(client, name, wanted);
    }
    *value = (float)number;
    return true;
}

bool kg_field_count(struct kg_client *client, uint32_t object, const char *name, uint32_t least, uint32_t most,
                    uint32_t *value)
{
    uint32_t field = kg_field(client, object, name);
    uint64_t number;
    bool negative;
    char wanted[64];
    if (field == KG_JSON_NONE) {
        return true;
    }
    if (!kg_json_whole(&client->server->json, field, &number, &negative) || (negative && number) || number < least ||
        number > most) {
        kg_format(wanted, sizeof wanted, "a whole number from %u to %u", least, most);
        return refuse_json_field(client, name, wanted);
    }
    *value = (uint32_t)number;
    return true;
}

bool kg_value_token(const struct kg_client *client, uint32_t value, uint32_t *token)
{
    uint64_t number = 0;
    bool negative;
    bool good = kg_json_whole(&client->server->json, value, &number, &negative) && !negative &&
                number < client->server->loaded->vocab.n_vocab;
    *token = (uint32_t)number;
    return good;
}

bool kg_field_text(struct kg_client *client, uint32_t object, const char *name, struct kg_text *value)
{
    const struct kg_json_tree *json = &client->server->json;
    uint32_t field = kg_field(client, object, name);
    if (field == KG_JSON_NONE) {
        return true;
    }
    if (kg_json_kind(json, field) != KG_JSON_STRING) {
        return refuse_json_field(client, name, "a string");
    }
    *value = kg_json_string(json, field);
    return true;
}
