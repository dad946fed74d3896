/* How a run ends: see verdict.h. */
#include "verdict.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "app/events/report.h"
#include "app/shell/shell.h"
#include "kgpt/str.h"

enum kg_exit kg_finish(struct kgpt *k, enum kg_exit code, const char *reason)
{
    bool restart = k->input.ended == KG_READ_RESTART;
    if (k->failed) {
        code = KG_EXIT_FAILED;
        reason = "nonfinite";
    }
    kg_event_exit(code, restart ? "reboot" : reason);
    if (restart) {
        plat_reboot();
    }
    if (code == KG_EXIT_OK && (k->config.exit || k->input.ended || kg_streq(reason, "halt"))) {
        plat_off_at_exit();
    }
    return code;
}

enum kg_exit kg_refuse(struct kgpt *k, const struct kg_error *error)
{
    kg_say_refused(error);
    return kg_finish(k, KG_EXIT_REFUSED, "refused");
}

enum kg_exit kg_enter_shell(struct kgpt *k)
{
    if (k->config.exit || k->input.ended) {
        return kg_finish(k, KG_EXIT_OK, "done");
    }
    kg_report_keyboard(k);
    if (!(k->info->has_input || plat_awaits_keyboard())) {
        return kg_finish(k, KG_EXIT_OK, "done");
    }
    kg_shell_run(k);
    return kg_finish(k, KG_EXIT_OK, "halt");
}
