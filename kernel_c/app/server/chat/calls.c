/* Calls of tools in the text of a reply: see tools.h. A call stands between two tags of the chat's template. What is no
 * call between them is text. The white space before the first call, and all text behind it, is not told. */
#include "app/server/tools.h"

#include "kgpt/mem.h"

#define NAME_MOST 256u /* bytes of a name, as JSON */

static const struct kg_text thought_start = {"<think>", 7}, thought_end = {"</think>", 8};

static struct kg_text reply_text(const struct kg_choice *choice)
{
    const struct kg_reply *reply = &choice->conversation->reply;
    return (struct kg_text){reply->text, reply->n};
}

/* Where `word` stands in `text` from `from` on; text.n: nowhere. */
static size_t find_from(struct kg_text text, size_t from, struct kg_text word)
{
    for (size_t at = from; at + word.n <= text.n; at++) {
        if (memcmp(text.data + at, word.data, word.n) == 0) {
            return at;
        }
    }
    return text.n;
}

static bool is_json_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static size_t before_space(struct kg_text text, size_t from, size_t end)
{
    while (end > from && is_json_space(text.data[end - 1])) {
        end--;
    }
    return end;
}

/* Behind the thought that the reply begins with: tags in a thought are no calls. text.n: it has not ended. */
static size_t behind_thought(const struct kg_choice *choice, struct kg_text text)
{
    struct kg_chat chat = choice->conversation->loaded->chat;
    size_t from = 0;
    chat.plain = choice->request.plain;
    while (from < text.n && is_json_space(text.data[from])) {
        from++;
    }
    bool thinks = kg_chat_opens_thought(&chat) || (text.n - from >= thought_start.n &&
                                                   memcmp(text.data + from, thought_start.data, thought_start.n) == 0);
    return thinks ? find_from(text, 0, thought_end) : 0;
}

/* The end of the text that can be told while more may come: what may begin a call, and white space before it, waits. */
static size_t sure_end(struct kg_text text, size_t from, struct kg_text tag)
{
    size_t end = text.n, most = text.n - from < tag.n ? text.n - from : tag.n - 1;
    for (size_t n = most; n > 0; n--) {
        if (memcmp(text.data + text.n - n, tag.data, n) == 0) {
            end = text.n - n;
            break;
        }
    }
    return before_space(text, from, end);
}

/* Reads {"name": …, "arguments": {…}} at [at, end) of the text: where both stand. A copy is read, for strings are
 * decoded in place. */
static bool read_block(struct kg_choice *choice, struct kg_text text, size_t at, size_t end)
{
    struct kg_server *server = choice->server;
    struct kg_arena *arena = &server->k->arena;
    struct kg_json_tree tree = {.values = server->json.values, .room = server->json.room};
    size_t used = arena->used, n = end - at;
    char *copy = kg_arena_take(arena, n ? n : 1);
    bool good = false;
    if (copy) {
        memcpy(copy, text.data + at, n);
        good = kg_json_read(&tree, copy, n);
    }
    uint32_t name = good ? kg_json_member(&tree, 0, "name") : KG_JSON_NONE;
    uint32_t arguments = good ? kg_json_member(&tree, 0, "arguments") : KG_JSON_NONE;
    good = name != KG_JSON_NONE && tree.values[name].kind == KG_JSON_STRING && arguments != KG_JSON_NONE &&
           tree.values[arguments].kind == KG_JSON_OBJECT;
    if (good) {
        struct kg_call_place *call = &choice->call;
        call->name = at + tree.values[name].at;
        call->arguments = at + tree.values[arguments].at;
        call->end = call->arguments + tree.values[arguments].n;
        call->n_name = 0; /* with its escapes */
        while (text.data[call->name + call->n_name] != '"') {
            call->n_name += text.data[call->name + call->n_name] == '\\' ? 2 : 1;
        }
        good = call->n_name > 0 && call->n_name <= NAME_MOST;
    }
    kg_arena_rewind(arena, used);
    return good;
}

static struct kg_part reply_part(enum kg_part_kind kind, struct kg_text text, size_t from, size_t end, size_t then)
{
    return (struct kg_part){kind, text.data + from, end - from, then};
}

/* The part of the call that choice->call has. */
static struct kg_part part_of_call(const struct kg_choice *choice, struct kg_text text)
{
    const struct kg_call_place *call = &choice->call;
    return choice->told < call->end ? reply_part(KG_PART_ARGUMENTS, text, choice->told, call->end, call->end)
                                    : reply_part(KG_PART_CALL_END, text, call->end, call->end, call->after);
}

/* The text before a call or the end of the reply, of which [told, end) is sure. */
static struct kg_part part_of_text(const struct kg_choice *choice, struct kg_text text, size_t end)
{
    if (choice->n_calls || end <= choice->told) { /* text behind a call is not told */
        return reply_part(KG_PART_NONE, text, 0, 0, choice->told);
    }
    return reply_part(KG_PART_TEXT, text, choice->told, end, end);
}

struct kg_part kg_choice_part(struct kg_choice *choice)
{
    const struct kg_chat *chat = &choice->conversation->loaded->chat;
    struct kg_text open = chat->piece[KG_CHAT_CALL_OPEN], close = chat->piece[KG_CHAT_CALL_CLOSE];
    struct kg_text text = reply_text(choice);
    if (choice->in_call) {
        return part_of_call(choice, text);
    }
    bool all = choice->n_calls && choice->job->one_call;
    size_t least = behind_thought(choice, text);
    for (;;) {
        size_t from = choice->told > choice->call.checked ? choice->told : choice->call.checked;
        size_t at = all ? text.n : find_from(text, from > least ? from : least, open);
        if (at == text.n) {
            if (choice->n_calls) {
                choice->told = choice->ended ? text.n : choice->told;
            }
            return part_of_text(choice, text,
                                choice->ended || least == text.n ? text.n : sure_end(text, choice->told, open));
        }
        size_t end = find_from(text, at + open.n, close), text_end = before_space(text, choice->told, at);
        if (end == text.n && !choice->ended) {
            return part_of_text(choice, text, text_end);
        }
        if (read_block(choice, text, at + open.n, end)) {
            if (!choice->n_calls && choice->told < text_end) {
                return reply_part(KG_PART_TEXT, text, choice->told, text_end, text_end);
            }
            choice->call.after = end < text.n ? end + close.n : text.n;
            return reply_part(KG_PART_CALL, text, choice->call.name, choice->call.name + choice->call.n_name,
                              choice->call.arguments);
        }
        choice->call.checked = end < text.n ? end + close.n : text.n; /* it is text */
    }
}

void kg_choice_told(struct kg_choice *choice, const struct kg_part *part, bool cut)
{
    choice->told = cut ? choice->told + part->n : part->then;
    if (part->kind == KG_PART_CALL) {
        choice->in_call = true;
    } else if (part->kind == KG_PART_CALL_END) {
        choice->in_call = false;
        choice->n_calls++;
    }
}
