/* Maps of attention in pixels: see explained_picture.h. A cell is a square; the maps of a layer's heads stand beside
 * each other below a line that names the layer, in as many lines as they need. */
#include "explained_picture.h"

#include "kgpt/font.h"
#include "kgpt/format.h"
#include "kgpt/palette.h"
#include "kgpt/picture.h"

#define PERCENT 50 /* of the screen's height */
#define LARGEST 40 /* of a cell's side, in dots */
#define GAP 8      /* between two maps, in dots */
#define CAPTION (3 * KG_FONT_WIDTH)
#define GRID 6 /* cells of this many pixels are told apart by a line */

static const uint32_t palette[KG_N_COLOURS] = {KG_PALETTE};

/* All in pixels. */
struct map_layout {
    uint32_t dot, line; /* of the font, and of a line of text */
    uint32_t cell;
    uint32_t left;   /* for labels of rows: a row is as high as a line of text; 0: the rows are lower */
    uint32_t slot;   /* from a map to the one beside it */
    uint32_t across; /* maps beside each other */
    uint32_t layer;  /* the height of a layer */
};

static struct map_layout layout_with(const struct kg_explained *x, const struct kg_picture *picture, uint32_t dot,
                                     uint32_t cell)
{
    struct map_layout l = {.dot = dot, .line = KG_FONT_HEIGHT * dot, .cell = cell};
    uint32_t map = x->n * cell, wide = map > CAPTION * dot ? map : CAPTION * dot;
    l.left = cell < l.line ? 0 : (KG_EXPLAINED_LABEL + 1) * KG_FONT_WIDTH * dot;
    l.slot = wide + GAP * dot;
    l.across = picture->width > l.left ? (picture->width - l.left) / l.slot : 0;
    if (l.across) {
        l.layer = l.line + (x->n_head + l.across - 1) / l.across * (l.line + map + GAP * dot);
    }
    return l;
}

/* The layout with the largest cells with which `n` layers fit. False: they do not fit. */
static bool find_map_layout(const struct kg_explained *x, const struct kg_picture *picture, uint32_t n,
                            struct map_layout *layout)
{
    uint32_t dot = 1 + picture->width / 2560;
    for (uint32_t cell = LARGEST * dot; cell > 1; cell--) {
        *layout = layout_with(x, picture, dot, cell);
        if (layout->across && (uint64_t)n * layout->layer <= picture->height) {
            return true;
        }
    }
    return false;
}

/* Between a dark grey, for nothing, and the palette's light blue. */
static uint32_t map_colour(float weight)
{
    const uint32_t none = 0x1C2128, all = palette[KG_COLOUR_LOGO];
    uint32_t colour = 0;
    for (uint32_t shift = 0; shift < 24; shift += 8) {
        float from = (float)(none >> shift & 0xFF), to = (float)(all >> shift & 0xFF);
        colour |= (uint32_t)(from + (to - from) * weight + 0.5f) << shift;
    }
    return colour;
}

static void draw_map(const struct kg_explained *x, const struct kg_picture *picture, const struct map_layout *l,
                     uint32_t left, uint32_t top, const float *map)
{
    uint32_t side = l->cell - (l->cell >= GRID);
    for (uint32_t row = 0; row < x->n; row++) {
        for (uint32_t i = 0; i <= row; i++) {
            kg_picture_fill(picture, left + i * l->cell, top + row * l->cell, side, side,
                            map_colour(map[(size_t)row * x->stride + i]));
        }
    }
}

static void draw_row_labels(const struct kg_explained *x, const struct kg_picture *picture, const struct map_layout *l,
                            uint32_t top)
{
    char label[KG_EXPLAINED_LABEL + 1];
    for (uint32_t row = 0; row < x->n && l->left; row++) {
        kg_explained_label(x->k, x->tokens[row], label);
        kg_picture_text(picture, 0, top + row * l->cell + (l->cell - l->line) / 2, l->dot, palette[KG_COLOUR_TEXT],
                        label);
    }
}

static void draw_layer(const struct kg_explained *x, const struct kg_picture *picture, const struct map_layout *l,
                       uint32_t top, uint32_t layer, const float *maps)
{
    char text[80];
    kg_format(text, sizeof text, "attention of layer %u: row looks at column, the brighter the more", layer);
    kg_picture_text(picture, 0, top, l->dot, palette[KG_COLOUR_TEXT], text);
    top += l->line;
    for (uint32_t head = 0; head < x->n_head; head++) {
        uint32_t column = head % l->across, left = l->left + column * l->slot;
        if (head && !column) {
            top += l->line + x->n * l->cell + GAP * l->dot;
        }
        if (!column) {
            draw_row_labels(x, picture, l, top + l->line);
        }
        kg_format(text, sizeof text, "%u", head);
        kg_picture_text(picture, left, top, l->dot, palette[KG_COLOUR_DIM], text);
        draw_map(x, picture, l, left, top + l->line, maps + (size_t)head * x->stride * x->stride);
    }
}

void kg_explained_draw(const struct kg_explained *x, const uint32_t *layers, uint32_t n, const float *maps)
{
    struct kg_picture picture;
    struct map_layout layout;
    uint32_t first = 0;
    if (!n || !x->k->info->has_screen || !plat_picture_open(&picture, PERCENT, &x->k->arena)) {
        return;
    }
    while (first < n && !find_map_layout(x, &picture, n - first, &layout)) {
        first++;
    }
    for (uint32_t i = first; i < n; i++) {
        draw_layer(x, &picture, &layout, (i - first) * layout.layer, layers[i],
                   maps + (size_t)i * x->n_head * x->stride * x->stride);
    }
    if (first < n) {
        plat_picture_show(); /* once: its memory is given back with the rest of the text's */
    } else {
        plat_picture_close();
    }
}
