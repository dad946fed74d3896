/* Disks of the hosted program: files (--disk FILE), through the functions of kgpt/device.h. `FILE fail=N` is a disk
 * that cannot be read from byte N on. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kgpt/device.h"
#include "linux.h"

#define SECTOR_SIZE 512u
#define DISKS_MOST 8

struct file_disk {
    struct kg_unit unit;
    int fd;
    uint64_t fails_at;
};

static struct file_disk file_disks[DISKS_MOST];
static uint32_t n_file_disks;

bool kg_linux_add_disk(char *path)
{
    struct stat status;
    char *fail = strstr(path, " fail=");
    if (n_file_disks == DISKS_MOST) {
        return false;
    }
    struct file_disk *disk = &file_disks[n_file_disks];
    disk->fails_at = fail ? strtoull(fail + 6, NULL, 10) : UINT64_MAX;
    if (fail) {
        *fail = '\0';
    }
    disk->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (disk->fd < 0 || fstat(disk->fd, &status) != 0) {
        return false;
    }
    disk->unit.kind = KG_UNIT_BLOCK;
    disk->unit.block.sectors = (uint64_t)status.st_size / SECTOR_SIZE;
    disk->unit.block.sector_size = SECTOR_SIZE;
    snprintf(disk->unit.block.name, sizeof disk->unit.block.name, "file%u", n_file_disks++);
    return true;
}

struct kg_unit *kg_unit_find(enum kg_unit_kind kind, uint32_t n)
{
    return kind == KG_UNIT_BLOCK && n < n_file_disks ? &file_disks[n].unit : NULL;
}

bool kg_block_read(struct kg_unit *unit, uint64_t first, uint64_t n, void *to)
{
    const struct file_disk *disk = (const struct file_disk *)unit;
    uint64_t offset = first * SECTOR_SIZE, size = n * SECTOR_SIZE;
    if (first > unit->block.sectors || n > unit->block.sectors - first || offset + size > disk->fails_at) {
        return false;
    }
    for (uint64_t at = 0; at < size;) {
        ssize_t got = pread(disk->fd, (char *)to + at, (size_t)(size - at), (off_t)(offset + at));
        if (got <= 0) {
            return false;
        }
        at += (uint64_t)got;
    }
    return true;
}
