/* See training_log.h. */
#include "training_log.h"

#include "app/events/print.h"
#include "kgpt/mem.h"

#define BAR 40 /* characters of the longest */

struct line {
    uint64_t step;
    uint32_t steps;
    double sum; /* of the losses of `steps` steps, the last of which is `step` */
    double validation;
    bool has_validation; /* after `step`, or between it and the next line */
};

static struct {
    struct line lines[KG_LOG_LINES + 2]; /* the last one is being filled */
    uint32_t n;
} training_log;

void kg_training_log_begin(void)
{
    memset(&training_log, 0, sizeof training_log);
}

void kg_training_log_step(uint64_t step, double loss)
{
    struct line *line = &training_log.lines[training_log.n];
    line->step = step;
    line->steps++;
    line->sum += loss;
}

void kg_training_log_line(void)
{
    if (training_log.n < KG_LOG_LINES + 1) {
        training_log.n++;
    }
}

void kg_training_log_validation(uint64_t step, double loss)
{
    uint32_t n = training_log.n;
    struct line *line = &training_log.lines[n > 0 && training_log.lines[n].step != step ? n - 1 : n];
    line->validation = loss;
    line->has_validation = true;
}

static double mean(const struct line *line)
{
    return line->steps ? line->sum / line->steps : 0;
}

/* The bars begin at the lowest loss. */
static void print_line(const struct line *line, double least, double most)
{
    static const char bar[] = "########################################";
    _Static_assert(sizeof bar - 1 == BAR, "the longest bar");
    int length = most > least ? (int)((mean(line) - least) / (most - least) * (BAR - 1)) + 1 : 1;
    kg_print("step %6lu | loss %.4f | ", (unsigned long)line->step, mean(line));
    if (line->has_validation) {
        kg_print("validation %.4f | ", line->validation);
    }
    kg_print("%s\n", bar + BAR - length);
}

bool kg_training_log_print(void)
{
    double least = mean(&training_log.lines[0]), most = least;
    uint32_t n = training_log.n + (training_log.lines[training_log.n].steps > 0);
    for (uint32_t i = 0; i < n; i++) {
        double loss = mean(&training_log.lines[i]);
        least = loss < least ? loss : least;
        most = loss > most ? loss : most;
    }
    for (uint32_t i = 0; i < n; i++) {
        print_line(&training_log.lines[i], least, most);
    }
    return n > 0;
}
