/* name_fights.c: processes fight for a few names, hold them, give them back or die with them: never two holders,
 * whoever holds is found, and in the end all names are free. */
#include "stress.h"

enum { NAMES = 5 };

static uint64_t holder[NAMES]; /* atomic: who believes to hold it */
static int64_t won, died_holding;

static const char *name_of(uint32_t number, char *text, size_t size)
{
    snprintf(text, size, "ring %u", number);
    return text;
}

static void leave(void *slot) { __atomic_store_n((uint64_t *)slot, 0, __ATOMIC_SEQ_CST); }

static void fight_once(struct dice *dice)
{
    char text[16];
    uint32_t number = roll(dice, NAMES);
    const char *name = name_of(number, text, sizeof text);
    int status = tr_register(name, tr_self());
    MUST(status == TR_OK || status == TR_ETAKEN);
    if (status != TR_OK) {
        tr_send(tr_name(name), WORD, NULL, 0);
        tr_yield();
        return;
    }
    uint64_t self = tr_self().id, before = __atomic_exchange_n(&holder[number], self, __ATOMIC_SEQ_CST);
    MUST_EQ(before, 0);
    __atomic_fetch_add(&won, 1, __ATOMIC_RELAXED);
    MUST(tr_same(tr_whereis(name), tr_self()));
    if (roll(dice, 3) == 0) {
        MUST_EQ(tr_defer(leave, &holder[number]), TR_OK); /* runs before the name is free */
        __atomic_fetch_add(&died_holding, 1, __ATOMIC_RELAXED);
        if (roll(dice, 2) == 0)
            tr_exit(TR_NORMAL);
        tr_exit_signal(tr_self(), TR_KILL);
    }
    if (roll(dice, 2) == 0)
        tr_yield();
    leave(&holder[number]);
    MUST_EQ(tr_unregister(name), TR_OK);
}

static void fighter(const tr_msg *arg)
{
    struct dice dice = dice_of(*(const uint64_t *)tr_expect(arg, sizeof(uint64_t)));
    for (int i = 0; i < 50; i++)
        fight_once(&dice);
}

static void fights(void)
{
    enum { AT_ONCE = 64 };
    tr_ref monitors[AT_ONCE];
    uint64_t number = 0;
    for (int64_t i = 0; i < setting("count"); i++) {
        for (int j = 0; j < AT_ONCE; j++, number++)
            tr_spawn_monitor(fighter, &number, sizeof number, &monitors[j]);
        for (int j = 0; j < AT_ONCE; j++)
            MUST_EQ(tr_await_down(monitors[j], 60000, NULL), TR_OK);
        for (uint32_t j = 0; j < NAMES; j++) {
            char text[16];
            MUST(tr_nobody(tr_whereis(name_of(j, text, sizeof text))));
        }
    }
    printf("won %" PRId64 ", died holding %" PRId64 "\n", won, died_holding);
}

int main(int argc, char **argv)
{
    known("count", 40);
    return stress_main(argc, argv, fights);
}
