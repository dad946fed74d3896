/* The network stack over the first card that has a link: see stack.h. */
#include "stack.h"

#include "app/events/print.h"
#include "app/shell/input.h"

#include "kgpt/device.h"
#include "kgpt/mem.h"
#include "kgpt/platform.h"

#define STEP_MS 10u        /* of a wait, between two looks at the console */
#define SAY_AFTER_MS 5000u /* what a start waits for is told then */
#define AWAKE_MS 20u       /* after a frame the next one is near: do not sleep, which lasts up to 10 ms */
#define LINK_MS 100u
#define NO_CARD UINT32_MAX

static uint64_t ms_of_ticks(uint64_t ticks)
{
    uint64_t hz = plat_ticks_hz();
    return hz ? ticks / hz * 1000 + ticks % hz * 1000 / hz : 0;
}

static bool send_on_card(void *context, const void *frame, size_t n)
{
    struct kg_unit *card = ((struct kg_stack *)context)->card;
    return card->net.send(card, frame, n);
}

static size_t receive_from_card(void *context, void *frame, size_t size)
{
    struct kg_stack *stack = context;
    size_t n = stack->card->net.receive(stack->card, frame, size);
    if (n) {
        stack->heard = plat_ticks();
    }
    return n;
}

static bool card_has_link(void *context)
{
    struct kg_stack *stack = context;
    uint64_t now = plat_ticks();
    if (ms_of_ticks(now - stack->looked) >= LINK_MS) {
        stack->looked = now;
        stack->is_up = stack->card->net.has_link(stack->card);
        if (stack->card->device->problem && !stack->told_failure) {
            stack->told_failure = true;
            kg_print("kgpt: the network card has failed: %s\n", stack->card->device->problem);
        }
    }
    return stack->is_up;
}

static uint64_t network_now(void *context)
{
    (void)context;
    return ms_of_ticks(plat_ticks());
}

static void draw_random_bytes(void *context, void *to, size_t n)
{
    uint8_t *bytes = to;
    (void)context;
    for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
        uint64_t value;
        plat_entropy(&value);
        memcpy(bytes + i, &value, n - i < sizeof value ? n - i : sizeof value);
    }
}

static void sleep_until_frame(void *context, uint32_t ms)
{
    const struct kg_stack *stack = context;
    (void)ms; /* a sleep ends with the next tick of the timer */
    if (ms_of_ticks(plat_ticks() - stack->heard) >= AWAKE_MS) {
        plat_relax();
    }
}

/* The number of the first card that has a link. */
static uint32_t find_card(struct kg_stack *stack)
{
    struct kg_unit *unit;
    for (uint32_t i = 0; (unit = kg_unit_find(KG_UNIT_NET, i)) != NULL; i++) {
        if (unit->net.has_link(unit)) {
            stack->card = unit;
            return i;
        }
    }
    return NO_CARD;
}

static void start_stack(struct kg_stack *stack, const struct kg_net_settings *settings)
{
    stack->link = (struct kg_net_link){.context = stack,
                                       .send = send_on_card,
                                       .receive = receive_from_card,
                                       .has_link = card_has_link,
                                       .now_ms = network_now,
                                       .random = draw_random_bytes,
                                       .relax = sleep_until_frame,
                                       .mtu = stack->card->net.mtu};
    memcpy(stack->link.mac, stack->card->net.mac, sizeof stack->link.mac);
    stack->looked = plat_ticks();
    stack->is_up = true;
    stack->net = kg_net_start(&stack->memory, &stack->link, settings);
}

/* Waits for a link, and says so once if it takes long. */
static enum kg_status await_card(struct kg_stack *stack, struct kgpt *k, const char *what, uint32_t *number,
                                 struct kg_error *error)
{
    uint64_t begin = plat_ticks();
    bool said = false;
    if (!kg_unit_find(KG_UNIT_NET, 0)) {
        kg_error_set(error, KG_E_INPUT, "%s needs a network card, and none was found that this kernel drives", what);
        kg_error_hint(error, "in QEMU: kgpt serve --target bare, or kgpt run --net user; a process needs no card");
        return KG_E_INPUT;
    }
    while ((*number = find_card(stack)) == NO_CARD) {
        if (kg_input_stopped(&k->input)) {
            return kg_error_set(error, KG_E_STOPPED, "stopped");
        }
        if (!said && ms_of_ticks(plat_ticks() - begin) >= SAY_AFTER_MS) {
            said = true;
            kg_print("kgpt: no network card has a link yet: plug in a cable, or press Ctrl-C\n");
        }
        plat_relax();
    }
    return KG_OK;
}

/* Waits for an address, and says so once if it takes long. */
static enum kg_status await_address(struct kg_stack *stack, struct kgpt *k, struct kg_error *error)
{
    uint64_t begin = plat_ticks();
    bool said = false;
    struct kg_net_status status;
    while (status = kg_net_status(stack->net), !status.address) {
        if (kg_input_stopped(&k->input)) {
            return kg_error_set(error, KG_E_STOPPED, "stopped");
        }
        if (!said && ms_of_ticks(plat_ticks() - begin) >= SAY_AFTER_MS) {
            said = true;
            kg_print("kgpt: the network has given no address yet (%s); ip= on the command line sets one\n",
                     status.problem ? status.problem : "waiting");
        }
        kg_net_wait(stack->net, STEP_MS);
    }
    return KG_OK;
}

enum kg_status kg_stack_open(struct kg_stack *stack, struct kgpt *k, const char *what, struct kg_error *error)
{
    struct kg_net_settings settings;
    uint32_t number;
    enum kg_status status = kg_net_read_settings(k->config.lm.ip[0] ? k->config.lm.ip : "dhcp", &settings, error);
    if (status == KG_OK) {
        status = await_card(stack, k, what, &number, error);
    }
    if (status != KG_OK) {
        return status;
    }
    kg_print("kgpt: net%u (%s)%s\n", number, stack->card->device->driver->name,
             settings.dhcp ? " asks for an address by DHCP" : "");
    start_stack(stack, &settings);
    return await_address(stack, k, error);
}
