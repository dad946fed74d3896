BARE_LARGE += platform/drivers/bus/pci.c
