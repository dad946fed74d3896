/* Reads a flattened device tree where it lies (Devicetree Specification 0.4, chapter 5). kg_fdt_open checks all of it
 * once: every token, name and size lies within the blob. The other functions rely on that. */
#ifndef KGPT_BOOT_TREE_FDT_H
#define KGPT_BOOT_TREE_FDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KG_FDT_DEPTH 12        /* a deeper tree is refused */
#define KG_FDT_MOST (2u << 20) /* bytes of a blob: Linux and QEMU allow 2 MiB and 1 MiB */

struct kg_fdt {
    const uint8_t *bytes;
    uint32_t size;               /* of the blob; 0: there is none */
    uint32_t tokens, tokens_end; /* offsets of the structure block */
    uint32_t names, names_end;   /* offsets of the strings block */
    uint32_t reserved;           /* offset of the memory reservation block */
};

/* A place in the tree. {0} is before the root. */
struct kg_fdt_node {
    uint32_t depth;              /* 1: the root */
    uint32_t path[KG_FDT_DEPTH]; /* offsets of the tokens that begin the nodes from the root to this one */
};

struct kg_fdt_value {
    const uint8_t *bytes; /* big-endian; not aligned */
    uint32_t size;
};

/* Reads at most `most` bytes. Returns NULL, or what is wrong with the blob. */
const char *kg_fdt_open(struct kg_fdt *fdt, const void *blob, size_t most);

/* The next node in the order of the blob. False: there are no more. */
bool kg_fdt_next(const struct kg_fdt *fdt, struct kg_fdt_node *node);

/* The next node that is compatible with `text`. */
bool kg_fdt_next_compatible(const struct kg_fdt *fdt, struct kg_fdt_node *node, const char *text);

/* The node at a path such as "/chosen" or "/soc/serial@0". A part without "@" matches any unit address. */
bool kg_fdt_find(const struct kg_fdt *fdt, struct kg_fdt_node *node, const char *path);

const char *kg_fdt_name(const struct kg_fdt *fdt, const struct kg_fdt_node *node); /* with the unit address */

/* False: the node has no such property; then `value` is empty. */
bool kg_fdt_property(const struct kg_fdt *fdt, const struct kg_fdt_node *node, const char *name,
                     struct kg_fdt_value *value);
bool kg_fdt_has_text(const struct kg_fdt *fdt, const struct kg_fdt_node *node, const char *name, const char *text);

/* The text of a property that is one NUL-terminated text; "" if it is absent or not terminated. */
const char *kg_fdt_text(const struct kg_fdt *fdt, const struct kg_fdt_node *node, const char *name);

/* The i-th number of 32 bits of a property; `otherwise` if it has no such number. */
uint32_t kg_fdt_number(const struct kg_fdt *fdt, const struct kg_fdt_node *node, const char *name, uint32_t i,
                       uint32_t otherwise);

/* A number of `cells` times 32 bits at an offset of a value; 0 if it does not lie in the value. More than two cells
 * give the last two. */
uint64_t kg_fdt_cells(const struct kg_fdt_value *value, uint32_t offset, uint32_t cells);

/* The cells of an address and of a size in the node's children. */
uint32_t kg_fdt_address_cells(const struct kg_fdt *fdt, const struct kg_fdt_node *node);
uint32_t kg_fdt_size_cells(const struct kg_fdt *fdt, const struct kg_fdt_node *node);

/* The i-th range of `reg`, as the processor sees it: translated by the `ranges` of all buses above the node. False:
 * there is no such range, or a bus does not translate it. */
bool kg_fdt_reg(const struct kg_fdt *fdt, const struct kg_fdt_node *node, uint32_t i, uint64_t *base, uint64_t *size);

/* The i-th entry of the memory reservation block. */
bool kg_fdt_reservation(const struct kg_fdt *fdt, uint32_t i, uint64_t *base, uint64_t *size);

/* False for a node that is there but not for us: `status` is neither "okay" nor absent. */
bool kg_fdt_is_enabled(const struct kg_fdt *fdt, const struct kg_fdt_node *node);

#endif
