/* Texts that came as boot modules, because they do not fit the command line: the words of such a module say
 * kind=prompt, kind=system, kind=file, or kind=key for the API key of mode=serve. */
#ifndef KGPT_APP_TEXTS_H
#define KGPT_APP_TEXTS_H

#include "app/kgpt.h"

/* Do the words of `file` say kind=KIND? */
bool kg_file_is(const struct kg_file *file, const char *kind);

/* The text of the boot module of this kind as a string, in memory of the arena; `text` stays as it is where there is
 * none. */
enum kg_status kg_text_read(struct kgpt *k, const char *kind, const char **text, struct kg_error *error);

#endif
