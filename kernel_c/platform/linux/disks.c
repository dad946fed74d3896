/* Disks of the hosted program: files, through the functions of kgpt/device.h. --disk FILE is read-only, and --memory
 * FILE can be written. `FILE fail=N` is a disk that cannot be read from byte N on. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kgpt/device.h"
#include "linux.h"

#define SECTOR_SIZE 512u
#define DISKS_MOST 8
#define MOST_SECTORS 2048u

struct file_disk {
    struct kg_unit unit;
    int fd;
    uint64_t fails_at;
};

static struct file_disk file_disks[DISKS_MOST];
static uint32_t n_file_disks;

const char *kg_linux_add_disk(char *path, bool writable)
{
    struct stat status;
    char *fail = strstr(path, " fail=");
    if (n_file_disks == DISKS_MOST) {
        return "there are too many disks";
    }
    struct file_disk *disk = &file_disks[n_file_disks];
    disk->fails_at = fail ? strtoull(fail + 6, NULL, 10) : UINT64_MAX;
    if (fail) {
        *fail = '\0';
    }
    disk->fd = writable ? open(path, O_RDWR | O_CLOEXEC) : -1;
    disk->unit.block.writable = disk->fd >= 0;
    disk->fd = disk->fd < 0 ? open(path, O_RDONLY | O_CLOEXEC) : disk->fd;
    if (disk->fd < 0 || fstat(disk->fd, &status) != 0) {
        return strerror(errno);
    }
    if (disk->unit.block.writable && flock(disk->fd, LOCK_EX | LOCK_NB) != 0) {
        return "another process uses the file";
    }
    disk->unit.kind = KG_UNIT_BLOCK;
    disk->unit.block.sectors = (uint64_t)status.st_size / SECTOR_SIZE;
    disk->unit.block.sector_size = SECTOR_SIZE;
    disk->unit.block.most_sectors = MOST_SECTORS;
    disk->unit.block.depth = 1;
    snprintf(disk->unit.block.name, sizeof disk->unit.block.name, "file%u", n_file_disks++);
    return NULL;
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
        if (got <= 0 && !(got < 0 && errno == EINTR)) {
            return false;
        }
        at += got > 0 ? (uint64_t)got : 0;
    }
    return true;
}

/* A process waits for each read at once. */
void kg_block_begin(struct kg_unit *unit, struct kg_block_request *request, uint64_t first, uint32_t n, void *to)
{
    *request = (struct kg_block_request){.operation = KG_BLOCK_READ, .first = first, .n = n, .memory = to};
    request->state = kg_block_read(unit, first, n, to) ? KG_BLOCK_DONE : KG_BLOCK_FAILED;
}

enum kg_block_state kg_block_check(struct kg_unit *unit, struct kg_block_request *request)
{
    (void)unit;
    return request->state;
}

bool kg_block_wait(struct kg_unit *unit, struct kg_block_request *request)
{
    return kg_block_check(unit, request) == KG_BLOCK_DONE;
}

bool kg_block_open(struct kg_unit *unit, uint64_t first, uint64_t n)
{
    struct kg_block *block = &unit->block;
    bool ok = block->writable && first <= block->sectors && n <= block->sectors - first;
    block->open_first = ok ? first : 0;
    block->open_end = ok ? first + n : 0;
    return ok;
}

bool kg_block_write(struct kg_unit *unit, uint64_t first, uint64_t n, const void *from)
{
    const struct file_disk *disk = (const struct file_disk *)unit;
    const struct kg_block *block = &unit->block;
    if (first < block->open_first || first > block->open_end || n > block->open_end - first) {
        return false;
    }
    for (uint64_t at = 0, size = n * SECTOR_SIZE; at < size;) {
        ssize_t done =
            pwrite(disk->fd, (const char *)from + at, (size_t)(size - at), (off_t)(first * SECTOR_SIZE + at));
        if (done <= 0 && !(done < 0 && errno == EINTR)) {
            return false;
        }
        at += done > 0 ? (uint64_t)done : 0;
    }
    return fdatasync(disk->fd) == 0;
}
