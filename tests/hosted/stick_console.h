/* A made-up keyboard and console, for stick_driver.c. */
#ifndef KGPT_TESTS_STICK_CONSOLE_H
#define KGPT_TESTS_STICK_CONSOLE_H

#include "stick_world.h"

static kg_efi_status KG_EFIAPI read_key(struct kg_efi_text_input *self, struct kg_efi_key *key)
{
    (void)self;
    if (next_key == n_keys) {
        return KG_EFI_NOT_READY;
    }
    *key = keys[next_key++];
    key_taken = now;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI write_text(struct kg_efi_text_output *self, const uint16_t *text)
{
    (void)self;
    size_t end = n_said;
    for (; *text && n_said < sizeof said - 2; text++) {
        said[n_said++] = (char)*text;
        end = *text == ' ' ? end : n_said;
    }
    n_said = end;
    said[n_said++] = '\n';
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI ask_mode(struct kg_efi_text_output *self, uint64_t mode, uint64_t *columns,
                                        uint64_t *rows)
{
    (void)self;
    (void)mode;
    *columns = 80;
    *rows = 25;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI do_nothing(struct kg_efi_text_output *self)
{
    (void)self;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI set_attribute(struct kg_efi_text_output *self, uint64_t attribute)
{
    (void)attribute;
    return do_nothing(self);
}

static kg_efi_status KG_EFIAPI set_cursor(struct kg_efi_text_output *self, uint64_t column, uint64_t row)
{
    (void)column;
    (void)row;
    return do_nothing(self);
}

static kg_efi_status KG_EFIAPI enable_cursor(struct kg_efi_text_output *self, bool visible)
{
    (void)visible;
    return do_nothing(self);
}

#endif
