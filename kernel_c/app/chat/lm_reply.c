/* The console as a sink (kgpt/sink.h) of the replies of a language model. */
#include "app/lm.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "app/events/statusline.h"
#include "app/run/request.h"

#include "kgpt/format.h"

#define TEXT_PART 64 /* bytes of a text that are printed at once */

static double tokens_per_second(uint32_t n, uint64_t us)
{
    return us ? (double)n * 1e6 / (double)us : 0;
}

void kg_lm_print_speed(const struct kg_conversation *conversation, const struct kg_speed *speed)
{
    kg_print_as(KG_VOICE_DIM, "prompt %u token%s, %.1f/s; reply %u token%s, %.1f/s", speed->prompt_tokens,
                kg_plural(speed->prompt_tokens), tokens_per_second(speed->prompt_tokens, speed->prompt_us),
                speed->tokens, kg_plural(speed->tokens), tokens_per_second(speed->tokens, speed->decode_us));
    if (speed->drafted) {
        kg_print_as(KG_VOICE_DIM, "; %lu of %lu draft%s accepted", (unsigned long)speed->accepted,
                    (unsigned long)speed->drafted, kg_plural(speed->drafted));
    }
    if (speed->first_token_us) {
        kg_print_as(KG_VOICE_DIM, "; first after %.0f ms", (double)speed->first_token_us / 1e3);
    }
    if (speed->p50_us) {
        kg_print_as(KG_VOICE_DIM, "; ms a token p50 %.1f p99 %.1f max %.1f", (double)speed->p50_us / 1e3,
                    (double)speed->p99_us / 1e3, (double)speed->max_us / 1e3);
    }
    kg_print_as(KG_VOICE_DIM, "; context %u/%u; seed %lu\n", conversation->session.n_past,
                conversation->session.options.n_ctx, (unsigned long)conversation->request.seed);
}

static void show_reading(void *context, const struct kg_reply *reply)
{
    const struct kg_lm_turn *turn = context;
    kg_statusline(turn->k, "reading %'u token%s", reply->n_prompt, kg_plural(reply->n_prompt));
}

/* Shows how much of the prompt is read, four times a second. */
static void show_reading_progress(void *context, const struct kg_reply *reply)
{
    static const char turning[] = "|/-\\";
    struct kg_lm_turn *turn = context;
    char text[64];
    if (kg_statusline_due(turn->k)) {
        size_t n = kg_format(text, sizeof text, "%c %'u of %'u token%s read", turning[turn->turning++ % 4],
                             reply->n_read, reply->n_prompt, kg_plural(reply->n_prompt));
        plat_notice(text, n);
        kg_statusline(turn->k, "%s", text + 2);
    }
}

/* A text that goes on for ever was announced as one: no notice interrupts it. */
static void show_forgotten(void *context, const struct kg_reply *reply, uint32_t discarded)
{
    (void)context;
    if (reply->slides) {
        return;
    }
    kg_print("\nkgpt: the context was full: %u older token%s forgotten\n", discarded, discarded == 1 ? " is" : "s are");
}

static void show_speed(struct kgpt *k, const struct kg_reply *reply, uint64_t decode_us)
{
    kg_statusline(k, "%.1f tokens/s, context %u/%u", tokens_per_second(reply->speed.tokens, decode_us), reply->past.n,
                  reply->past.n_ctx);
}

static void show_reply_text(void *context, const struct kg_reply *reply, const char *text, size_t n)
{
    struct kg_lm_turn *turn = context;
    plat_text(KG_VOICE_MODEL, text, n);
    if (reply->speed.tokens && kg_statusline_due(turn->k)) {
        show_speed(turn->k, reply, kg_ticks_to_us(plat_ticks() - reply->begun, plat_ticks_hz()));
    }
}

static void show_reply_end(void *context, const struct kg_reply *reply)
{
    struct kg_lm_turn *turn = context;
    plat_text(KG_VOICE_MODEL, "\n", 1);
    show_speed(turn->k, reply, reply->speed.decode_us);
    if (turn->k->config.lm.stats) {
        kg_print_as(KG_VOICE_DIM, "kgpt: ");
        kg_lm_print_speed(reply->engine, &reply->speed);
    }
}

static bool is_interrupted(void *context)
{
    struct kg_lm_turn *turn = context;
    return kg_input_stopped(&turn->k->input);
}

/* No token ends a running text. A text of as many tokens as were asked for may be longer than the context, and with
 * max_tokens=0 only a key ends it. */
