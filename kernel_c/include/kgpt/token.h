/* Token ids are numbers below n_vocab. */
#ifndef KGPT_TOKEN_H
#define KGPT_TOKEN_H

#include <stdint.h>

#define KG_NO_TOKEN UINT32_MAX

#endif
