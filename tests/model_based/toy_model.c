/* toy_model.c: the shrinker's own test: a "runtime" (two counters) with a mistake that takes three commands, which the
 * generator must find and the shrinker must bring down to these three. ctest runs it with must_differ=3. */
#include "model.h"

enum { ADD, RESET, LOOK };

static const struct operation operations[] = {
    [ADD] = { "add", 4, { UPTO(2), UPTO(9) } },
    [RESET] = { "reset", 4, { UPTO(2) } },
    [LOOK] = { "look", 1, { UPTO(2) } },
};

static int real[2], expected[2];
static int resets;

static void begin(void)
{
    memset(real, 0, sizeof real);
    memset(expected, 0, sizeof expected);
    resets = 0;
}

/* The mistake: after a reset of counter 1, counter 0 adds one too many. */
static void apply(const struct command *command)
{
    int which = command->arguments[0];
    model_did();
    switch (command->operation) {
    case ADD:
        expected[which] += command->arguments[1];
        real[which] += command->arguments[1] + (which == 0 && resets > 0);
        break;
    case RESET:
        expected[which] = real[which] = 0;
        resets += which == 1;
        break;
    case LOOK: EXPECT_EQ(real[which], expected[which]); break;
    }
}

static void end(void) {}

int main(int argc, char **argv)
{
    static const struct model toy = { "toy", operations, TR_COUNT(operations), 200, 100000, begin, apply, end };
    return model_main(argc, argv, &toy);
}
