/* park.pml: how a worker goes to sleep and is woken: the event count of D9, as sched/park.c has it.
 *
 *     sleeper                              producer
 *     leaves `searching`                   puts the work into the global queue
 *     word := 0; sets its idle bit         fence
 *     fence                                somebody is searching: leaves it to them
 *     looks at the queue again             else clears an idle bit that is set: it owns that wake-up,
 *     sleeps until word != 0                   counts the sleeper as searching, word := 1, wakes
 *     clears its own bit, if it still is set: then nobody has counted it
 *
 * One sleeper has the poll token: it sleeps in epoll, where its word does not wake it, but an interrupt does [PK3], [PK4]:
 *     poller := itself                     word := 1
 *     fence                                fence
 *     looks at its word, then sleeps       is it the poller: interrupt
 *
 * A searcher may nap in the poll token before it sleeps (the first worker, once): it has neither a bit nor is it the poller
 * meanwhile, and whoever goes to sleep then finds the token taken.
 *
 * A searcher that finds work and is the last one looks at the queue once more, and wakes another for what is left.
 * Two workers, three pieces of work from two producers. Holds: when nothing can move any more, no work is left, and `searching` is 0;
 * and a piece of work that takes for ever delays no other while a worker sleeps (HOG: the first piece never ends).
 *
 * mutant NO_RECHECK: the queue is not looked at between the idle bit and the sleep [no_work_is_left]
 * mutant NO_FENCE_SLEEPER: the last look overtakes the idle bit [no_work_is_left]
 * mutant NO_FENCE_PRODUCER: the look at the idle bits overtakes the work [no_work_is_left]
 * mutant WORD_CLEARED_LATE: the word is cleared after the idle bit is set [no_work_is_left]
 * mutant SEARCHES_TO_THE_END: a sleeper leaves `searching` only after its last look [no_work_is_left]
 * mutant LAST_SEARCHER_SILENT: the last searcher that finds work does not look for more [no_work_is_left]
 * mutant WORD_AFTER_LOOK: the waker looks who polls before it sets the word [no_work_is_left]
 * mutant POLLER_AFTER_LOOK: the sleeper looks at its word before it says that it polls [no_work_is_left]
 * mutant NOT_COUNTED: who wakes by itself does not see whether a waker has counted it [no_work_is_left]
 */
#define WORKERS 2
#define PIECES 3
#define NOBODY WORKERS
byte work, done, searching = WORKERS, hogs, poller = NOBODY;
bit idle[WORKERS], word[WORKERS], polling, interrupted;

inline wake_one()
{
    if
    :: searching == 0 ->
        i = 0;
        do
        :: i == WORKERS -> break
        :: i < WORKERS ->
            atomic {
                if
                :: idle[i] -> idle[i] = 0; searching++
                :: else -> i++; goto next_bit
                fi
            }
#ifdef WORD_AFTER_LOOK
            polls = (poller == i);
            word[i] = 1;
            if
            :: polls -> interrupted = 1
            :: else
            fi;
#else
            word[i] = 1;
            if
            :: poller == i -> interrupted = 1
            :: else
            fi;
#endif
            break;
next_bit:
        od
    :: else
    fi;
    i = 0
}

proctype worker(byte me)
{
    byte i;
    bit found, polls, token, napped;
search:
    atomic {
        if
        :: work > 0 -> work--
        :: work == 0 && me == 0 && !napped && !polling -> napped = 1; polling = 1; goto nap
        :: work == 0 -> goto park
        fi
    }
    atomic { searching--; found = (searching == 0) }
#ifndef LAST_SEARCHER_SILENT
    if
    :: found && work > 0 -> wake_one()
    :: else
    fi;
#endif
    atomic { found = 0; done++; hogs++ }
    if
    :: hogs == 1 -> goto stuck /* its turn never ends */
    :: else
    fi;
    searching++;
    goto search;
nap:
    polling = 0;
    goto search;
park:
    atomic { token = !polling; polling = 1 }
#ifndef SEARCHES_TO_THE_END
    searching--;
#endif
#ifndef WORD_CLEARED_LATE
    word[me] = 0;
#endif
#ifdef NO_FENCE_SLEEPER
    found = (work > 0);
#endif
    idle[me] = 1;
#ifdef WORD_CLEARED_LATE
    word[me] = 0;
#endif
#ifdef NO_RECHECK
    found = 0;
#else
#ifndef NO_FENCE_SLEEPER
    found = (work > 0);
#endif
#endif
#ifdef SEARCHES_TO_THE_END
    searching--;
#endif
    if
    :: token ->
#ifdef POLLER_AFTER_LOOK
        polls = (word[me] == 1);
        poller = me;
#else
        poller = me;
        polls = (word[me] == 1);
#endif
        found = (found || polls || work > 0);
        if
        :: found -> found = 0
        :: else ->
end_polls:
            interrupted == 1
        fi;
        atomic { interrupted = 0; poller = NOBODY; polls = 0 }
    :: else ->
        if
        :: found -> found = 0
        :: else ->
end_sleeps:
            word[me] == 1
        fi
    fi;
    atomic {
        if
        :: token -> polling = 0; token = 0
        :: else
        fi;
        if
        :: idle[me] -> idle[me] = 0; searching++ /* nobody woke it */
        :: else ->
#ifdef NOT_COUNTED
            searching++
#endif
        fi;
        goto search
    }
stuck:
    skip
}

proctype producer(byte pieces)
{
    byte i;
    bit seen, polls;
    do
    :: pieces > 0 ->
#ifdef NO_FENCE_PRODUCER
        seen = (searching == 0 && (idle[0] || idle[1]));
        atomic { work++; pieces-- }
#else
        atomic { work++; pieces-- }
        seen = 1;
#endif
        if
        :: seen -> wake_one()
        :: else
        fi
    :: else -> break
    od
}

init
{
    atomic { run worker(0); run worker(1); run producer(2); run producer(1) }
    timeout -> assert(work == 0 && done == PIECES && searching == 0) /* [no_work_is_left] */
}
