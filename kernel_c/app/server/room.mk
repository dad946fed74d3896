ENGINE_LM += \
    app/server/answers.c \
    app/server/calls.c \
    app/server/clients.c \
    app/server/constrain.c \
    app/server/embed.c \
    app/server/endpoints.c \
    app/server/fields.c \
    app/server/jobs.c \
    app/server/json.c \
    app/server/llama_cpp.c \
    app/server/long_answer.c \
    app/server/messages.c \
    app/server/modbus.c \
    app/server/modbus_job.c \
    app/server/modbus_labels.c \
    app/server/modbus_map.c \
    app/server/ollama.c \
    app/server/ollama_reply.c \
    app/server/openai.c \
    app/server/openai_chat.c \
    app/server/openai_chunks.c \
    app/server/openai_text.c \
    app/server/page.c \
    app/server/print.c \
    app/server/prompt.c \
    app/server/python_json.c \
    app/server/sampling.c \
    app/server/server.c \
    app/server/time.c \
    app/server/tools.c
BARE_NET += app/server/network.c
HOSTED += app/server/sockets.c
SMALL += app/server/%
GENERATED += app/server/page.c