static bool text_slides(const struct kgpt *k, enum kg_mode mode)
{
    const struct kg_config *config = &k->config;
    return mode == KG_MODE_GENERATE && config->max_tokens_given && config->lm.on_overflow == KG_OVERFLOW_AUTO &&
           config->lm.rng != KG_RNG_LLAMA2C && !k->lm->loaded.vocab.has_end;
}

void kg_lm_print_text(const char *text, size_t n)
{
    struct kg_stream stream;
    char out[3 * (TEXT_PART + KG_STREAM_HELD)]; /* kg_stream_room(TEXT_PART) */
    kg_stream_begin(&stream);
    for (size_t at = 0; at < n; at += TEXT_PART) {
        size_t part = n - at < TEXT_PART ? n - at : TEXT_PART;
        plat_text(KG_VOICE_MODEL, out, kg_stream_feed(&stream, text + at, part, out));
    }
    plat_text(KG_VOICE_MODEL, out, kg_stream_end(&stream, out));
}

/* The bytes of the prompt are at least its tokens. */
void kg_lm_announce_sliding_text(const struct kgpt *k, const struct kg_request *request, size_t n_prompt)
{
    uint32_t n_ctx = k->lm->conversation.session.options.n_ctx;
    bool may_fill = !request->max_tokens || n_prompt + request->max_tokens > n_ctx;
    if (request->on_overflow == KG_OVERFLOW_SHIFT && may_fill) {
        kg_print("kgpt: a full context of %'u token%s forgets its older half; %sCtrl-C stops the text\n", n_ctx,
                 kg_plural(n_ctx), request->max_tokens ? "" : "the text may go on for ever: ");
    }
}

void kg_lm_turn_prepare(struct kg_lm_turn *turn, struct kgpt *k, enum kg_mode mode, struct kg_text asked)
{
    *turn = (struct kg_lm_turn){.k = k, .mode = mode, .asked = asked, .request = kg_request_of(&k->config)};
    turn->request.rng = (enum kg_rng)k->config.lm.rng;
    if (k->lm->grammar.active) { /* it leaves no room for thoughts */
        turn->request.grammar = &k->lm->grammar.grammar;
        turn->request.plain = true;
    }
    turn->request.on_overflow = text_slides(k, mode) ? KG_OVERFLOW_SHIFT : turn->request.on_overflow;
    turn->channel = kg_lm_event_sink(turn);
    turn->console = (struct kg_sink){
        .next = &turn->channel,
        .context = turn,
        .begin = show_reading,
        .progress = show_reading_progress,
        .forgot = show_forgotten,
        .text = show_reply_text,
        .done = show_reply_end,
        .stopped = is_interrupted,
    };
    turn->ask = (struct kg_ask){.request = &turn->request, .sinks = &turn->console, .scratch = &k->arena};
}

/* How to make room in the context, in the words of the shell or of the chat. */
static void hint_room(const struct kgpt *k, struct kg_error *error)
{
    const struct kg_lm *lm = k->lm;
    uint32_t most = lm->loaded.model.n_ctx_train;
    bool grows = lm->conversation.session.options.n_ctx < most;
    const char *clear = lm->chatting ? "/clear forgets the conversation; " : "", *shift = "";
    if (lm->conversation.session.n_past == 0) {
        kg_error_hint(error,
                      grows ? "shorten it, or boot with a larger ctx=: at most %u"
                            : "shorten it: the model was trained for %u",
                      most);
        return;
    }
    if (k->config.lm.on_overflow != KG_OVERFLOW_SHIFT) {
        shift = lm->chatting     ? "/set on_overflow shift forgets its older half; "
                : k->config.exit ? "on_overflow=shift forgets the older half; "
                                 : "set on_overflow shift forgets the older half; ";
    }
    kg_error_hint(
        error, grows ? "%s%sa larger ctx= at boot makes room for more, up to %u" : "%s%sthe model was trained for %u",
        clear, shift, most);
}

enum kg_status kg_lm_turn_finish(struct kg_lm_turn *turn, enum kg_status begun, struct kg_error *error)
{
    struct kgpt *k = turn->k;
    enum kg_status status = begun == KG_OK ? kg_conversation_finish(&k->lm->conversation, error) : begun;
    k->failed = k->failed || status == KG_E_NUMBERS;
    bool cut = begun == KG_OK && (status == KG_E_STOPPED || status == KG_E_CONTEXT);
    if (status == KG_OK || cut) { /* what was said stands in the transcript, too, if it was cut short */
        kg_lm_log_turn(k, turn);
    }
    if (status == KG_E_CONTEXT) {
        hint_room(k, error);
    }
    return status;
}
