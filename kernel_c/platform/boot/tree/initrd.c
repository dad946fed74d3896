/* Files that a loader of the Linux boot protocol brings: all in one, the initial RAM disk. kgpt makes a cpio archive in
 * the format newc, whose names are the lines of boot modules: a name and words. Names end in as many NULs as bring the
 * content to a page, so files are used where they lie. */
#include "tree.h"

#define ARCHIVE_HEADER 110u
#define FIELD_DIGITS 8u
#define FIELD_MODE 1u
#define FIELD_FILE_SIZE 6u
#define FIELD_NAME_SIZE 11u
#define MODE_FORMAT 0170000u
#define MODE_FILE 0100000u

static const char end_name[] = "TRAILER!!!";

static bool starts_with(const uint8_t *bytes, const char *text)
{
    for (; *text; bytes++, text++) {
        if (*bytes != (uint8_t)*text) {
            return false;
        }
    }
    return true;
}

/* The i-th number of a header, in hexadecimal digits. False: it is none. */
static bool read_field(const uint8_t *header, uint32_t i, uint32_t *value)
{
    const uint8_t *at = header + 6 + FIELD_DIGITS * i;
    *value = 0;
    for (uint32_t digit = 0; digit < FIELD_DIGITS; digit++) {
        uint8_t c = at[digit], low = c | 0x20;
        bool letter = low >= 'a' && low <= 'f';
        if (!letter && (c < '0' || c > '9')) {
            return false;
        }
        *value = *value << 4 | (uint32_t)(letter ? low - 'a' + 10 : c - '0');
    }
    return true;
}

static uint64_t archive_aligned(uint64_t at)
{
    return (at + 3) & ~3ull;
}

static bool is_archive(const uint8_t *bytes, uint64_t size)
{
    return size >= ARCHIVE_HEADER && (starts_with(bytes, "070701") || starts_with(bytes, "070702"));
}

/* Reads the file whose header is at `*at`, and sets `*at` behind it. */
static bool read_file(struct kg_boot *boot, const uint8_t *bytes, uint64_t size, uint64_t *at, bool *last)
{
    uint32_t mode, file_size, name_size;
    const uint8_t *header = bytes + *at;
    if (*at > size || size - *at < ARCHIVE_HEADER || !is_archive(header, size - *at) ||
        !read_field(header, FIELD_MODE, &mode) || !read_field(header, FIELD_FILE_SIZE, &file_size) ||
        !read_field(header, FIELD_NAME_SIZE, &name_size)) {
        return false;
    }
    uint64_t name = *at + ARCHIVE_HEADER, content = archive_aligned(name + name_size), end = content + file_size;
    if (name_size == 0 || end > size || bytes[name + name_size - 1] != '\0') {
        return false;
    }
    *last = starts_with(bytes + name, end_name);
    if (!*last && (mode & MODE_FORMAT) == MODE_FILE) {
        kg_boot_add_module(boot, (uintptr_t)(bytes + content), file_size, (const char *)bytes + name);
    }
    *at = archive_aligned(end);
    return true;
}

bool kg_initrd_read(struct kg_boot *boot, const uint8_t *bytes, uint64_t size)
{
    if (!is_archive(bytes, size)) {
        kg_boot_add_module(boot, (uintptr_t)bytes, size, "initrd");
        return true;
    }
    uint64_t at = 0;
    for (bool last = false; !last;) {
        if (!read_file(boot, bytes, size, &at, &last)) {
            return false;
        }
    }
    return true;
}
