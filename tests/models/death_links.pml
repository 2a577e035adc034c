/* death_links.pml: death against link, unlink, register, monitor, demonitor and call (D7; risk 4 of the design).
 *
 * A link is one record with an end in each actor's list; at a death it becomes the EXIT signal itself, and only the other's end stays
 * in its list (here: ON_ITS_WAY and SIGNALLED). A monitor has two halves. Everything is done under the lock bits of both, in index
 * order. Death: EXITING under the lock (no name any more), the name freed, GONE under the lock (no
 * link and no monitor any more), every half sent and its twin marked as signalled, the slot cleared, a grace period, the mailbox
 * drained for the last time, the memory freed. Who has no name is GONE with EXITING; whose lock nobody has ever held sets both by one
 * exchange, without the lock, and has only its slot to clear. Unlink and demonitor mark a half that is on its way as done.
 *
 * Two scenes: two actors that each may link to the other, unlink, and die by themselves; or one that may die while others register
 * it, watch it (and perhaps stop watching), and call it.
 *
 * Holds: a linked peer of one that died dies, too, unless it was unlinked; never of a link that it has unlinked; two that die of
 * each other never swap reasons; exactly one DOWN, none after demonitor; the name of the dead is free when its DOWN is met, and
 * stays free; every call is answered once; nobody touches memory that is gone; no lock is held for ever.
 *
 * mutant LINK_WITHOUT_GONE: link does not look whether the peer is going [no_touch_of_the_freed]
 * mutant QUIET_LOOKS_BEFORE: whose lock was never held finds that out before the exchange [no_touch_of_the_freed]
 * mutant REGISTER_WITHOUT_EXITING: register does not look whether the process is going [the_dead_have_no_name]
 * mutant MONITOR_WITHOUT_GONE: monitor does not look either [one_down]
 * mutant EXIT_SENT_TWICE: who dies sends its half even if the peer has signalled already [no_touch_of_the_freed]
 * mutant UNLINK_WITHOUT_DONE: unlink does not mark the half that is on its way [one_exit_and_none_after_unlink]
 * mutant DEMONITOR_WITHOUT_DONE: nor demonitor [one_down_and_none_after_demonitor]
 * mutant RELATIONS_BEFORE_NAME: links and monitors hear of it before the name is free [the_name_is_free_before_the_down]
 * mutant NO_LAST_DRAIN: the mailbox is drained only before the grace period [one_answer]
 * mutant NO_GRACE: the memory is freed without waiting for read sections [no_touch_of_the_freed]
 * mutant OWN_LOCK_FIRST: the two locks are not taken in the order of indexes [nothing_is_left_held]
 * mutant UNLOCKED_CHECK: death takes its list without the peer's lock [both_ends_or_none]
 */
mtype = { NOTHING, LIVE, SIGNALLED, ON_ITS_WAY, EXIT, DOWN, CALL };
/* the two actors, and the watcher as number 2 */
bit exiting[2], gone[2], cleared[2], freed[2], lock_bit[3], met[3]; /* met: the lock was held */
byte readers[2], name_of; /* 1 + who has the name */
chan box[3] = [4] of { mtype };
chan answers = [2] of { bit };
/* the link: the end of each; x's death sends it to 1 - x */
mtype half[2] = NOTHING;
bit done[2];
/* the monitor of 2 on 0 */
mtype down_half = NOTHING, watcher_half = NOTHING;
bit down_done;
/* ghosts */
byte cause[2]; /* 1 + whose reason x died of */
bit bound, unlinked[2], demonitored;
byte downs, answered;

inline lock(x) { atomic { assert(x == 2 || !freed[x]); !lock_bit[x] -> lock_bit[x] = 1 } } /* [no_touch_of_the_freed] */
inline unlock(x) { atomic { lock_bit[x] = 0; met[x] = 1 } }
inline lock_two(x, y)
{
#ifdef OWN_LOCK_FIRST
    lock(x);
    lock(y)
#else
    if
    :: x < y -> lock(x); lock(y)
    :: else -> lock(y); lock(x)
    fi
#endif
}
inline unlock_two(x, y) { atomic { unlock(x); unlock(y) } }
/* a read section and the lookup in it: true: it can be used */
inline find(x, there) { atomic { readers[x]++; there = !cleared[x] } }
inline read_end(x) { readers[x]-- }
inline put(x, what) { atomic { assert(x == 2 || !freed[x]); box[x]!what } } /* [no_touch_of_the_freed] */

