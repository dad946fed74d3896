ENGINE_LM += \
    app/explain/layer_list.c \
    app/explain/layer_list_test.c \
    app/explain/lm_explain.c \
    app/explain/lm_explain_draw.c \
    app/explain/lm_explain_pass.c \
    app/explain/lm_explain_text.c
SMALL += app/explain/%
