/* Included before every file of the UEFI application. All that is declared lies in the application itself: otherwise
 * compilers would load addresses from a table (GOT), which somebody had to fill. -fvisibility=hidden is only about what
 * is defined. */
#ifndef __ASSEMBLER__
#pragma GCC visibility push(hidden)
#endif