inline release_link()
{
    do
    :: 1 ->
        find(peer, there);
        lock(me);
        atomic { mine = half[me]; if :: mine == SIGNALLED -> half[me] = NOTHING :: else fi }
        unlock(me);
        if
#ifdef EXIT_SENT_TWICE
        :: mine == NOTHING -> read_end(peer); break
#else
        :: mine != LIVE -> read_end(peer); break
#endif
        :: else ->
            if
            :: there ->
#ifdef UNLOCKED_CHECK
                lock(me);
#else
                lock_two(me, peer);
#endif
#ifdef EXIT_SENT_TWICE
                atomic { mine = LIVE; half[me] = ON_ITS_WAY; half[peer] = SIGNALLED }
#else
                atomic { mine = half[me] }
                if
                :: mine == LIVE -> half[me] = ON_ITS_WAY; half[peer] = SIGNALLED
                :: else
                fi;
#endif
#ifdef UNLOCKED_CHECK
                unlock(me);
#else
                unlock_two(me, peer);
#endif
                if
                :: mine == LIVE -> put(peer, EXIT); read_end(peer); break
                :: else -> read_end(peer)
                fi
            :: else -> assert(!freed[peer]); read_end(peer) /* it is about to signal this half: again [no_touch_of_the_freed] */
            fi
        fi
    od
}

inline release_watcher()
{
    lock_two(me, 2);
    atomic {
        mine = down_half;
        if
        :: mine == LIVE -> down_half = ON_ITS_WAY; watcher_half = SIGNALLED
        :: else
        fi
    }
    unlock_two(me, 2);
    if
    :: mine == LIVE -> put(2, DOWN)
    :: else
    fi
}

inline free_name() { atomic { if :: name_of == 1 + me -> name_of = 0 :: else fi } }

inline drain()
{
    do
    :: box[me]?what ->
        if
        :: what == CALL -> answers!0
        :: else
        fi
    :: empty(box[me]) -> break
    od
}

proctype actor(byte me; bit social)
{
    byte peer = 1 - me;
    mtype what, mine;
    bit there, dead;
    if
    :: social ->
        /* link */
        find(peer, there);
        if
        :: there ->
            lock_two(me, peer);
#ifndef LINK_WITHOUT_GONE
            dead = gone[peer];
#endif
            if
            :: !dead && half[me] == NOTHING ->
                atomic { half[me] = LIVE; half[peer] = LIVE; bound = 1; unlinked[0] = 0; unlinked[1] = 0 }
            :: else /* noproc, or linked already */
            fi;
            unlock_two(me, peer)
        :: else /* noproc */
        fi;
        read_end(peer)
    :: 1
    fi;
    if
    :: social ->
        /* unlink */
        find(peer, there);
        if
        :: there -> lock_two(me, peer)
        :: else -> lock(me)
        fi;
        atomic {
            if
            :: there && half[me] == LIVE -> half[me] = NOTHING; half[peer] = NOTHING
            :: half[me] == SIGNALLED ->
#ifndef UNLINK_WITHOUT_DONE
                done[peer] = 1;
#endif
                half[me] = NOTHING
            :: else
            fi;
            bound = 0;
            unlinked[me] = 1
        }
        if
        :: there -> unlock_two(me, peer)
        :: else -> unlock(me)
        fi;
        read_end(peer)
    :: 1
    fi;
end_receives:
    do
    :: box[me]?what ->
        if
        :: what == CALL -> answers!1
        :: what == EXIT && done[peer]
        :: what == EXIT && !done[peer] ->
            lock(me);
            atomic { assert(half[me] == SIGNALLED && !unlinked[me]); half[me] = NOTHING } /* [one_exit_and_none_after_unlink] */
            unlock(me);
            cause[me] = cause[peer]; /* the reason in the signal */
            break
        fi
    :: cause[me] = 1 + me -> break /* ends by itself */
    od;
    /* death */
#ifdef QUIET_LOOKS_BEFORE
    there = met[me] || lock_bit[me];
    atomic { if :: !there -> exiting[me] = 1; gone[me] = 1 :: else fi }
#else
    atomic { there = met[me] || lock_bit[me]; if :: !there -> exiting[me] = 1; gone[me] = 1 :: else fi }
#endif
    if
    :: !there -> cleared[me] = 1 /* quietly */
    :: else ->
        lock(me);
        atomic { exiting[me] = 1; there = name_of == 1 + me; gone[me] = !there }
        unlock(me);
#ifndef RELATIONS_BEFORE_NAME
        free_name();
#endif
        if
        :: there -> lock(me); gone[me] = 1; unlock(me)
        :: else
        fi;
        if
        :: social -> release_link()
        :: else -> release_watcher()
        fi;
#ifdef RELATIONS_BEFORE_NAME
        free_name();
#endif
        cleared[me] = 1
    fi;
#ifdef NO_LAST_DRAIN
    drain();
#endif
#ifndef NO_GRACE
    readers[me] == 0;
#endif
#ifndef NO_LAST_DRAIN
    drain();
#endif
    freed[me] = 1
}

