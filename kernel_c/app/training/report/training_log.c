/* See training_log.h. */
#include "training_log.h"

#include "app/events/print.h"
#include "kgpt/mem.h"

#define BAR 40 /* characters of the longest */

void kg_training_log_begin(struct kg_training_log *log)
{
    memset(log, 0, sizeof *log);
}

void kg_training_log_step(struct kg_training_log *log, uint64_t step, double loss)
{
    struct kg_log_line *line = &log->lines[log->n];
    line->step = step;
    line->steps++;
    line->sum += loss;
}

void kg_training_log_line(struct kg_training_log *log)
{
    if (log->n < KG_LOG_LINES + 1) {
        log->n++;
    }
}

void kg_training_log_validation(struct kg_training_log *log, uint64_t step, double loss)
{
    uint32_t n = log->n;
    struct kg_log_line *line = &log->lines[n > 0 && log->lines[n].step != step ? n - 1 : n];
    line->validation = loss;
    line->has_validation = true;
}

static double mean_of_line(const struct kg_log_line *line)
{
    return line->steps ? line->sum / line->steps : 0;
}

/* The bars begin at the lowest loss. */
static void print_log_line(const struct kg_log_line *line, double least, double most)
{
    static const char bar[] = "########################################";
    _Static_assert(sizeof bar - 1 == BAR, "the longest bar");
    int length = most > least ? (int)((mean_of_line(line) - least) / (most - least) * (BAR - 1)) + 1 : 1;
    kg_print("step %6lu | loss %.4f | ", (unsigned long)line->step, mean_of_line(line));
    if (line->has_validation) {
        kg_print("validation %.4f | ", line->validation);
    }
    kg_print("%s\n", bar + BAR - length);
}

bool kg_training_log_print(const struct kg_training_log *log)
{
    double least = mean_of_line(&log->lines[0]), most = least;
    uint32_t n = log->n + (log->lines[log->n].steps > 0);
    for (uint32_t i = 0; i < n; i++) {
        double loss = mean_of_line(&log->lines[i]);
        least = loss < least ? loss : least;
        most = loss > most ? loss : most;
    }
    for (uint32_t i = 0; i < n; i++) {
        print_log_line(&log->lines[i], least, most);
    }
    return n > 0;
}
