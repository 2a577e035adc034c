/* consumer_sim.c: a user's program in simulation, through the installed library, under a few seeds. Its own names are
 * such as the library uses inside: they must not clash, and not be called by it. */
#include <stdio.h>
#include <stdlib.h>
#include <troupe/sim.h>
#include <troupe/troupe.h>

enum { HELLO = 1 };

int machine = 5;
void child_new(void);
void child_new(void) { abort(); }
void sim_point(void);
void sim_point(void) { abort(); }

static void root(const tr_msg *unused)
{
    (void)unused;
    tr_must(tr_send_after(86400000, tr_self(), HELLO, NULL, 0, NULL));
    TR_SIM_CHECK(machine == 5 && tr_tag(tr_receive(TR_INFINITY)) == HELLO);
    TR_SIM_CHECK(tr_sim_now_ns() >= INT64_C(86400000000000));
}

static int program(void *unused)
{
    (void)unused;
    return tr_main(NULL, root, NULL, 0);
}

int main(void)
{
    const tr_sim_case test = { .name = "consumer", .program = program };
    if (tr_sim_sweep(&test, 1, 5) != 0)
        return 1;
    puts("five days");
    return 0;
}
