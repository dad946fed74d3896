/* The author of a text. Colours distinguish the user's input from the machine's output. */
#ifndef KGPT_VOICE_H
#define KGPT_VOICE_H

enum kg_voice {
    KG_VOICE_KERNEL, /* messages of the kernel */
    KG_VOICE_MODEL,  /* output of a model, or its prompt: untrusted bytes */
    KG_VOICE_USER,   /* the input line, with escape sequences of the line editor */
};

#endif
