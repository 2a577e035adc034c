/* cast.c: the floor of `troupe bench cast`: n casts to a server, then a call. Without a runtime a cast is a message. */
#include "counting.h"

int main(int argc, char **argv) { return counting_main("cast", parameter(argc, argv, "n", 3000000)); }
