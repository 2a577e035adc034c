/* counting.c: the floor of `troupe bench counting`: a producer sends n increments, then asks for the total. */
#include "counting.h"

int main(int argc, char **argv) { return counting_main("counting", parameter(argc, argv, "n", 5000000)); }
