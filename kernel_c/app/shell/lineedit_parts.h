/* Between the parts of the line editor: lineedit.c (keys), lineedit_draw.c (the terminal), lineedit_history.c. */
#ifndef KGPT_APP_LINEEDIT_PARTS_H
#define KGPT_APP_LINEEDIT_PARTS_H

#include "lineedit.h"

/* Where the cursor's row begins and ends, in bytes of the text. */
size_t kg_lineedit_row(const struct kg_lineedit *edit);
size_t kg_lineedit_row_end(const struct kg_lineedit *edit);

/* Draws the cursor's row over the one that is shown. */
void kg_lineedit_draw(struct kg_lineedit *edit);

/* `n` bytes stand before the cursor now that are not shown; `at_end`: nothing is behind them. */
void kg_lineedit_draw_added(struct kg_lineedit *edit, size_t n, bool at_end);

/* Shows the text before or behind the one shown. */
void kg_lineedit_older(struct kg_lineedit *edit);
void kg_lineedit_newer(struct kg_lineedit *edit);

/* The new text is another one: what was kept of it goes. */
void kg_lineedit_forget_draft(struct kg_lineedit *edit);

#endif
