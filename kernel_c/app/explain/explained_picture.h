/* The maps of attention as a picture above the text, where the screen has pixels. */
#ifndef KGPT_APP_EXPLAINED_PICTURE_H
#define KGPT_APP_EXPLAINED_PICTURE_H

#include "explained.h"

/* Draws the maps (n, n_head, stride, stride) of the heads of `n` layers; without room for all, those of the last
 * layers. The picture stays until plat_picture_close. */
void kg_explained_draw(const struct kg_explained *x, const uint32_t *layers, uint32_t n, const float *maps);

#endif
