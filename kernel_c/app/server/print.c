/* The answer of a job is printed in units, each of which fits the client's buffer or waits: see server.h. */
#include "server.h"

#include "tools.h"

const char *kg_choice_reason(const struct kg_choice *choice)
{
    enum kg_reason reason = choice->conversation->reply.reason;
    bool whole = reason == KG_REASON_EOS || reason == KG_REASON_STOP;
    return !whole ? "length" : choice->n_calls ? "tool_calls" : "stop";
}

static struct kg_choice *choice_of(const struct kg_job *job, uint32_t index)
{
    for (uint32_t slot = 0; slot < job->server->batch.n; slot++) {
        struct kg_choice *choice = &job->server->choices[slot];
        if (choice->job == job && choice->index == index) {
            return choice;
        }
    }
    return NULL;
}

/* A unit between its framing. `print_unit` is one of the calls below. */
struct unit {
    struct kg_job *job;
    struct kg_choice *choice;
    struct kg_http_out *out;
    size_t start, mark;
    bool chunked;
};

static void begin_unit(struct unit *unit)
{
    unit->start = unit->out->n;
    unit->chunked = unit->job->client->head.minor == 1;
    unit->mark = unit->chunked ? kg_http_chunk_begin(unit->out) : 0;
}

/* False: it does not fit, and is gone again. */
static bool end_unit(struct unit *unit)
{
    if (unit->chunked) {
        kg_http_chunk_end(unit->out, unit->mark);
    }
    if (unit->out->full) {
        unit->out->n = unit->start;
        unit->out->full = false;
        return false;
    }
    return true;
}

/* The head and what comes before all choices. */
static bool print_head(struct kg_job *job)
{
    struct kg_client *client = job->client;
    struct kg_http_out *out = &client->out;
    size_t start = out->n;
    kg_answer_head(client, 200, job->style->type, SIZE_MAX);
    kg_http_say(out, "%s\r\n", job->style->stream ? "Cache-Control: no-cache\r\n" : "");
    struct unit unit = {.job = job, .out = out};
    if (job->style->begin && !out->full) {
        begin_unit(&unit);
        job->style->begin(job, out);
        (void)end_unit(&unit);
    }
    job->head_sent = !out->full;
    if (out->full) {
        out->n = start;
        out->full = false;
    }
    return job->head_sent;
}

/* Bytes of a text of whole characters that fit a unit. */
static size_t cut_part(const char *text, size_t n)
{
    if (n <= KG_SERVER_PART) {
        return n;
    }
    n = KG_SERVER_PART;
    while (((unsigned char)text[n] & 0xC0) == 0x80) {
        n--;
    }
    return n;
}

/* The next part of the text, and the record that belongs to it in a stream with logprobs. */
static size_t next_part(const struct kg_choice *choice, uint32_t *record)
{
    const struct kg_reply *reply = &choice->conversation->reply;
    size_t end = reply->n;
    *record = KG_NO_RECORD;
    if (choice->job->logprobs && choice->job->style->stream) {
        if (choice->told_records < choice->n_records) {
            *record = choice->told_records;
            end = choice->records[*record].text_end;
        } else if (!choice->ended) {
            end = choice->told;
        }
    }
    return cut_part(reply->text + choice->told, end - choice->told);
}

static bool print_text(struct unit *unit)
{
    struct kg_choice *choice = unit->choice;
    uint32_t record;
    size_t n = next_part(choice, &record);
    if (!n && record == KG_NO_RECORD) {
        return false;
    }
    begin_unit(unit);
    unit->job->style->text(choice, choice->conversation->reply.text + choice->told, n, record, unit->out);
    if (!end_unit(unit)) {
        return false;
    }
    choice->told += n;
    choice->told_records += record != KG_NO_RECORD;
    return true;
}

/* A part of a reply that may call tools. */
static bool print_part(struct unit *unit)
{
    struct kg_choice *choice = unit->choice;
    struct kg_part part = kg_choice_part(choice);
    if (part.kind == KG_PART_NONE) {
        return false;
    }
    size_t n = cut_part(part.text, part.n);
    bool cut = n < part.n;
    part.n = n;
    begin_unit(unit);
    if (part.kind == KG_PART_TEXT) {
        unit->job->style->text(choice, part.text, n, KG_NO_RECORD, unit->out);
    } else {
        unit->job->style->call(choice, &part, unit->out);
    }
    if (!end_unit(unit)) {
        return false;
    }
    kg_choice_told(choice, &part, cut);
    return true;
}

/* Each as often as the style wants it. */
static uint32_t records_to_tell(const struct kg_choice *choice)
{
    uint32_t passes = choice->job->style->passes;
    return choice->n_records * (passes ? passes : 1);
}

static bool print_record(struct unit *unit)
{
    struct kg_choice *choice = unit->choice;
    if (unit->job->style->stream || !unit->job->style->record || choice->told_records == records_to_tell(choice)) {
        return false;
    }
    begin_unit(unit);
    unit->job->style->record(choice, choice->told_records, unit->out);
    if (!end_unit(unit)) {
        return false;
    }
    choice->told_records++;
    return true;
}

static bool print_edge(struct unit *unit, void (*print)(const struct kg_choice *choice, struct kg_http_out *out))
{
    if (!print) {
        return true;
    }
    begin_unit(unit);
    print(unit->choice, unit->out);
    return end_unit(unit);
}

/* One unit of a choice. False: there is nothing now, or no room. */
static bool print_choice(struct kg_job *job, struct kg_choice *choice)
{
    const struct kg_reply *reply = &choice->conversation->reply;
    struct unit unit = {.job = job, .choice = choice, .out = &job->client->out};
    if (!choice->opened) {
        choice->bare = job->calls && kg_choice_part(choice).kind == KG_PART_CALL;
        choice->opened = print_edge(&unit, job->style->open);
        return choice->opened;
    }
    if (job->calls ? print_part(&unit) : print_text(&unit) || print_record(&unit)) {
        return true;
    }
    bool all = choice->ended && choice->told == reply->n && choice->told_records == records_to_tell(choice);
    if (!all || !print_edge(&unit, job->style->close)) {
        return false;
    }
    job->printed++;
    kg_choice_free(choice);
    return true;
}

static bool print_end(struct kg_job *job)
{
    struct unit unit = {.job = job, .out = &job->client->out};
    begin_unit(&unit);
    job->style->end(job, unit.out);
    if (unit.chunked && !unit.out->full) {
        kg_http_chunk_end(unit.out, unit.mark);
        kg_http_chunk_last(unit.out);
        unit.chunked = false;
    }
    job->ended = end_unit(&unit);
    return job->ended;
}

/* One unit of the job. */
static bool print_next(struct kg_job *job)
{
    struct kg_choice *choice = choice_of(job, job->printed);
    if (job->ended) {
        return false;
    }
    if (job->printed == job->n) {
        return print_end(job);
    }
    if (!job->head_sent) {
        return choice && (job->style->stream || choice->ended) && print_head(job);
    }
    if (!job->style->stream) {
        return choice && choice->ended && print_choice(job, choice);
    }
    bool printed = false;
    for (uint32_t slot = 0; slot < job->server->batch.n; slot++) {
        struct kg_choice *one = &job->server->choices[slot];
        printed = (one->job == job && print_choice(job, one)) || printed;
    }
    return printed;
}

void kg_job_print(struct kg_job *job)
{
    while (print_next(job)) {
    }
}
