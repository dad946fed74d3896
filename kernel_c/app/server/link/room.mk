BARE_NET += app/server/link/network.c
HOSTED += app/server/link/sockets.c
SMALL += app/server/link/%