proctype registrar()
{
    bit there;
    find(0, there);
    if
    :: there ->
        lock(0);
        if
#ifndef REGISTER_WITHOUT_EXITING
        :: exiting[0]
#endif
        :: else -> name_of = 1
        fi;
        unlock(0)
    :: else
    fi;
    read_end(0)
}

proctype watcher()
{
    mtype what;
    bit there, dead;
    /* monitor */
    find(0, there);
    if
    :: there -> lock_two(2, 0)
    :: else -> lock(2)
    fi;
#ifdef MONITOR_WITHOUT_GONE
    dead = !there;
#else
    dead = !there || gone[0];
#endif
    atomic {
        if
        :: dead -> watcher_half = SIGNALLED; down_half = ON_ITS_WAY
        :: else -> watcher_half = LIVE; down_half = LIVE
        fi
    }
    if
    :: there -> unlock_two(2, 0)
    :: else -> unlock(2)
    fi;
    if
    :: dead -> put(2, DOWN)
    :: else
    fi;
    read_end(0);
    if
    :: /* demonitor, flush */
        find(0, there);
        if
        :: there -> lock_two(2, 0)
        :: else -> lock(2)
        fi;
        atomic {
            if
            :: watcher_half == LIVE && there -> down_half = NOTHING; watcher_half = NOTHING
            :: watcher_half == SIGNALLED ->
#ifndef DEMONITOR_WITHOUT_DONE
                down_done = 1;
#endif
                watcher_half = NOTHING
            :: else -> assert(0) /* the slot is cleared, and the half not sent [cleared_after_signals] */
            fi;
            demonitored = 1
        }
        if
        :: there -> unlock_two(2, 0)
        :: else -> unlock(2)
        fi;
        read_end(0)
    :: 1
    fi;
end_receives:
    do
    :: box[2]?what ->
        if
        :: down_done
        :: else ->
            atomic {
                assert(!demonitored && watcher_half == SIGNALLED); /* [one_down_and_none_after_demonitor] */
                assert(name_of != 1) /* [the_name_is_free_before_the_down] */
            }
            watcher_half = NOTHING;
            downs++
        fi
    od
}

proctype caller()
{
    bit there, reply;
    find(0, there);
    if
    :: there -> put(0, CALL)
    :: else -> answers!0
    fi;
    read_end(0);
end_waits:
    do
    :: answers?reply -> answered++; assert(answered == 1) /* [one_answer] */
    od
}

init
{
    bit social;
    atomic {
        if
        :: social = 1; run actor(0, 1); run actor(1, 1)
        :: run actor(0, 0); run registrar(); run watcher(); run caller()
        fi
    }
    timeout ->
    assert(!lock_bit[0] && !lock_bit[1] && !lock_bit[2] && readers[0] == 0 && readers[1] == 0); /* [nothing_is_left_held] */
    if
    :: social ->
        assert(!(cause[0] == 2 && cause[1] == 1)); /* [reasons_are_not_swapped] */
        assert(!bound || freed[0] == freed[1]); /* [who_is_linked_dies_too] */
        assert((half[0] == LIVE) == (half[1] == LIVE) && half[0] != SIGNALLED && half[1] != SIGNALLED) /* [both_ends_or_none] */
    :: else ->
        assert(answered == 1); /* [one_answer] */
        assert(freed[0] -> name_of == 0 : 1); /* [the_dead_have_no_name] */
        assert(demonitored -> downs == 0 || watcher_half == NOTHING : downs == freed[0]) /* [one_down] */
    fi
}
