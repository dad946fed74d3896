/* Models from servers: see lm_remote.h. */
#include "lm_remote.h"

#include "lm_read.h"
#include "lm_region.h"
#include "lm_stated.h"

#include "app/events/print.h"
#include "app/events/statusline.h"
#include "app/network/dialing.h"
#include "app/network/fetch.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"

#define GGUF ".gguf"
#define TRIES 3u                 /* if the file becomes another one while it is read */
#define STATED_MOST 4096u        /* bytes of a file with a hash */
#define TEMPLATE_MOST (4u << 20) /* … of a chat template */

struct remote {
    struct kgpt *k;
    struct kg_url url;
    struct kg_fetch fetch;
    struct kg_lm_read read; /* of the model, while it comes */
    bool reads;
    bool stops;     /* Ctrl-C was pressed */
    bool changed;   /* it became another one */
    uint64_t heard; /* when the server last gave bytes, in milliseconds; 0: nothing is waited for yet */
    uint64_t had;   /* … and how many it had given of the file `asked` then */
    uint64_t told;  /* seconds of silence that the screen shows */
    const struct kg_url *asked;
    const void *chat; /* NULL: the server has no template beside it */
    uint64_t chat_size;
    bool stated; /* by the address, or by the server */
    uint8_t hash[KG_SHA256_SIZE];
    char name[KG_URL_MOST + 1]; /* the address without its hash */
};

/* Shows each second how long the server has been silent. False: it is not. */
static bool note_silence(struct remote *remote)
{
    const struct kg_fetch *fetch = &remote->fetch;
    uint64_t now = fetch->dial->now_ms(fetch->dial->context);
    char text[96];
    if (!remote->heard || fetch->done != remote->had || fetch->url != remote->asked) {
        remote->heard = now;
        remote->had = fetch->done;
        remote->asked = fetch->url;
        remote->told = 0;
    }
    uint64_t seconds = (now - remote->heard) / 1000;
    if (seconds != remote->told) {
        remote->told = seconds;
        size_t n = kg_format(text, sizeof text, "%.40s: no answer for %llu s; Ctrl-C stops", fetch->url->host,
                             (unsigned long long)seconds);
        kg_statusline(remote->k, "%s", text);
        plat_notice(text, kg_format_stored(n, sizeof text));
    }
    return seconds > 0;
}

static bool remote_stopped(void *context)
{
    struct remote *remote = context;
    bool silent = note_silence(remote);
    if (remote->reads && !silent) {
        remote->read.done = remote->fetch.done;
        kg_lm_read_watch(&remote->read);
    }
    remote->stops = remote->stops || remote->read.stopped || kg_input_stopped(&remote->k->input);
    return remote->stops;
}

static bool remote_work(void *context)
{
    struct remote *remote = context;
    remote->read.done = remote->reads ? remote->fetch.done : 0;
    return remote->reads && kg_lm_read_work(&remote->read);
}

static void tell_again(void *context, const char *problem, uint32_t ms)
{
    const struct remote *remote = context;
    kg_print("kgpt: %.100s: %s; again in %u.%02u s\n", remote->url.host, problem, ms / 1000, ms / 10 % 100);
}

/* The refusal for what came of a file. */
static enum kg_status refuse_fetch(const struct remote *remote, enum kg_fetch_end end, struct kg_error *error)
{
    if (end == KG_FETCH_STOPPED) {
        kg_error_set(error, KG_E_STOPPED, "loading %.160s was stopped", remote->name);
        kg_error_hint(error, "the models in memory stay as they are");
        return KG_E_STOPPED;
    }
    if (end == KG_FETCH_NONE) {
        kg_error_set(error, KG_E_INPUT, "the server has no file %.160s", remote->name);
        kg_error_hint(error, "check the address");
        return KG_E_INPUT;
    }
    kg_error_set(error, KG_E_INPUT, "%.120s cannot be read: %.160s", remote->name,
                 end == KG_FETCH_ANOTHER ? "it changed on the server again and again" : remote->fetch.problem);
    kg_error_hint(error, "check the server and the network; the models in memory stay as they are");
    return KG_E_INPUT;
}

/* A small file beside the model, in memory of the arena. *bytes NULL: the server has none. */
static enum kg_status fetch_beside(struct remote *remote, size_t cut, const char *end, uint64_t most, char **bytes,
                                   uint64_t *size, struct kg_error *error)
{
    struct kg_url url;
    struct kg_fetch *fetch = &remote->fetch;
    *bytes = NULL;
    if (!kg_url_beside(&remote->url, cut, end, &url)) {
        return KG_OK;
    }
    fetch->url = &url;
    enum kg_fetch_end got = kg_fetch_open(fetch);
    char *memory = got == KG_FETCH_GOOD && fetch->size <= most ? kg_arena_take(&remote->k->arena, fetch->size) : NULL;
    if (memory) {
        got = kg_fetch_read(fetch, (uint8_t *)memory);
    }
    kg_fetch_close(fetch);
    *size = fetch->size;
    *bytes = got == KG_FETCH_GOOD ? memory : NULL;
    if (got == KG_FETCH_GOOD && !memory) {
        return kg_error_set(error, KG_E_INPUT, "%s beside %.120s has %s: too much", end, remote->name,
                            kg_amount(fetch->size).text);
    }
    return got == KG_FETCH_GOOD || got == KG_FETCH_NONE ? KG_OK : refuse_fetch(remote, got, error);
}

