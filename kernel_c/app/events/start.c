/* The start screen: see report.h. It needs only the command line and the names of the files, so it is shown before any
 * model is opened. */
#include "report.h"

#include "app/engine.h"
#include "kgpt/format.h"
#include "kgpt/logo.h"
#include "kgpt/utf8.h"

/* Colours of kgpt/palette.h as SGR sequences: the logo, the name in white, the rest plain. */
#define LOGO "\x1b[94m"
#define NAME "\x1b[97m"
#define PLAIN "\x1b[m"

/* What the user can type, by mode. */
static const char *what_to_type(const struct kg_config *config)
{
    switch (config->mode) {
    case KG_MODE_SHELL: return "help lists the commands; Ctrl-D ends";
    case KG_MODE_CHAT:
    case KG_MODE_OPEN: return "Type a message and Enter; /help lists the commands";
    default: return "Ctrl-C stops; then help lists the commands";
    }
}

void kg_start_screen(const struct kgpt *k)
{
    char text[512], name[41];
    if (!k->info->has_screen || k->config.exit) {
        return;
    }
    size_t n = kg_format(name, sizeof name, "%s", kg_engine_first_model(k));
    kg_utf8_printable(name, kg_format_stored(n, sizeof name), false); /* a file's name may hold any bytes */
    n = kg_format(text, sizeof text,
                  "\n" LOGO KG_LOGO_1 "   " NAME "kgpt %s\n" LOGO KG_LOGO_2 "   " PLAIN "Model: %s\n" LOGO KG_LOGO_3
                  "   " PLAIN "%s\n\n",
                  kgpt_version, name, what_to_type(&k->config));
    n = kg_format_stored(n, sizeof text);
    plat_screen_text(text, n);
}
