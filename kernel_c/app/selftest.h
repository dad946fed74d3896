/* Runs the self-tests that are linked in. */
#ifndef KGPT_APP_SELFTEST_H
#define KGPT_APP_SELFTEST_H

#include "kgpt.h"

/* `filter` is a test ("format.widths"), a suite ("format") or empty for all. KG_E_INPUT if it names nothing; otherwise
 * the number of failed tests is stored. */
enum kg_status kg_selftest_run(struct kgpt *k, const char *filter, uint32_t *failed, struct kg_error *error);

#endif
