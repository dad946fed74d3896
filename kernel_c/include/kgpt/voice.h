/* Who says a text: where there are colours, people tell what they typed from what the machine says. */
#ifndef KGPT_VOICE_H
#define KGPT_VOICE_H

enum kg_voice {
    KG_VOICE_KERNEL, /* messages of ours */
    KG_VOICE_MODEL,  /* what a model has made, or was given: it may hold anything */
    KG_VOICE_USER,   /* the line that is typed, with the line editor's own escape sequences */
};

#endif
