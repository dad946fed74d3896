BARE_DRIVERS += platform/drivers/block/block.c
