ENGINE_LM += \
    app/server/modbus/modbus.c \
    app/server/modbus/modbus_job.c \
    app/server/modbus/modbus_labels.c \
    app/server/modbus/modbus_map.c
SMALL += app/server/modbus/%
