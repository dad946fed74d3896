ENGINE += app/explain/explained.c
ENGINE_NO_LM += app/explain/micro_explain.c
ENGINE_LM += \
    app/explain/explained_picture.c \
    app/explain/layer_list.c \
    app/explain/layer_list_test.c \
    app/explain/lm_explain.c \
    app/explain/lm_explain_draw.c \
    app/explain/lm_explain_pass.c \
    app/explain/lm_explain_text.c
SMALL += app/explain/%
