/* Recognizes file systems. See kgpt/disk.h. */
#include "fs.h"

#include "kgpt/mem.h"

#define BOOT_BYTES 2048u

enum kg_status kg_fs_open(struct kg_fs *fs, const struct kg_disk *disk, uint64_t first, uint64_t size)
{
    static enum kg_status (*const openers[])(struct kg_fs *, const uint8_t *) = {kg_exfat_open, kg_ext4_open,
                                                                                 kg_fat_open};
    uint8_t boot[BOOT_BYTES];
    memset(fs, 0, sizeof *fs);
    fs->disk = *disk;
    fs->first = first;
    fs->size = size;
    fs->type = "";
    fs->cached = UINT64_MAX;
    if (first > disk->size || size > disk->size - first || size < sizeof boot) {
        fs->problem = "it is too small for a file system";
        return KG_E_INPUT;
    }
    if (!kg_fs_bytes(fs, 0, sizeof boot, boot)) {
        return KG_E_INPUT;
    }
    for (size_t i = 0; i < sizeof openers / sizeof openers[0]; i++) {
        enum kg_status status = openers[i](fs, boot);
        if (status == KG_OK || *fs->type) {
            return status;
        }
    }
    fs->problem = "it holds no file system that can be read";
    return KG_E_INPUT;
}
