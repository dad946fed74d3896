/* Tools, their calls and results in a chat: see kgpt/chat.h. kgpt_build/chat/template.py does the same in Python, and
 * kgpt_build/chat/tools.py finds the pieces. */
#include "chat_text.h"

static struct kg_fragment plain_fragment(struct kg_text text)
{
    return (struct kg_fragment){text.data, text.n, false};
}

size_t kg_chat_tool_turn(const struct kg_chat *chat, struct kg_text system, const struct kg_text *tools, uint32_t n,
                         struct kg_text message, struct kg_fragment *fragments)
{
    bool takes_system = system.n > 0 && !(chat->flags & KG_CHAT_SYSTEM_REFUSED);
    enum kg_chat_piece before = takes_system ? KG_CHAT_TOOLS_LIST : KG_CHAT_TOOLS_BARE;
    size_t at = 0;
    if (takes_system) {
        fragments[at++] = kg_chat_piece(chat, KG_CHAT_TOOLS_SYSTEM);
        fragments[at++] = kg_chat_said(chat, KG_CHAT_SLOT_SYSTEM, system);
    }
    for (uint32_t i = 0; i < n; i++) {
        fragments[at++] = kg_chat_piece(chat, before);
        fragments[at++] = plain_fragment(tools[i]);
        before = KG_CHAT_TOOLS_NEXT;
    }
    fragments[at++] = kg_chat_piece(chat, KG_CHAT_TOOLS_END);
    fragments[at++] = kg_chat_said(chat, takes_system ? KG_CHAT_SLOT_FIRST : KG_CHAT_SLOT_FIRST_BARE, message);
    fragments[at++] = kg_chat_piece(chat, kg_chat_ask(chat));
    return at;
}

size_t kg_chat_calls(const struct kg_chat *chat, bool said, const struct kg_chat_call *calls, uint32_t n,
                     struct kg_fragment *fragments)
{
    enum kg_chat_piece before = said ? KG_CHAT_CALL_SAID : KG_CHAT_CALL_PRE;
    size_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        fragments[at++] = kg_chat_piece(chat, before);
        fragments[at++] = plain_fragment(calls[i].name);
        fragments[at++] = kg_chat_piece(chat, KG_CHAT_CALL_ARGUMENTS);
        fragments[at++] = plain_fragment(calls[i].arguments);
        before = KG_CHAT_CALL_NEXT;
    }
    fragments[at++] = kg_chat_piece(chat, KG_CHAT_CALL_POST);
    return at;
}

size_t kg_chat_result(const struct kg_chat *chat, bool first, struct kg_text result, struct kg_fragment *fragments)
{
    fragments[0] = kg_chat_piece(chat, first ? KG_CHAT_RESULT_PRE : KG_CHAT_RESULT_NEXT);
    fragments[1] = plain_fragment(result);
    return 2;
}

size_t kg_chat_results_end(const struct kg_chat *chat, struct kg_fragment *fragments)
{
    fragments[0] = kg_chat_piece(chat, KG_CHAT_RESULT_POST);
    fragments[1] = kg_chat_piece(chat, kg_chat_ask(chat));
    return 2;
}

struct kg_chat kg_chat_step(const struct kg_chat *chat)
{
    struct kg_chat step = *chat;
    step.flags = (chat->flags & ~KG_CHAT_RULE) | chat->step_flags;
    step.piece[KG_CHAT_KEPT_PRE] = chat->piece[KG_CHAT_STEP_KEPT_PRE];
    step.piece[KG_CHAT_KEPT_POST] = chat->piece[KG_CHAT_STEP_KEPT_POST];
    step.piece[KG_CHAT_LONE_PRE] = chat->piece[KG_CHAT_STEP_LONE_PRE];
    return step;
}
