BARE_DRIVERS += platform/drivers/bus/pci.c
