/* Huge pages for models. A model is read from its start to its end for every token, and with pages of 4 KB each of them
 * costs a walk through the page tables, in a virtual machine through two of them: a core then reads two thirds of what
 * it reads from pages of 2 MB. Linux has these for anonymous memory; files get them only from some file systems. So a
 * model is copied, which takes about 0.2 s for each GB in the page cache, unless the memory is too small. */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "linux.h"

extern char kg_model_start[], kg_model_end[]; /* linker/hosted.ld */

#define HUGE_PAGE ((size_t)2 << 20)
#define LEAST_SIZE (2 * HUGE_PAGE) /* a smaller model stays in the caches */
#define READ_AT_ONCE ((size_t)8 << 20)

static bool file_has_line(const char *path, const char *what, unsigned long *kb)
{
    char line[256];
    bool found = false;
    FILE *file = fopen(path, "re");
    while (file && !found && fgets(line, sizeof line, file)) {
        const char *at = strstr(line, what);
        found = at != NULL;
        if (found && kb) {
            found = sscanf(at + strlen(what), "%lu", kb) == 1;
        }
    }
    if (file) {
        fclose(file);
    }
    return found;
}

/* The copy must fit beside the file in the page cache. */
static bool are_huge_pages_worthwhile(size_t size)
{
    unsigned long kb;
    return size >= LEAST_SIZE && !file_has_line("/sys/kernel/mm/transparent_hugepage/enabled", "[never]", NULL) &&
           file_has_line("/proc/meminfo", "MemAvailable:", &kb) && size / 1024 < kb / 2;
}

/* Anonymous memory at a multiple of 2 MB. NULL: there is none. */
static uint8_t *map_huge_pages(size_t size)
{
    size_t rounded = (size + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    uint8_t *all =
        mmap(NULL, rounded + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) {
        return NULL;
    }
    size_t skip = (size_t)(-(uintptr_t)all & (HUGE_PAGE - 1));
    if (skip) {
        munmap(all, skip);
    }
    if (HUGE_PAGE - skip) {
        munmap(all + skip + rounded, HUGE_PAGE - skip);
    }
    madvise(all + skip, rounded, MADV_HUGEPAGE);
    return all + skip;
}

static bool read_whole(int fd, uint8_t *to, size_t size, off_t at)
{
    while (size > 0) {
        ssize_t n = pread(fd, to, size < READ_AT_ONCE ? size : READ_AT_ONCE, at);
        if (n <= 0) {
            return false;
        }
        to += n;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

void *kg_linux_read_huge(int fd, size_t size)
{
    uint8_t *memory = are_huge_pages_worthwhile(size) ? map_huge_pages(size) : NULL;
    if (memory && !read_whole(fd, memory, size, 0)) {
        munmap(memory, size);
        memory = NULL;
    }
    return memory;
}

/* Where `address` of this program lies in its file; -1: nowhere. */
static off_t offset_in_program(uintptr_t address)
{
    const Elf64_Phdr *headers = (const Elf64_Phdr *)getauxval(AT_PHDR);
    size_t n = getauxval(AT_PHNUM);
    for (size_t i = 0; headers && i < n; i++) {
        const Elf64_Phdr *header = &headers[i];
        if (header->p_type == PT_LOAD && address >= header->p_vaddr && address < header->p_vaddr + header->p_filesz) {
            return (off_t)(address - header->p_vaddr + header->p_offset);
        }
    }
    return -1;
}

/* The copy takes the place of the pages at the same addresses, once it is whole. The model's first and last part of a
 * page of 2 MB stay as they are. */
void kg_linux_embedded_model_huge(void)
{
    uintptr_t start = ((uintptr_t)kg_model_start + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    uintptr_t end = (uintptr_t)kg_model_end & ~(HUGE_PAGE - 1);
    off_t offset = offset_in_program(start);
    if (end <= start || offset < 0 || !are_huge_pages_worthwhile(end - start)) {
        return;
    }
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    uint8_t *copy = fd < 0 ? NULL : map_huge_pages(end - start);
    if (copy && (!read_whole(fd, copy, end - start, offset) || mprotect(copy, end - start, PROT_READ) != 0 ||
                 mremap(copy, end - start, end - start, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)start) == MAP_FAILED)) {
        munmap(copy, end - start);
    }
    if (fd >= 0) {
        close(fd);
    }
}
