ENGINE_LM += modbus/modbus.c
SMALL += modbus/%
BRANCHES += modbus/%
