ENGINE_LM += \
    net/tcp/tcp.c \
    net/tcp/tcp_ack.c \
    net/tcp/tcp_input.c \
    net/tcp/tcp_listen.c \
    net/tcp/tcp_options.c \
    net/tcp/tcp_output.c \
    net/tcp/tcp_ranges.c \
    net/tcp/tcp_receive.c \
    net/tcp/tcp_recovery.c \
    net/tcp/tcp_segment.c \
    net/tcp/tcp_sequence.c \
    net/tcp/tcp_table.c \
    net/tcp/tcp_timer.c
SMALL += net/tcp/%
SHORT_LOOPS += net/tcp/%
