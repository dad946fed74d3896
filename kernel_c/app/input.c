/* What is typed: see input.h. */
#include "input.h"

#include "kgpt/platform.h"

/* What ends the run stays to be seen by all that runs. */
static int read_byte(struct kg_input *input)
{
    int byte = input->ended ? KG_READ_END : plat_read();
    if (byte < KG_READ_END) {
        input->ended = byte;
    }
    return byte;
}

bool kg_input_stopped(struct kg_input *input)
{
    while (input->n < sizeof input->ahead) { /* a full ring leaves the rest in the device */
        int byte = read_byte(input);
        if (byte < 0) {
            return input->ended;
        }
        if (byte == KG_CTRL_C) {
            return true;
        }
        input->ahead[(input->first + input->n) % sizeof input->ahead] = (unsigned char)byte;
        input->n++;
    }
    return false;
}

int kg_input_byte(struct kg_input *input)
{
    if (input->n && !input->ended) {
        int byte = input->ahead[input->first];
        input->first = (input->first + 1) % sizeof input->ahead;
        input->n--;
        return byte;
    }
    for (;;) {
        int byte = read_byte(input);
        if (byte != KG_READ_NONE) {
            return byte;
        }
        plat_relax();
    }
}
