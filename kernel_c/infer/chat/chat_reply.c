/* An earlier reply as a chat template shows it: with or without its thought. kgpt_build/chat/thoughts.py
 * does the same in Python, and finds the flags for a template. */
#include "chat_text.h"

static const struct kg_text thought_start = {"<think>", 7}, thought_end = {"</think>", 8};

static struct kg_text part_before(struct kg_text text, size_t at)
{
    return (struct kg_text){text.data, at};
}

static struct kg_text part_after(struct kg_text text, size_t at)
{
    return (struct kg_text){text.data + at, text.n - at};
}

static struct kg_text drop_leading_newlines(struct kg_text text)
{
    while (text.n > 0 && text.data[0] == '\n') {
        text = part_after(text, 1);
    }
    return text;
}

static struct kg_text drop_trailing_newlines(struct kg_text text)
{
    while (text.n > 0 && text.data[text.n - 1] == '\n') {
        text.n--;
    }
    return text;
}

/* The thought in `reply`, which holds a </think>; no data if the template counts it as empty. */
static struct kg_text thought_of(const struct kg_chat *chat, struct kg_text reply)
{
    struct kg_text thought = part_before(reply, kg_chat_find(reply, thought_end));
    size_t start = kg_chat_find_last(thought, thought_start);
    thought = start < thought.n ? part_after(thought, start + thought_start.n) : thought;
    struct kg_text inner = drop_trailing_newlines(drop_leading_newlines(thought));
    if ((chat->flags & KG_CHAT_NEWLINES_KEPT ? thought.n : inner.n) == 0) {
        return (struct kg_text){NULL, 0};
    }
    return chat->flags & KG_CHAT_THOUGHT_SPACE ? kg_chat_trim_right(kg_chat_trim_left(inner)) : inner;
}

/* The answer behind the thought in `reply`, which holds a </think>. */
static struct kg_text answer_of(const struct kg_chat *chat, struct kg_text reply)
{
    bool first = chat->flags & KG_CHAT_FIRST_END;
    size_t at = first ? kg_chat_find(reply, thought_end) : kg_chat_find_last(reply, thought_end);
    struct kg_text answer = part_after(reply, at + thought_end.n);
    if (chat->flags & KG_CHAT_ONE_PART) {
        answer = part_before(answer, kg_chat_find(answer, thought_end));
    }
    answer = chat->flags & KG_CHAT_DROPS_NEWLINES ? drop_leading_newlines(answer) : answer;
    answer = chat->flags & KG_CHAT_ANSWER_LEFT ? kg_chat_trim_left(answer) : answer;
    answer = chat->flags & KG_CHAT_ANSWER_END_NEWLINES ? drop_trailing_newlines(answer) : answer;
    return chat->flags & KG_CHAT_ANSWER_RIGHT ? kg_chat_trim_right(answer) : answer;
}

bool kg_chat_opens_thought(const struct kg_chat *chat)
{
    struct kg_text ask = drop_trailing_newlines(chat->piece[kg_chat_ask(chat)]);
    return ask.n >= thought_start.n && kg_chat_stands_at(ask, ask.n - thought_start.n, thought_start);
}

static size_t reply_fragments(const struct kg_chat *chat, enum kg_chat_piece before, struct kg_text answer,
                              struct kg_fragment *fragments)
{
    fragments[0] = kg_chat_piece(chat, before);
    fragments[1] = (struct kg_fragment){answer.data, answer.n, false};
    return 2;
}

size_t kg_chat_reply(const struct kg_chat *chat, struct kg_text reply, struct kg_fragment fragments[KG_CHAT_FRAGMENTS])
{
    bool ended = kg_chat_find(reply, thought_end) < reply.n;
    bool started = kg_chat_opens_thought(chat) || kg_chat_find(reply, thought_start) < reply.n;
    if ((chat->flags & KG_CHAT_LONE_TAG) && ended != started) {
        return reply_fragments(chat, KG_CHAT_LONE_PRE, kg_chat_trim_right(kg_chat_trim_left(reply)), fragments);
    }
    bool whole = ended && (started || !(chat->flags & KG_CHAT_NEEDS_START));
    if (!whole || !(chat->flags & (KG_CHAT_DROPS_THOUGHTS | KG_CHAT_KEEPS_THOUGHTS))) {
        reply = chat->flags & KG_CHAT_REPLY_NEWLINES ? drop_leading_newlines(reply) : reply;
        return reply_fragments(chat, KG_CHAT_TOLD, kg_chat_trim_slot(chat, KG_CHAT_SLOT_REPLY, reply), fragments);
    }
    struct kg_text thought = thought_of(chat, reply), answer = answer_of(chat, reply);
    if (!(chat->flags & KG_CHAT_KEEPS_THOUGHTS) || !thought.data) {
        return reply_fragments(chat, KG_CHAT_TOLD, answer, fragments);
    }
    size_t n = reply_fragments(chat, KG_CHAT_KEPT_PRE, thought, fragments);
    return n + reply_fragments(chat, KG_CHAT_KEPT_POST, answer, fragments + n);
}
