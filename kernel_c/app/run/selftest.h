/* Runs the linked self-tests. */
#ifndef KGPT_APP_SELFTEST_H
#define KGPT_APP_SELFTEST_H

#include "app/kgpt.h"

/* `filter` is a test ("format.widths"), a suite ("format"), or empty for all. Stores the number of failed tests.
 * KG_E_INPUT if the filter matches nothing. */
enum kg_status kg_selftest_run(struct kgpt *k, const char *filter, uint32_t *failed, struct kg_error *error);

#endif
