/* Macros that turn rows of kgpt/options.def into C. KG_MEMBER(name, kind, values) declares a member of a struct.
 * KG_PRESUME_kind(place, value) assigns the default; texts and flags are 0 already. */
#ifndef KGPT_OPTIONS_H
#define KGPT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define KG_TYPE_FLAG bool
#define KG_TYPE_COUNT uint32_t
#define KG_TYPE_DECIMAL float
#define KG_TYPE_DOUBLE double
#define KG_TYPE_SEED uint64_t
#define KG_TYPE_CHOICE uint32_t
#define KG_TYPE_NAME char
#define KG_TYPE_TEXT char
#define KG_TYPE_SYSTEM char
#define KG_TYPE_MODEL char
#define KG_TYPE_TEXTS char
#define KG_TYPE_BIASES struct kg_logit_bias

#define KG_NOTHING /* clang-format takes a bare [ here for Objective-C */
#define KG_ARRAY_ALONE
#define KG_ARRAY_SEEDS
#define KG_ARRAY_FROM(least, most)
#define KG_ARRAY_ABOVE(least, most)
#define KG_ARRAY_BELOW(least, most)
#define KG_ARRAY_ONE_OF(names)
#define KG_ARRAY_NAMED(names, bytes) KG_NOTHING[bytes + 1]
#define KG_ARRAY_BYTES(most) KG_NOTHING[most + 1]
#define KG_ARRAY_TIMES(times, bytes) KG_NOTHING[times][bytes + 1]
#define KG_ARRAY_EACH(times) KG_NOTHING[times]

#define KG_MEMBER(name, kind, values) KG_TYPE_##kind name KG_ARRAY_##values;

#define KG_PRESUME_FLAG(place, value)
#define KG_PRESUME_COUNT(place, value) (place) = (value);
#define KG_PRESUME_DECIMAL(place, value) (place) = (float)(value);
#define KG_PRESUME_DOUBLE(place, value) (place) = (value);
#define KG_PRESUME_SEED(place, value) (place) = (value);
#define KG_PRESUME_CHOICE(place, value) (place) = (value);
#define KG_PRESUME_NAME(place, value)
#define KG_PRESUME_TEXT(place, value)
#define KG_PRESUME_SYSTEM(place, value)
#define KG_PRESUME_MODEL(place, value)
#define KG_PRESUME_TEXTS(place, value)
#define KG_PRESUME_BIASES(place, value)

#endif
