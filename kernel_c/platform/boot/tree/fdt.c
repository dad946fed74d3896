#include "fdt.h"

#include "kgpt/str.h"

#define MAGIC 0xD00DFEEDu
#define OLDEST_COMPATIBLE 17u /* we read the layout of version 17 */
#define HEADER_SIZE 40u
#define RESERVATION_SIZE 16u

enum { BEGIN_NODE = 1, END_NODE = 2, PROPERTY = 3, NOTHING = 4, END = 9 };

#define PROPERTY_HEADER 12u /* token, size, offset of the name */

static uint32_t big32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint64_t big64(const uint8_t *at)
{
    return (uint64_t)big32(at) << 32 | big32(at + 4);
}

static uint32_t fdt_token(const struct kg_fdt *fdt, uint32_t at)
{
    return big32(fdt->bytes + at);
}

/* The length of the text at `at` with its NUL; 0: it does not end before `end`. */
static uint32_t text_size(const struct kg_fdt *fdt, uint32_t at, uint32_t end)
{
    for (uint32_t i = at; i < end; i++) {
        if (fdt->bytes[i] == '\0') {
            return i + 1 - at;
        }
    }
    return 0;
}

static uint32_t token_aligned(uint32_t at)
{
    return (at + 3) & ~3u;
}

/* The offset of the token after the one at `at`; 0: this one does not lie within the block. */
static uint32_t token_end(const struct kg_fdt *fdt, uint32_t at)
{
    uint32_t end = fdt->tokens_end, size;
    switch (fdt_token(fdt, at)) {
    case BEGIN_NODE: size = text_size(fdt, at + 4, end); return size ? token_aligned(at + 4 + size) : 0;
    case PROPERTY:
        if (end - at < PROPERTY_HEADER) {
            return 0;
        }
        size = big32(fdt->bytes + at + 4);
        return size <= end - at - PROPERTY_HEADER ? token_aligned(at + PROPERTY_HEADER + size) : 0;
    default: return at + 4;
    }
}

static bool has_name(const struct kg_fdt *fdt, uint32_t property)
{
    uint32_t offset = big32(fdt->bytes + property + 8);
    return offset < fdt->names_end - fdt->names && text_size(fdt, fdt->names + offset, fdt->names_end);
}

/* Checks all tokens: nodes are closed, nothing reaches beyond the block. */
static const char *check_structure(const struct kg_fdt *fdt)
{
    uint32_t depth = 0, nodes = 0;
    for (uint32_t at = fdt->tokens; fdt->tokens_end - at >= 4;) {
        uint32_t token = fdt_token(fdt, at), next = token_end(fdt, at);
        if (token == END) {
            return depth == 0 && nodes ? NULL : "the device tree has nodes without an end";
        }
        if (next == 0 || next > fdt->tokens_end) {
            return "the device tree is cut off";
        }
        if (token == BEGIN_NODE) {
            nodes++;
            if (depth++ == KG_FDT_DEPTH) {
                return "the device tree is too deep";
            }
        } else if (token == END_NODE) {
            if (depth-- == 0) {
                return "the device tree ends a node that has not begun";
            }
        } else if (token == PROPERTY && (depth == 0 || !has_name(fdt, at))) {
            return "the device tree has a property without a name or a node";
        } else if (token != PROPERTY && token != NOTHING) {
            return "the device tree has an unknown token";
        }
        at = next;
    }
    return "the device tree has no end";
}

/* The range of a block, whose offset and size are in the header. */
static bool block_range(const struct kg_fdt *fdt, uint32_t offset, uint32_t size, uint32_t *from, uint32_t *end)
{
    *from = offset;
    *end = offset + size;
    return offset >= HEADER_SIZE && size <= fdt->size && offset <= fdt->size - size;
}

const char *kg_fdt_open(struct kg_fdt *fdt, const void *blob, size_t most)
{
    const uint8_t *bytes = blob;
    *fdt = (struct kg_fdt){0};
    if (most < HEADER_SIZE || big32(bytes) != MAGIC) {
        return "there is no device tree";
    }
    struct kg_fdt found = {.bytes = bytes, .size = big32(bytes + 4), .reserved = big32(bytes + 16)};
    if (found.size < HEADER_SIZE || found.size > most || found.size > KG_FDT_MOST) {
        return "the device tree has an impossible size";
    }
    if (big32(bytes + 20) < OLDEST_COMPATIBLE || big32(bytes + 24) > OLDEST_COMPATIBLE) {
        return "the device tree has an unknown version";
    }
    if (!block_range(&found, big32(bytes + 8), big32(bytes + 36), &found.tokens, &found.tokens_end) ||
        !block_range(&found, big32(bytes + 12), big32(bytes + 32), &found.names, &found.names_end) ||
        found.tokens % 4) {
        return "the device tree has blocks outside of itself";
    }
    const char *problem = check_structure(&found);
    if (!problem) {
        *fdt = found;
    }
    return problem;
}

