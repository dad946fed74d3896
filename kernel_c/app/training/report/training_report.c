/* See training_report.h. */
#include "training_report.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "app/events/statusline.h"

void kg_training_report_begin(struct kg_training_report *report, uint64_t done)
{
    kg_training_log_begin(report->log);
    kg_training_curve_begin(report->curve, done, report->until);
}

/* On the screen, where there is one. */
static void show_training_progress(struct kg_training_report *report, uint64_t step, double loss)
{
    if (step == report->until || kg_statusline_due(report->k)) {
        kg_statusline(report->k, "step %lu/%u, loss %.4f", (unsigned long)step, report->steps, loss);
        kg_training_curve_show(report->curve);
    }
}

bool kg_training_report_step(struct kg_training_report *report, uint64_t step, double loss, double lr)
{
    KG_EMIT(step, .step = step, .loss = loss, .loss_bits = loss, .lr = lr);
    kg_training_log_step(report->log, step, loss);
    kg_training_curve_step(report->curve, step, loss);
    show_training_progress(report, step, loss);
    if ((step - 1) % (report->steps / KG_LOG_LINES + 1) != 0 && step != report->until) {
        return false;
    }
    kg_print("step %4lu / %4u | loss %.4f\n", (unsigned long)step, report->steps, loss);
    kg_training_log_line(report->log);
    return true;
}

void kg_training_report_validation(struct kg_training_report *report, uint64_t step, double loss)
{
    KG_EMIT(eval, .step = step, .loss = loss);
    kg_print("validation after step %lu | loss %.4f\n", (unsigned long)step, loss);
    kg_training_log_validation(report->log, step, loss);
    kg_training_curve_validation(report->curve, step, loss);
}

enum kg_status kg_training_refuse_loss(uint64_t step, bool kept, struct kg_error *error)
{
    kg_error_set(error, KG_E_INPUT, "the loss of step %lu is not a finite number", (unsigned long)step);
    kg_error_hint(error, "lower lr; %s", kept ? "the last good weights have been kept" : "no weights were good");
    return KG_E_INPUT;
}

enum kg_status kg_training_refuse_memory(uint64_t needed, uint64_t left, struct kg_error *error)
{
    kg_error_set(error, KG_E_MEMORY, "training this model needs %s of memory, and %s are free", kg_amount(needed).text,
                 kg_amount(left).text);
    kg_error_hint(error, "give the machine more memory, or train a smaller model");
    return KG_E_MEMORY;
}
