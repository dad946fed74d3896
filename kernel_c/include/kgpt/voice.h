/* The author of a text. Each voice has a colour (kgpt/palette.h). */
#ifndef KGPT_VOICE_H
#define KGPT_VOICE_H

enum kg_voice {
    KG_VOICE_KERNEL, /* messages of the kernel */
    KG_VOICE_MODEL,  /* output of a model, or its prompt: untrusted bytes */
    KG_VOICE_USER,   /* the input line, with escape sequences of the line editor */
    KG_VOICE_DIM,    /* statistics of the kernel, which may be overlooked */
    KG_VOICE_ERROR,  /* errors of the kernel */
};

#endif