bool kg_fdt_next(const struct kg_fdt *fdt, struct kg_fdt_node *node)
{
    if (fdt->size == 0) {
        return false;
    }
    uint32_t at = node->depth ? token_end(fdt, node->path[node->depth - 1]) : fdt->tokens;
    for (;; at = token_end(fdt, at)) {
        switch (fdt_token(fdt, at)) {
        case BEGIN_NODE: node->path[node->depth++] = at; return true;
        case END_NODE: node->depth--; break;
        case END: return false;
        default: break;
        }
    }
}

const char *kg_fdt_name(const struct kg_fdt *fdt, const struct kg_fdt_node *node)
{
    return (const char *)fdt->bytes + node->path[node->depth - 1] + 4;
}

bool kg_fdt_property(const struct kg_fdt *fdt, const struct kg_fdt_node *node, const char *name,
                     struct kg_fdt_value *value)
{
    *value = (struct kg_fdt_value){0};
    uint32_t at = token_end(fdt, node->path[node->depth - 1]);
    for (;; at = token_end(fdt, at)) { /* properties come before children */
        uint32_t token = fdt_token(fdt, at);
        if (token == PROPERTY) {
            const char *own = (const char *)fdt->bytes + fdt->names + big32(fdt->bytes + at + 8);
            if (kg_streq(own, name)) {
                *value = (struct kg_fdt_value){fdt->bytes + at + PROPERTY_HEADER, big32(fdt->bytes + at + 4)};
                return true;
            }
        } else if (token != NOTHING) {
            return false;
        }
    }
}

/* True if one of the NUL-terminated texts of a value is `text`. */
static bool holds_text(const struct kg_fdt_value *value, const char *text)
{
    size_t n = kg_strlen(text) + 1;
    for (uint32_t at = 0; at < value->size;) {
        uint32_t end = at;
        while (end < value->size && value->bytes[end] != '\0') {
            end++;
        }
        if (end < value->size && end + 1 - at == n && kg_streq((const char *)value->bytes + at, text)) {
            return true;
        }
        at = end + 1;
    }
    return false;
}

bool kg_fdt_has_text(const struct kg_fdt *fdt, const struct kg_fdt_node *node, const char *name, const char *text)
{
    struct kg_fdt_value value;
    return kg_fdt_property(fdt, node, name, &value) && holds_text(&value, text);
}

const char *kg_fdt_text(const struct kg_fdt *fdt, const struct kg_fdt_node *node, const char *name)
{
    struct kg_fdt_value value;
    bool whole = kg_fdt_property(fdt, node, name, &value) && value.size && value.bytes[value.size - 1] == '\0';
    return whole ? (const char *)value.bytes : "";
}

bool kg_fdt_is_enabled(const struct kg_fdt *fdt, const struct kg_fdt_node *node)
{
    struct kg_fdt_value value;
    return !kg_fdt_property(fdt, node, "status", &value) || holds_text(&value, "okay") || holds_text(&value, "ok");
}

bool kg_fdt_next_compatible(const struct kg_fdt *fdt, struct kg_fdt_node *node, const char *text)
{
    while (kg_fdt_next(fdt, node)) {
        if (kg_fdt_has_text(fdt, node, "compatible", text) && kg_fdt_is_enabled(fdt, node)) {
            return true;
        }
    }
    return false;
}

/* The length of the name that begins a path, up to its "/". */
static size_t part_length(const char *path)
{
    size_t n = 0;
    while (path[n] != '\0' && path[n] != '/' && path[n] != ':') {
        n++;
    }
    return n;
}

/* True if the node's name is the part of `n` characters; a unit address that the part leaves out may be any. */
static bool is_node_named(const char *name, const char *part, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (name[i] != part[i]) {
            return false;
        }
    }
    return name[n] == '\0' || name[n] == '@';
}

