/* Prints what the kernel knows of machine and model: see report.h. */
#include "report.h"

#include "print.h"

static const char *processor_name(const struct kg_cpu *cpu)
{
    return cpu->brand[0] ? cpu->brand : cpu->vendor;
}

void kg_report_boot(const struct kgpt *k)
{
    const struct kg_platform_info *info = k->info;
    kg_print_as(KG_VOICE_DIM, "kgpt %s: booted by %s, %lu MB of memory, %s, isa %s\n", kgpt_version, info->loader,
                (unsigned long)(info->memory_total >> 20), processor_name(info->cpu), kg_isa_names[k->ops.isa]);
    if (info->screen_advice) {
        kg_print("kgpt: no screen: the loader gave no framebuffer; %s\n", info->screen_advice);
    }
}

void kg_report_model(const struct kgpt *k)
{
    const struct kg_model *m = &k->model;
    kg_print("kgpt: model %s: %s, %'lu parameters, %u tokens, context %u\n", m->data->name, m->data->arch,
             (unsigned long)m->n_parameters, m->n_vocab, m->n_ctx);
}

void kg_report_memory(const struct kgpt *k)
{
    const struct kg_needs *needs = &k->needs;
    kg_print_as(KG_VOICE_DIM, "kgpt: memory: weights %s + kv %s + scratch %s = %s of %s\n",
                kg_amount(needs->weights).text, kg_amount(needs->kv).text, kg_amount(needs->scratch).text,
                kg_amount(needs->weights + needs->total).text, kg_amount(k->info->memory_total).text);
}

void kg_report_keyboard(const struct kgpt *k)
{
    const char *awaited;
    if (k->info->has_screen && !k->info->has_keyboard && (awaited = plat_keyboards_awaited()) != NULL) {
        kg_print("kgpt: keyboard: none found%s; serial: %s\n"
                 "      press e in the boot menu to add words, such as prompt=TEXT\n",
                 awaited, k->info->serial ? k->info->serial : "none");
    }
}

static void print_vocabulary(const struct kg_tokenizer *tokenizer)
{
    kg_print("vocabulary   ");
    for (uint32_t i = 0; i < tokenizer->n_vocab; i++) {
        size_t n;
        const char *text = kg_tokenizer_decode(tokenizer, i, &n);
        if (n == 1 && (text[0] < 0x20 || text[0] == 0x7F)) {
            kg_print("\\x%02x", (unsigned)text[0]);
        } else {
            plat_text(KG_VOICE_MODEL, text, n);
        }
    }
    kg_print(" and BOS (%u)\n", tokenizer->bos_id);
}

void kg_describe_model(const struct kgpt *k)
{
    const struct kg_model *m = &k->model;
    kg_print("name         %s\narchitecture %s\nsha256       ", m->data->name, m->data->arch);
    for (size_t i = 0; i < sizeof m->data->sha256; i++) {
        kg_print("%02x", m->data->sha256[i]);
    }
    kg_print("\nparameters   %'lu (%s, f32)\n", (unsigned long)m->n_parameters, kg_amount(k->needs.weights).text);
    kg_print("layers       %u\nwidth        %u, hidden %u\n", m->n_layer, m->n_embd, m->n_ff);
    kg_print("heads        %u of %u, %u for keys and values\n", m->n_head, m->head_dim, m->n_head_kv);
    kg_print("context      %u token%s\n", m->n_ctx, kg_plural(m->n_ctx));
    print_vocabulary(&m->tokenizer);
}

void kg_describe_memory(const struct kgpt *k)
{
    kg_print("machine      %s\n", kg_amount(k->info->memory_total).text);
    kg_print("weights      %s, in the kernel\n", kg_amount(k->needs.weights).text);
    kg_print("kv           %s\n", kg_amount(k->needs.kv).text);
    kg_print("scratch      %s\n", kg_amount(k->needs.scratch).text);
    kg_print("arena        %s, %s of it used\n", kg_amount(k->arena.size).text, kg_amount(k->arena.used).text);
    struct kg_outside outside = plat_outside();
    if (outside.size) {
        kg_print("outside      %s, %s of it used\n", kg_amount(outside.size).text, kg_amount(outside.used).text);
    }
}

void kg_describe_cpu(const struct kgpt *k)
{
    const struct kg_cpu *cpu = k->info->cpu;
    kg_print("processor    %s (%s, family %u model %u stepping %u)\nfeatures    ", processor_name(cpu), cpu->vendor,
             cpu->family, cpu->model, cpu->stepping);
    for (uint32_t i = 0; i < KG_CPU_N_FEATURES; i++) {
        if (cpu->features >> i & 1) {
            kg_print(" %s", kg_cpu_feature_names[i]);
        }
    }
    kg_print("\nxcr0         0x%lx\nisa          %s\n", (unsigned long)cpu->xcr0, kg_isa_names[k->ops.isa]);
    uint64_t hz = plat_ticks_hz();
    if (hz) {
        kg_print("ticks        %.1f MHz (%s)\n", (double)hz / 1e6, plat_clock());
    } else {
        kg_print("ticks        of unknown frequency\n");
    }
}
