/* The status line: see statusline.h. */
#include "statusline.h"

#include "app/engine.h"
#include "kgpt/format.h"
#include "kgpt/utf8.h"

#define UPDATES_PER_SECOND 4

/* The text fits a screen of 80 columns. */
void kg_statusline(struct kgpt *k, const char *format, ...)
{
    char doing[128], text[384];
    va_list arguments;
    k->status_shown = plat_ticks();
    if (!k->info->has_screen) {
        return;
    }
    va_start(arguments, format);
    kg_vformat(doing, sizeof doing, format, arguments);
    va_end(arguments);
    uint32_t cpus = k->workers ? k->workers : 1;
    size_t n = kg_format(text, sizeof text, " %.20s | %s | %u CPU%s | %lu/%lu MB", kg_engine_model_name(k), doing, cpus,
                         kg_plural(cpus), (unsigned long)((k->needs.weights + k->arena.used + (1u << 20) - 1) >> 20),
                         (unsigned long)(k->info->memory_total >> 20));
    n = kg_format_stored(n, sizeof text);
    kg_utf8_printable(text, n, false); /* a file's name may hold any bytes, and may be cut */
    plat_status(text, n);
}

bool kg_statusline_due(struct kgpt *k)
{
    return plat_ticks() - k->status_shown > plat_ticks_hz() / UPDATES_PER_SECOND;
}
