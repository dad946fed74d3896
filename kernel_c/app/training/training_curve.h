/* The losses of a training as a curve in pixels above the text, where the screen has pixels. */
#ifndef KGPT_APP_TRAINING_CURVE_H
#define KGPT_APP_TRAINING_CURVE_H

#include "app/kgpt.h"

/* Gives the upper part of the screen to the curve. What it takes from the arena, once a run, stays taken. Without pixels, or memory for
 * them, the other functions do nothing. */
void kg_training_curve_open(struct kgpt *k);

void kg_training_curve_begin(uint64_t first, uint64_t until); /* an empty curve of steps `first` + 1 to `until` */
void kg_training_curve_step(uint64_t step, double loss);
void kg_training_curve_validation(uint64_t step, double loss);
void kg_training_curve_show(void); /* draws what is known by now */

#endif
