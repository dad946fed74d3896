/* The losses of a training as a curve in pixels above the text, where the screen has pixels. */
#ifndef KGPT_APP_TRAINING_CURVE_H
#define KGPT_APP_TRAINING_CURVE_H

#include "app/kgpt.h"

struct kg_curve_column {
    double sum, validation;
    uint32_t n;
    bool validated;
};

struct kg_training_curve {
    struct kg_picture picture;
    uint32_t dot;                    /* pixels */
    struct kg_curve_column *columns; /* (picture.width); NULL: there is no picture */
    bool drawing;
    uint32_t width, height; /* pixels of the curve's field */
    uint64_t first, until;
    double least, most;
};

/* Reserves the upper part of the screen for the curve. Takes memory from the arena once a run and keeps it. Without
 * pixels, or without memory for them, the other functions do nothing. */
void kg_training_curve_open(struct kgpt *k, struct kg_training_curve *curve);

/* An empty curve of steps `first` + 1 to `until`. */
void kg_training_curve_begin(struct kg_training_curve *curve, uint64_t first, uint64_t until);
void kg_training_curve_step(struct kg_training_curve *curve, uint64_t step, double loss);
void kg_training_curve_validation(struct kg_training_curve *curve, uint64_t step, double loss);
void kg_training_curve_show(struct kg_training_curve *curve); /* draws what is known by now */

#endif