bool kg_fdt_find(const struct kg_fdt *fdt, struct kg_fdt_node *node, const char *path)
{
    *node = (struct kg_fdt_node){0};
    if (!kg_fdt_next(fdt, node)) {
        return false;
    }
    while (*path == '/' && part_length(path + 1)) {
        const char *part = path + 1;
        size_t n = part_length(part);
        uint32_t depth = node->depth;
        do {
            if (!kg_fdt_next(fdt, node) || node->depth <= depth) {
                return false;
            }
        } while (node->depth != depth + 1 || !is_node_named(kg_fdt_name(fdt, node), part, n));
        path = part + n;
    }
    return true;
}

uint64_t kg_fdt_cells(const struct kg_fdt_value *value, uint32_t offset, uint32_t cells)
{
    if (offset > value->size || cells > (value->size - offset) / 4 || cells == 0) {
        return 0;
    }
    const uint8_t *last = value->bytes + offset + 4 * (cells - 1);
    return cells == 1 ? big32(last) : big64(last - 4);
}

uint32_t kg_fdt_number(const struct kg_fdt *fdt, const struct kg_fdt_node *node, const char *name, uint32_t i,
                       uint32_t otherwise)
{
    struct kg_fdt_value value;
    bool there = kg_fdt_property(fdt, node, name, &value) && i < value.size / 4;
    return there ? big32(value.bytes + 4 * i) : otherwise;
}

#define MOST_CELLS 4u

uint32_t kg_fdt_address_cells(const struct kg_fdt *fdt, const struct kg_fdt_node *node)
{
    uint32_t cells = kg_fdt_number(fdt, node, "#address-cells", 0, 2);
    return cells <= MOST_CELLS ? cells : 0;
}

uint32_t kg_fdt_size_cells(const struct kg_fdt *fdt, const struct kg_fdt_node *node)
{
    uint32_t cells = kg_fdt_number(fdt, node, "#size-cells", 0, 1);
    return cells <= MOST_CELLS ? cells : 0;
}

static struct kg_fdt_node parent_of(const struct kg_fdt_node *node)
{
    struct kg_fdt_node parent = *node;
    parent.depth--;
    return parent;
}

/* Translates an address on `bus` to the bus above it. */
static bool translate(const struct kg_fdt *fdt, const struct kg_fdt_node *bus, uint64_t *address)
{
    struct kg_fdt_node above = parent_of(bus);
    struct kg_fdt_value ranges;
    if (!kg_fdt_property(fdt, bus, "ranges", &ranges)) {
        return false;
    }
    if (ranges.size == 0) {
        return true;
    }
    uint32_t own = kg_fdt_address_cells(fdt, bus), up = kg_fdt_address_cells(fdt, &above);
    uint32_t sizes = kg_fdt_size_cells(fdt, bus), step = 4 * (own + up + sizes);
    for (uint32_t at = 0; step && ranges.size - at >= step; at += step) {
        uint64_t from = kg_fdt_cells(&ranges, at, own), to = kg_fdt_cells(&ranges, at + 4 * own, up);
        uint64_t size = kg_fdt_cells(&ranges, at + 4 * (own + up), sizes);
        if (*address >= from && *address - from < size) {
            *address = to + (*address - from);
            return true;
        }
    }
    return false;
}

bool kg_fdt_reg(const struct kg_fdt *fdt, const struct kg_fdt_node *node, uint32_t i, uint64_t *base, uint64_t *size)
{
    if (node->depth < 2) {
        return false;
    }
    struct kg_fdt_node bus = parent_of(node);
    struct kg_fdt_value reg;
    uint32_t addresses = kg_fdt_address_cells(fdt, &bus), sizes = kg_fdt_size_cells(fdt, &bus);
    uint32_t step = 4 * (addresses + sizes);
    if (!kg_fdt_property(fdt, node, "reg", &reg) || addresses == 0 || i >= reg.size / step) {
        return false;
    }
    *base = kg_fdt_cells(&reg, i * step, addresses);
    *size = kg_fdt_cells(&reg, i * step + 4 * addresses, sizes);
    for (; bus.depth > 1; bus.depth--) {
        if (!translate(fdt, &bus, base)) {
            return false;
        }
    }
    return true;
}

bool kg_fdt_reservation(const struct kg_fdt *fdt, uint32_t i, uint64_t *base, uint64_t *size)
{
    if (fdt->size < RESERVATION_SIZE || i >= fdt->size / RESERVATION_SIZE ||
        fdt->reserved > fdt->size - RESERVATION_SIZE * (i + 1)) {
        return false;
    }
    const uint8_t *entry = fdt->bytes + fdt->reserved + RESERVATION_SIZE * i;
    *base = big64(entry);
    *size = big64(entry + 8);
    return *base || *size;
}
