/* A made-up medium with one volume, for stick_driver.c. */
#ifndef KGPT_TESTS_STICK_MEDIUM_H
#define KGPT_TESTS_STICK_MEDIUM_H

#include "stick_world.h"

static kg_efi_status KG_EFIAPI open_file(struct kg_efi_file *self, struct kg_efi_file **out, const uint16_t *name,
                                         uint64_t mode, uint64_t attributes);

static kg_efi_status KG_EFIAPI close_file(struct kg_efi_file *self)
{
    (void)self;
    world.children--;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI read_made(struct kg_efi_file *self, uint64_t *size, void *to)
{
    struct open_file *open = (struct open_file *)self;
    if (!open->file) { /* a folder: each file below it */
        struct kg_efi_file_info *info = to;
        static const char folder[] = "/models/";
        for (*size = 0; open->at < n_files && *size == 0; open->at++) {
            const char *path = files[open->at].path;
            for (size_t i = 0; kg_str_starts(path, folder) && i <= kg_strlen(path) - (sizeof folder - 1); i++) {
                info->name[i] = (uint8_t)path[sizeof folder - 1 + i];
                *size = sizeof *info;
            }
        }
        return KG_EFI_SUCCESS;
    }
    uint64_t left = open->file->n - open->at, n = *size < left ? *size : left;
    n = n < world.most_bytes ? n : world.most_bytes;
    if (open->at + n > world.fails_after) {
        return KG_EFI_DEVICE_ERROR;
    }
    memcpy(to, open->file->bytes + open->at, n);
    open->at += n;
    *size = n;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI tell_info(struct kg_efi_file *self, const struct kg_efi_guid *kind, uint64_t *size,
                                         void *to)
{
    (void)kind;
    *size = sizeof(struct kg_efi_file_info);
    const struct made_file *file = ((struct open_file *)self)->file;
    *(struct kg_efi_file_info *)to =
        (struct kg_efi_file_info){.file_size = file ? file->n : 0, .attributes = file ? 0 : KG_EFI_FILE_DIRECTORY};
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI open_file(struct kg_efi_file *self, struct kg_efi_file **out, const uint16_t *name,
                                         uint64_t mode, uint64_t attributes)
{
    (void)self;
    (void)mode;
    (void)attributes;
    char path[128];
    size_t n = 0, i = 0;
    for (; name[n] && n + 1 < sizeof path; n++) {
        path[n] = name[n] == '\\' ? '/' : (char)name[n];
    }
    path[n] = '\0';
    const struct made_file *file = find_made(path);
    if (!file && !kg_streq(path, "/models")) {
        return KG_EFI_NOT_FOUND;
    }
    while (opened[i].calls.read && opened[i].file && i + 1 < FILES_MAX) {
        i++;
    }
    opened[i] =
        (struct open_file){{.open = open_file, .close = close_file, .read = read_made, .get_info = tell_info}, file, 0};
    world.children++;
    *out = &opened[i].calls;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI open_volume(struct kg_efi_simple_file_system *self, struct kg_efi_file **root)
{
    (void)self;
    static struct kg_efi_file calls;
    calls.open = open_file;
    *root = &calls;
    return KG_EFI_SUCCESS;
}

#endif
