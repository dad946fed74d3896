/* Shared by lineedit.c (keys), lineedit_draw.c (display) and lineedit_history.c. */
#ifndef KGPT_APP_LINEEDIT_PARTS_H
#define KGPT_APP_LINEEDIT_PARTS_H

#include "lineedit.h"

/* Start and end of the cursor's row, as offsets in the text. */
size_t kg_lineedit_row(const struct kg_lineedit *edit);
size_t kg_lineedit_row_end(const struct kg_lineedit *edit);

/* Redraws the cursor's row. */
void kg_lineedit_draw(struct kg_lineedit *edit);

/* Shows `n` inserted bytes before the cursor; `at_end`: the cursor is at the end of the text. */
void kg_lineedit_draw_added(struct kg_lineedit *edit, size_t n, bool at_end);

/* Show the previous or next text of the history. */
void kg_lineedit_older(struct kg_lineedit *edit);
void kg_lineedit_newer(struct kg_lineedit *edit);

/* Discards the saved new text. */
void kg_lineedit_forget_draft(struct kg_lineedit *edit);

#endif
