ENGINE_TRAIN += \
    app/training/report/training_curve.c \
    app/training/report/training_log.c \
    app/training/report/training_report.c
