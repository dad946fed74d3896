/* A training on windows of a running text, from the corpus to weights that are sent. Its model is no model of the
 * kernel's engine: the host writes it to a file, and a kernel for language models runs it. */
#ifndef KGPT_APP_TEXT_TRAINING_H
#define KGPT_APP_TEXT_TRAINING_H

#include "app/training/report/training_report.h"
#include "training.h"

/* Trains as k->config.train and k->config.block say. KG_E_INPUT, KG_E_MEMORY with a message; the last good weights have
 * been sent. What it takes from k->arena stays taken. */
enum kg_status kg_text_training_run(struct kg_training_report *report, struct kg_training_end *end,
                                    struct kg_error *error);

#endif
