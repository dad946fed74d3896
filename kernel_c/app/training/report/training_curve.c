/* See training_curve.h. A column of pixels stands for one or more steps. Drawn are the mean loss of each column (dim),
 * the moving mean over the columns to its left (bright), and the losses of validations (crosses). */
#include "training_curve.h"

#include "kgpt/font.h"
#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/picture.h"

#define PERCENT 45 /* of the screen's height */

#define LEFT (7 * KG_FONT_WIDTH) /* margins around the curve, in dots: for numbers, and a line of text below */
#define RIGHT KG_FONT_WIDTH
#define TOP (KG_FONT_HEIGHT / 2)
#define BOTTOM (KG_FONT_HEIGHT + 4)
#define GRID_LINES 5
#define SMOOTH 40 /* the moving mean covers 1/40 of the width */

#define GRID 0x303030u
#define TEXT 0xAAAAAAu
#define DIM 0x00557Fu
#define BRIGHT 0x55FFFFu
#define VALIDATION 0xFFFF55u

/* The row of pixels for a loss. */
static uint32_t row_of_loss(const struct kg_training_curve *curve, double loss)
{
    double share = (curve->most - loss) / (curve->most - curve->least);
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    return TOP * curve->dot + (uint32_t)(share * (curve->height - 1) + 0.5);
}

static uint32_t column_of_step(const struct kg_training_curve *curve, uint64_t step)
{
    return (uint32_t)((step - 1 - curve->first) * curve->width / (curve->until - curve->first));
}

/* A line that is drawn from left to right. */
struct pen {
    uint32_t thick, color;
    uint32_t x, row; /* where it is */
    bool down;
};

/* To the row of `loss` in column `x`: along the row where it is, then up or down. */
static void draw_line_to(const struct kg_training_curve *curve, struct pen *pen, uint32_t x, double loss)
{
    uint32_t row = row_of_loss(curve, loss), left = LEFT * curve->dot;
    if (pen->down) {
        uint32_t top = row < pen->row ? row : pen->row, bottom = row < pen->row ? pen->row : row;
        kg_picture_fill(&curve->picture, left + pen->x, pen->row, x - pen->x, pen->thick, pen->color);
        kg_picture_fill(&curve->picture, left + x, top, pen->thick, bottom - top + pen->thick, pen->color);
    } else {
        kg_picture_fill(&curve->picture, left + x, row, pen->thick, pen->thick, pen->color);
    }
    *pen = (struct pen){pen->thick, pen->color, x, row, true};
}

static void draw_curve_columns(const struct kg_training_curve *curve)
{
    struct pen dim = {.thick = curve->dot, .color = DIM};
    for (uint32_t x = 0; x < curve->width; x++) {
        if (curve->columns[x].n) {
            draw_line_to(curve, &dim, x, curve->columns[x].sum / curve->columns[x].n);
        }
    }
}

static void draw_curve_mean(const struct kg_training_curve *curve)
{
    struct pen bright = {.thick = 2 * curve->dot, .color = BRIGHT};
    uint32_t n = 0, window = curve->width / SMOOTH + 1;
    double sum = 0;
    for (uint32_t x = 0; x < curve->width; x++) {
        const struct kg_curve_column *column = &curve->columns[x], *old = column - window;
        sum += column->sum - (x >= window ? old->sum : 0);
        n += column->n - (x >= window ? old->n : 0);
        if (column->n) {
            draw_line_to(curve, &bright, x, sum / n);
        }
    }
}

static void draw_curve_validation(const struct kg_training_curve *curve)
{
    uint32_t arm = 3 * curve->dot;
    for (uint32_t x = 0; x < curve->width; x++) {
        if (curve->columns[x].validated) {
            uint32_t row = row_of_loss(curve, curve->columns[x].validation), at = LEFT * curve->dot + x;
            kg_picture_fill(&curve->picture, at - arm, row, 2 * arm + curve->dot, curve->dot, VALIDATION);
            kg_picture_fill(&curve->picture, at, row > arm ? row - arm : 0, curve->dot, 2 * arm + curve->dot,
                            VALIDATION);
        }
    }
}

