/* Replies that are computed together: see kgpt/batch.h. */
#include "kgpt/batch.h"

#include "conversation.h"
#include "kgpt/mem.h"
#include "kgpt/platform.h"

struct kg_lm_options kg_batch_options(struct kg_lm_options options, uint32_t n)
{
    options.n_batch = options.n_batch > n ? options.n_batch : n;
    options.n_logits = options.n_logits > n ? options.n_logits : n;
    return options;
}

void kg_batch_carve(struct kg_batch *batch, struct kg_conversation *first, uint32_t n, struct kg_arena *arena)
{
    struct kg_conversation counted, *others;
    *batch = (struct kg_batch){.n = n};
    batch->slots = kg_arena_array(arena, n, sizeof *batch->slots);
    batch->pieces = kg_arena_array(arena, n, sizeof *batch->pieces);
    batch->owners = kg_arena_array(arena, n, sizeof *batch->owners);
    others = kg_arena_array(arena, n - 1, sizeof *others);
    for (uint32_t i = 1; i < n; i++) {
        kg_conversation_carve_beside(arena->counts ? &counted : &others[i - 1], first, arena);
    }
    for (uint32_t i = 0; i < n && !arena->counts; i++) {
        batch->slots[i].conversation = i ? &others[i - 1] : first;
    }
}

void kg_batch_share_prefix(struct kg_batch *batch, uint32_t slot, uint32_t n)
{
    struct kg_conversation *c = batch->slots[slot].conversation;
    const struct kg_lm_session *from = NULL;
    uint32_t most = kg_lm_common(&c->session, c->prompt, n);
    for (uint32_t i = 0; i < batch->n; i++) {
        const struct kg_lm_session *session = &batch->slots[i].conversation->session;
        uint32_t same = i == slot ? 0 : kg_lm_common(session, c->prompt, n);
        if (same > most) {
            most = same;
            from = session;
        }
    }
    const struct kg_prefill *prefill = &c->loaded->prefill;
    if (kg_prefill_common(prefill, &c->session, c->prompt, n) > most) {
        kg_speculation_forget(&c->speculation);
        kg_lm_truncate(&c->session, 0);
        kg_prefill_begin(prefill, &c->session, c->prompt, n);
    } else if (from) {
        kg_speculation_forget(&c->speculation);
        kg_lm_copy(&c->session, from, most);
    }
}

void kg_batch_join(struct kg_batch *batch, uint32_t slot)
{
    struct kg_batch_slot *s = &batch->slots[slot];
    s->running = true;
    s->leaves = false;
    s->status = KG_OK;
    s->turn = batch->joined++;
}

void kg_batch_leave(struct kg_batch *batch, uint32_t slot)
{
    batch->slots[slot].leaves = true;
}

bool kg_batch_reads(const struct kg_batch_slot *slot)
{
    return slot->conversation->batched && slot->conversation->unread.done < slot->conversation->unread.n;
}

static void end_slot(struct kg_batch_slot *slot, enum kg_status status)
{
    slot->running = false;
    slot->status = status;
    kg_conversation_end(slot->conversation);
}

/* A reply whose prompt could not be computed has not begun: its sinks are not told of an end. */
static void abandon_slot(struct kg_batch_slot *slot, enum kg_status status)
{
    slot->running = false;
    slot->status = status;
    kg_conversation_abandon(slot->conversation);
    kg_conversation_release(slot->conversation);
}

static void stop_slot(struct kg_batch_slot *slot)
{
    kg_error_set(&slot->error, KG_E_STOPPED, "stopped");
    if (kg_batch_reads(slot)) {
        abandon_slot(slot, KG_E_STOPPED);
    } else {
        slot->conversation->reply.reason = KG_REASON_STOPPED;
        slot->conversation->reply.ended = true;
        end_slot(slot, KG_E_STOPPED);
    }
}

static void add_batch_piece(struct kg_batch *batch, struct kg_batch_slot *slot, const uint32_t *tokens, uint32_t n,
                            uint32_t n_logits)
{
    batch->owners[batch->n_pieces] = slot;
    batch->pieces[batch->n_pieces++] = (struct kg_lm_piece){
        .session = &slot->conversation->session, .tokens = tokens, .n = n, .n_logits = n_logits, .error = &slot->error};
}

/* The next token of a reply, unless it ends; and those behind it, as long as the last pass has computed them. */
static void sample_slot(struct kg_batch *batch, struct kg_batch_slot *slot)
{
    struct kg_conversation *c = slot->conversation;
    enum kg_status status = KG_OK;
    do {
        status = c->reply.ended ? status : kg_conversation_sample(c, &slot->error);
        if (c->reply.ended) {
            end_slot(slot, status);
            return;
        }
    } while (kg_conversation_skip(c));
    add_batch_piece(batch, slot, &c->reply.last, 1, 1);
}

