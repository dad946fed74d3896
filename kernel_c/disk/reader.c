/* Checked reading of disks, and their text. See kgpt/disk.h. */
#include "fs.h"

#include "kgpt/mem.h"
#include "kgpt/utf8.h"

bool kg_disk_read(const struct kg_disk *reader, uint64_t offset, size_t n, void *to)
{
    return offset <= reader->size && n <= reader->size - offset &&
           (n == 0 || reader->read(reader->context, offset, n, to));
}

size_t kg_disk_utf8(const uint8_t *utf16, size_t n_units, char *text, size_t at, size_t size)
{
    for (size_t i = 0; i < n_units; i++) {
        uint32_t code = kg_disk_u16(utf16 + 2 * i);
        if (!code) {
            break;
        }
        if (code >= 0xD800 && code < 0xE000) {
            uint32_t low = i + 1 < n_units ? kg_disk_u16(utf16 + 2 * i + 2) : 0;
            bool pair = code < 0xDC00 && low >= 0xDC00 && low < 0xE000;
            code = pair ? 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00) : 0xFFFD;
            i += pair;
        }
        char bytes[4];
        size_t length = kg_utf8_encode(code, bytes);
        if (at >= size || length >= size - at) {
            return size;
        }
        memcpy(text + at, bytes, length);
        at += length;
    }
    if (at < size) {
        text[at] = '\0';
    }
    return at;
}

bool kg_fs_fail(struct kg_fs *fs, const char *problem)
{
    fs->problem = problem;
    return false;
}

bool kg_fs_bytes(struct kg_fs *fs, uint64_t offset, size_t n, void *to)
{
    if (offset > fs->size || n > fs->size - offset) {
        return kg_fs_fail(fs, "the file system points beyond its end");
    }
    return kg_disk_read(&fs->disk, fs->first + offset, n, to) || kg_fs_fail(fs, "the disk cannot be read");
}

const uint8_t *kg_fs_cached(struct kg_fs *fs, uint64_t offset, uint32_t n)
{
    uint64_t start = offset - offset % fs->cache_size;
    if (offset - start + n > fs->cache_size) {
        kg_fs_fail(fs, "the file system is damaged");
        return NULL;
    }
    if (fs->cached != start) {
        fs->cached = UINT64_MAX;
        if (!kg_fs_bytes(fs, start, fs->cache_size, fs->cache)) {
            return NULL;
        }
        fs->cached = start;
    }
    return fs->cache + (offset - start);
}
