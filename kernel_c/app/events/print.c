/* printf to the console: see print.h. */
#include "print.h"

#include "kgpt/format.h"
#include "kgpt/platform.h"
#include "kgpt/utf8.h"

static void print_arguments(enum kg_voice voice, const char *format, va_list arguments)
{
    char text[1024];
    size_t length = kg_format_stored(kg_vformat(text, sizeof text, format, arguments), sizeof text);
    kg_utf8_printable(text, length, true); /* prompts and names may hold any bytes, and may be cut */
    plat_text(voice, text, length);
}

void kg_print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_arguments(KG_VOICE_KERNEL, format, arguments);
    va_end(arguments);
}

void kg_print_as(enum kg_voice voice, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_arguments(voice, format, arguments);
    va_end(arguments);
}

void kg_print_typed(const char *text, size_t n)
{
    plat_text(KG_VOICE_USER, text, n);
}

void kg_print_error(const struct kg_error *error)
{
    kg_print_as(KG_VOICE_ERROR, "kgpt: %s\n", error->message);
    if (error->hint[0]) {
        kg_print("kgpt: hint: %s\n", error->hint);
    }
}

struct kg_amount kg_amount(unsigned long bytes)
{
    struct kg_amount amount;
    if (bytes < 1024) {
        kg_format(amount.text, sizeof amount.text, "%lu byte%s", bytes, kg_plural(bytes));
    } else if (bytes < 10ul << 20) {
        kg_format(amount.text, sizeof amount.text, "%'lu KB", (bytes + 512) >> 10);
    } else {
        kg_format(amount.text, sizeof amount.text, "%'lu MB", bytes >> 20);
    }
    return amount;
}
