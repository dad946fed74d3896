/* Memory types of physical addresses (MTRRs). All processors must have the same ones to share memory (SDM 3A,
 * 12.11). */
#ifndef KGPT_X86_64_MTRR_H
#define KGPT_X86_64_MTRR_H

#include <stdbool.h>

void kg_mtrr_init(void); /* on the first processor: saves its MTRRs */

/* On another processor: copies the first one's MTRRs if they differ. Returns false if they still differ. */
bool kg_mtrr_join(void);

#endif