static void draw_curve_grid(const struct kg_training_curve *curve)
{
    char text[24];
    for (uint32_t i = 0; i < GRID_LINES; i++) {
        double loss = curve->most - (curve->most - curve->least) * i / (GRID_LINES - 1);
        uint32_t row = row_of_loss(curve, loss);
        kg_picture_fill(&curve->picture, LEFT * curve->dot, row, curve->width, 1, GRID);
        kg_format(text, sizeof text, "%6.3f", loss);
        kg_picture_text(&curve->picture, 0, row - TOP * curve->dot, curve->dot, TEXT, text);
    }
    uint32_t below = curve->picture.height - KG_FONT_HEIGHT * curve->dot;
    kg_format(text, sizeof text, "%lu", (unsigned long)curve->first);
    kg_picture_text(&curve->picture, LEFT * curve->dot, below, curve->dot, TEXT, text);
    size_t n = kg_format(text, sizeof text, "%lu step%s", (unsigned long)curve->until, kg_plural(curve->until));
    kg_picture_text(&curve->picture, (LEFT - (uint32_t)n * KG_FONT_WIDTH) * curve->dot + curve->width, below,
                    curve->dot, TEXT, text);
}

static void find_loss_range(struct kg_training_curve *curve)
{
    bool any = false;
    for (uint32_t x = 0; x < curve->width; x++) {
        const struct kg_curve_column *column = &curve->columns[x];
        double values[] = {column->n ? column->sum / column->n : 0, column->validation};
        for (uint32_t i = column->n ? 0 : 1; i < 1u + column->validated; i++) {
            curve->least = any && curve->least < values[i] ? curve->least : values[i];
            curve->most = any && curve->most > values[i] ? curve->most : values[i];
            any = true;
        }
    }
    if (!(curve->most > curve->least)) { /* one loss, or none: the range must not be empty */
        curve->least -= 0.5;
        curve->most += 0.5;
    }
}

void kg_training_curve_show(struct kg_training_curve *curve)
{
    if (!curve->drawing) {
        return;
    }
    find_loss_range(curve);
    kg_picture_fill(&curve->picture, 0, 0, curve->picture.width, curve->picture.height, 0);
    draw_curve_grid(curve);
    draw_curve_columns(curve);
    draw_curve_mean(curve);
    draw_curve_validation(curve);
    plat_picture_show();
}

static bool is_large_enough(const struct kg_training_curve *curve)
{
    const struct kg_picture *picture = &curve->picture;
    return picture->width > 2 * (LEFT + RIGHT) * curve->dot && picture->height > 2 * (TOP + BOTTOM) * curve->dot;
}

void kg_training_curve_open(struct kgpt *k, struct kg_training_curve *curve)
{
    if (curve->columns || !k->info->has_screen || !plat_picture_open(&curve->picture, PERCENT, &k->arena)) {
        return;
    }
    curve->dot = 1 + curve->picture.width / 2560;
    if (is_large_enough(curve)) {
        curve->columns = kg_arena_take(&k->arena, curve->picture.width * sizeof *curve->columns);
    }
    if (!curve->columns) {
        plat_picture_close();
        return;
    }
    curve->width = curve->picture.width - (LEFT + RIGHT) * curve->dot;
    curve->height = curve->picture.height - (TOP + BOTTOM) * curve->dot;
}

void kg_training_curve_begin(struct kg_training_curve *curve, uint64_t first, uint64_t until)
{
    curve->drawing = curve->columns && until > first;
    if (curve->drawing) {
        curve->first = first;
        curve->until = until;
        memset(curve->columns, 0, curve->width * sizeof *curve->columns);
    }
}

void kg_training_curve_step(struct kg_training_curve *curve, uint64_t step, double loss)
{
    if (curve->drawing) {
        struct kg_curve_column *column = &curve->columns[column_of_step(curve, step)];
        column->sum += loss;
        column->n++;
    }
}

void kg_training_curve_validation(struct kg_training_curve *curve, uint64_t step, double loss)
{
    if (curve->drawing && step > curve->first && loss - loss == 0) {
        struct kg_curve_column *column = &curve->columns[column_of_step(curve, step)];
        column->validation = loss;
        column->validated = true;
    }
}