/* Drafts behind the tokens of the pass: each reply may have its share of the room for logits. */
static void add_drafts(struct kg_batch *batch)
{
    struct kg_pass_load load = {.sequences = batch->n_pieces, .tokens = batch->n_pieces, .arrives = batch->n_pieces};
    for (uint32_t i = 0; i < batch->n_pieces; i++) {
        struct kg_lm_piece *piece = &batch->pieces[i];
        struct kg_conversation *c = batch->owners[i]->conversation;
        uint32_t room = piece->session->options.n_logits, left = batch->n_pieces - i;
        uint32_t most = room > load.tokens ? (room - load.tokens + left - 1) / left : 0;
        if (kg_reply_stops(&c->reply)) { /* a draft model computes for a while: look at clients between two of them */
            batch->owners[i]->leaves = true;
            continue;
        }
        uint32_t n = kg_conversation_draft(c, most, &load);
        if (n) {
            piece->tokens = c->speculation.piece;
            piece->n = piece->n_logits = n + 1;
        }
    }
}

/* The slot that has waited longest for its prompt, behind `turn`; NULL if there is none. */
static struct kg_batch_slot *next_reading(const struct kg_batch *batch, uint64_t turn)
{
    struct kg_batch_slot *next = NULL;
    for (uint32_t i = 0; i < batch->n; i++) {
        struct kg_batch_slot *slot = &batch->slots[i];
        if (slot->running && kg_batch_reads(slot) && slot->turn >= turn && (!next || slot->turn < next->turn)) {
            next = slot;
        }
    }
    return next;
}

/* As much of the prompts as `room` tokens. */
static void add_prompts(struct kg_batch *batch, uint32_t room)
{
    struct kg_batch_slot *slot;
    for (uint64_t turn = 0; room && (slot = next_reading(batch, turn)) != NULL; turn = slot->turn + 1) {
        const struct kg_unread *unread = &slot->conversation->unread;
        uint32_t left = unread->n - unread->done, n = left < room ? left : room;
        add_batch_piece(batch, slot, unread->tokens + unread->done, n, n == left);
        room -= n;
    }
}

static void gather_pieces(struct kg_batch *batch)
{
    batch->n_pieces = 0;
    for (uint32_t i = 0; i < batch->n; i++) {
        struct kg_batch_slot *slot = &batch->slots[i];
        if (slot->running && slot->leaves) {
            stop_slot(slot);
        } else if (slot->running && !kg_batch_reads(slot)) {
            sample_slot(batch, slot);
        }
    }
    batch->reads = next_reading(batch, 0) != NULL;
    if (batch->reads) {
        add_prompts(batch, batch->slots[0].conversation->session.options.n_batch - batch->n_pieces);
    } else {
        add_drafts(batch);
    }
}

/* Tells what a pass without prompts has cost. */
static void measure_pass(const struct kg_batch *batch, uint64_t ticks)
{
    uint32_t tokens = 0;
    for (uint32_t i = 0; i < batch->n_pieces; i++) {
        tokens += batch->pieces[i].n;
    }
    if (!batch->reads) {
        kg_speculation_measured(&batch->slots[0].conversation->speculation, batch->n_pieces, tokens, ticks);
    }
}

/* Between the layers of a pass: notes which replies are to end, and ends the pass if all are. */
static bool pass_stops(void *context)
{
    struct kg_batch *batch = context;
    bool all = true;
    plat_poll();
    for (uint32_t i = 0; i < batch->n_pieces; i++) {
        struct kg_batch_slot *slot = batch->owners[i];
        struct kg_reply *reply = &slot->conversation->reply;
        bool reading = kg_batch_reads(slot);
        if (!(reading && reply->whole) && (reading ? kg_reply_reading_stops(reply) : kg_reply_stops(reply))) {
            slot->leaves = true;
        }
        all = all && slot->leaves;
    }
    return all;
}

/* Tokens of a prompt were computed. */
static void take_read(struct kg_batch_slot *slot, const struct kg_lm_piece *piece)
{
    struct kg_conversation *c = slot->conversation;
    if (piece->status != KG_OK) {
        abandon_slot(slot, piece->status);
        return;
    }
    c->unread.done += piece->n;
    c->reply.n_read = c->unread.done;
    if (c->unread.done == c->unread.n) {
        kg_reply_read(&c->reply, c->unread.n, c->unread.tokens[c->unread.n - 1]);
        kg_conversation_start(c);
    }
}

static void take_result(struct kg_batch_slot *slot, const struct kg_lm_piece *piece)
{
    if (kg_batch_reads(slot)) {
        take_read(slot, piece);
        return;
    }
    enum kg_status status = kg_speculation_take(&slot->conversation->speculation, piece);
    status = kg_conversation_computed(slot->conversation, status);
    if (slot->conversation->reply.ended) {
        end_slot(slot, status);
    }
}

uint32_t kg_batch_step(struct kg_batch *batch)
{
    uint32_t running = 0;
    gather_pieces(batch);
    if (batch->n_pieces) {
        uint64_t start = plat_ticks();
        kg_lm_eval_pieces(batch->pieces, batch->n_pieces, pass_stops, batch);
        measure_pass(batch, plat_ticks() - start);
        batch->passes++;
    }
    for (uint32_t i = 0; i < batch->n_pieces; i++) {
        take_result(batch->owners[i], &batch->pieces[i]);
    }
    for (uint32_t i = 0; i < batch->n; i++) {
        running += batch->slots[i].running;
    }
    return running;
}
