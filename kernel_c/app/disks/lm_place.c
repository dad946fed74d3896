/* Places on disks that our own tools made for the kernel: see lm_place.h. */
#include "lm_place.h"
#include "lm_walk.h"

#include "kgpt/mem.h"
#include "kgpt/str.h"

/* The search, while it walks over the file systems. */
struct search {
    const struct kg_lm_made *made;
    struct kg_lm_place *place;
    uint32_t n_found;
    const char *problem; /* of a file that has the name, and cannot be used */
};

bool kg_lm_place_read(void *place, uint64_t offset, void *to, size_t n)
{
    const struct kg_lm_place *p = place;
    uint32_t sector = p->unit->block.sector_size;
    return offset <= p->size && n <= p->size - offset &&
           kg_block_read(p->unit, p->first + offset / sector, n / sector, to);
}

/* Opens exactly the sectors of the place: a disk may hold several. */
static bool open_place(const struct kg_lm_place *place)
{
    return kg_block_open(place->unit, place->first, place->size / place->unit->block.sector_size);
}

bool kg_lm_place_write(void *place, uint64_t offset, const void *from, size_t n)
{
    const struct kg_lm_place *p = place;
    uint32_t sector = p->unit->block.sector_size;
    return offset <= p->size && n <= p->size - offset && open_place(p) &&
           kg_block_write(p->unit, p->first + offset / sector, n / sector, from);
}

bool kg_lm_place_writable(const struct kg_lm_place *place)
{
    return open_place(place);
}

/* Counts the place if it begins with the magic. `block` is working memory. */
static bool count_place(struct search *search, const struct kg_lm_place *place, uint8_t *block)
{
    const char *magic = search->made->magic;
    if (place->size < KG_LM_PLACE_UNIT || !kg_lm_place_read((void *)(uintptr_t)place, 0, block, KG_LM_PLACE_UNIT) ||
        memcmp(block, magic, kg_strlen(magic)) != 0) {
        return false;
    }
    *search->place = *place;
    search->n_found++;
    return true;
}

/* The place of a file whose bytes lie together, which are written in place. Returns NULL, or why it has none. */
static const char *place_of_file(struct kg_lm_walk *walk, struct kg_fs_file *file, struct kg_lm_place *place)
{
    struct kg_extent extent;
    uint32_t sector = walk->unit->block.sector_size;
    if (file->directory || file->size < KG_LM_PLACE_UNIT || file->valid != file->size) {
        return "its file was changed: its size is not the one that it was made with";
    }
    if (!kg_fs_extent(file, 0, &extent)) {
        return walk->fs.problem;
    }
    if (extent.hole || extent.n != file->size) {
        return "its file lies in pieces: copy it off the disk, delete it there, and copy it back";
    }
    if (extent.offset % sector) {
        return "its file does not begin with a sector of the disk";
    }
    *place = (struct kg_lm_place){walk->unit, extent.offset / sector, extent.n - extent.n % KG_LM_PLACE_UNIT};
    return NULL;
}

static bool visit_file_system(struct kg_lm_walk *walk)
{
    struct search *search = walk->context;
    struct kg_lm_place place;
    struct kg_fs_file file;
    if (walk->fs.kind == KG_FS_EXT4 || kg_fs_find(&walk->fs, search->made->path, &walk->entries[0], &file) != KG_OK) {
        return false;
    }
    const char *problem = place_of_file(walk, &file, &place);
    if (!problem && !count_place(search, &place, walk->sector)) {
        problem = "its file was not made by kgpt, or cannot be read";
    }
    search->problem = problem ? problem : search->problem;
    return false;
}

const char *kg_lm_place_find(struct kgpt *k, const struct kg_lm_made *made, struct kg_lm_place *place)
{
    struct search search = {.made = made, .place = place};
    size_t used = k->arena.used;
    struct kg_lm_walk *walk = kg_arena_take(&k->arena, sizeof *walk);
    struct kg_unit *unit;
    if (!walk) {
        return "too little memory is free to look for it";
    }
    for (uint32_t i = 0; (unit = kg_unit_find(KG_UNIT_BLOCK, i)) != NULL; i++) {
        uint64_t size = unit->block.sectors * unit->block.sector_size;
        const struct kg_lm_place whole = {unit, 0, size - size % KG_LM_PLACE_UNIT};
        (void)count_place(&search, &whole, walk->sector);
    }
    *walk = (struct kg_lm_walk){.visit_file_system = visit_file_system, .context = &search};
    (void)kg_lm_walk(walk);
    kg_arena_rewind(&k->arena, used);
    return search.n_found == 1  ? NULL
           : search.n_found > 1 ? "this machine has two of them: take the disk of one away"
           : search.problem     ? search.problem
           : k->config.disk     ? "disks are left alone (disk=off)"
                                : "no disk holds one";
}
