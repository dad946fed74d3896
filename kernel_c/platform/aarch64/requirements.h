#ifndef KGPT_AARCH64_REQUIREMENTS_H
#define KGPT_AARCH64_REQUIREMENTS_H

/* Before the first function that uses FP registers, when the console and the machine channel work. Ends the run if the
 * processor has none. */
void kg_processor_require(void);

#endif
