/* The medium of the memory that lasts: a file (--memory FILE). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "linux.h"

static struct {
    const char *path;
    int fd; /* 0: not opened yet */
    bool read_only;
} memory;

void kg_linux_memory_use(const char *path)
{
    memory.path = path;
}

static bool read_memory(void *context, uint64_t offset, void *to, size_t n)
{
    (void)context;
    for (size_t done = 0; done < n;) {
        ssize_t part = pread(memory.fd, (char *)to + done, n - done, (off_t)(offset + done));
        if (part <= 0 && !(part < 0 && errno == EINTR)) {
            return false;
        }
        done += part > 0 ? (size_t)part : 0;
    }
    return true;
}

static bool write_memory(void *context, uint64_t offset, const void *from, size_t n)
{
    (void)context;
    for (size_t done = 0; done < n;) {
        ssize_t part = pwrite(memory.fd, (const char *)from + done, n - done, (off_t)(offset + done));
        if (part <= 0 && !(part < 0 && errno == EINTR)) {
            return false;
        }
        done += part > 0 ? (size_t)part : 0;
    }
    return fdatasync(memory.fd) == 0;
}

const char *plat_memory(struct kg_store_medium *medium)
{
    struct stat status;
    if (!memory.path) {
        return "none was given (--memory FILE)";
    }
    if (!memory.fd) {
        int fd = open(memory.path, O_RDWR | O_CLOEXEC);
        memory.read_only = fd < 0;
        fd = fd < 0 ? open(memory.path, O_RDONLY | O_CLOEXEC) : fd;
        if (fd < 0) {
            return strerror(errno);
        }
        if (flock(fd, (memory.read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
            close(fd);
            return "another process uses the file";
        }
        memory.fd = fd;
    }
    if (fstat(memory.fd, &status) != 0) {
        return strerror(errno);
    }
    *medium = (struct kg_store_medium){
        .size = (uint64_t)status.st_size, .read = read_memory, .write = memory.read_only ? NULL : write_memory};
    return NULL;
}
