ENGINE_LM += \
    app/jitter/gaps.c \
    app/jitter/jitter_report.c \
    app/jitter/lm_jitter.c \
    app/jitter/summary.c \
    app/jitter/summary_test.c
SMALL += app/jitter/lm_jitter.c app/jitter/jitter_report.c