static bool is_named_gguf(const struct kg_url *url)
{
    size_t n = 0, end = sizeof GGUF - 1;
    while (url->path[n] && url->path[n] != '?') {
        n++;
    }
    return n > end && memcmp(url->path + n - end, GGUF, end) == 0;
}

/* NAME.gguf.sha256 and NAME.kgct of NAME.gguf, as on disks. */
static enum kg_status fetch_what_is_beside(struct remote *remote, struct kg_error *error)
{
    char *bytes;
    uint64_t n;
    enum kg_status status = KG_OK;
    remote->stated = remote->url.stated;
    memcpy(remote->hash, remote->url.sha256, sizeof remote->hash);
    if (!remote->stated && is_named_gguf(&remote->url)) {
        status = fetch_beside(remote, 0, ".sha256", STATED_MOST, &bytes, &n, error);
        remote->stated = status == KG_OK && bytes && kg_lm_take_hash(bytes, (size_t)n, remote->hash);
    }
    if (status == KG_OK && is_named_gguf(&remote->url)) {
        status = fetch_beside(remote, sizeof GGUF - 1, ".kgct", TEMPLATE_MOST, &bytes, &n, error);
        remote->chat = bytes;
        remote->chat_size = bytes ? n : 0;
    }
    return status;
}

static enum kg_status read_remote_model(void *context, struct kg_lm_source *source, uint8_t *to, struct kg_error *error)
{
    struct remote *remote = context;
    struct kg_lm_arrange arrange;
    kg_lm_arrange_begin(&arrange, remote->k, to, source->size);
    kg_lm_read_begin(&remote->read, remote->k, source->place, source->size, to, &arrange);
    remote->reads = true;
    enum kg_fetch_end end = kg_fetch_read(&remote->fetch, to);
    remote->reads = false;
    remote->read.done = remote->fetch.done;
    if (end != KG_FETCH_GOOD) {
        remote->changed = end == KG_FETCH_ANOTHER;
        return refuse_fetch(remote, end, error);
    }
    kg_lm_read_end(&remote->read, source->digest);
    source->interleaved = kg_lm_arrange_done(&arrange);
    return kg_lm_check_hash(source, remote->stated ? remote->hash : NULL, remote->url.stated ? "address" : "server",
                            error);
}

static enum kg_status copy_remote_chat(void *context, uint8_t *to, struct kg_error *error)
{
    const struct remote *remote = context;
    (void)error;
    memcpy(to, remote->chat, remote->chat_size);
    return KG_OK;
}

/* One try; remote->changed: another one may succeed. */
static enum kg_status bring_remote(struct remote *remote, struct kg_error *error)
{
    remote->changed = false;
    enum kg_status status = fetch_what_is_beside(remote, error);
    if (status != KG_OK) {
        return status;
    }
    remote->fetch.url = &remote->url;
    enum kg_fetch_end end = kg_fetch_open(&remote->fetch);
    if (end == KG_FETCH_GOOD && remote->fetch.size == 0) {
        end = kg_fetch_fail(&remote->fetch, "it is empty");
    }
    if (end == KG_FETCH_GOOD) {
        const struct kg_lm_bringer bringer = {.context = remote,
                                              .name = remote->name,
                                              .size = remote->fetch.size,
                                              .chat_size = remote->chat_size,
                                              .read_model = read_remote_model,
                                              .read_chat = copy_remote_chat};
        status = kg_lm_bring(remote->k, &bringer, error);
    } else {
        status = refuse_fetch(remote, end, error);
    }
    kg_fetch_close(&remote->fetch);
    return status;
}

enum kg_status kg_lm_load_url(struct kgpt *k, const char *text, struct kg_error *error)
{
    struct remote *remote = kg_arena_take(&k->arena, sizeof *remote);
    if (!remote) {
        return kg_error_set(error, KG_E_MEMORY, "no memory is left to ask a server");
    }
    enum kg_status status = kg_url_read(&remote->url, text, error);
    if (status == KG_OK) {
        status = kg_dial_open(k, &remote->fetch.dial, error);
    }
    if (status != KG_OK) {
        return status;
    }
    remote->k = k;
    remote->fetch.context = remote;
    remote->fetch.stopped = remote_stopped;
    remote->fetch.work = remote_work;
    remote->fetch.again = tell_again;
    for (size_t i = 0; text[i] && text[i] != '#'; i++) {
        remote->name[i] = text[i];
    }
    size_t used = k->arena.used;
    for (uint32_t tries = 1;; tries++) {
        status = bring_remote(remote, error);
        if (!remote->changed || tries == TRIES) {
            return status;
        }
        kg_arena_rewind(&k->arena, used);
        kg_print("kgpt: %.160s changed on the server: it is read anew\n", remote->name);
    }
}
