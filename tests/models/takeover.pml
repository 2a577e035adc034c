/* takeover.pml: the watchdog empties the next-slot of a worker that is stuck in a handler (D11; sched/worker.h "Takeover").
 *
 * The worker's stores of in_runtime and next become visible late and in any order (a store buffer of one place each), except that a
 * store of in_runtime == 0 is a release. The watchdog's membarrier makes all of them visible. The handler schedules a task, and
 * once more, then returns; the loop reinstates a revoked worker and runs what is in `next`. The watchdog revokes at any moment,
 * twice at most.
 *
 * Holds: every task runs exactly once; none is left when nothing can move any more. (That the worker looks at revoked before it
 * schedules, and the release, are not needed for this: they are there so that nothing waits in the slot of a stuck worker for another
 * tick, and so that the task's contents are visible with the task.)
 *
 * mutant NO_MEMBARRIER: the watchdog does without [run_once]
 * mutant NO_LOOK_AT_IN_RUNTIME: the watchdog takes whatever in_runtime says [run_once]
 * mutant REINSTATED_WITHOUT_CAS: the worker does not wait for a watchdog that is at it [run_once]
 * mutant TAKES_WITHOUT_CLAIM: the watchdog does not claim before it takes [run_once]
 */
#define TASKS 2
#define NONE 9
mtype = { NOT, REVOKED, TAKING };
mtype revoked = NOT;
byte in_runtime = 1, next;            /* as others see them */
byte late_in = NONE, late_next = NONE; /* not visible yet */
bit injected[TASKS + 1], ended;
byte ran[TASKS + 1];

inline see_in() { in_runtime = late_in; late_in = NONE }
inline see_next() { next = late_next; late_next = NONE }

active proctype store_buffer()
{
end:
    do
    :: atomic { late_in == 1 || (late_in == 0 && late_next == NONE) -> see_in() }
    :: atomic { late_next != NONE -> see_next() }
    od
}

inline store_in(v) { atomic { late_in == NONE -> late_in = v } }
inline store_next(v) { atomic { late_next == NONE -> late_next = v } }
inline load_next(v) { d_step { v = (late_next != NONE -> late_next : next) } }
inline run_task(t) { atomic { assert(ran[t] == 0); ran[t] = 1 } } /* [run_once] */

active proctype worker()
{
    byte task = 1, seen;
    mtype flag;
    /* a handler begins */
    store_in(0);
    do
    :: task <= TASKS ->
        store_in(1);
        flag = revoked;
        load_next(seen);
        if
        :: flag == NOT && seen == 0 -> store_next(task)
        :: else -> injected[task] = 1
        fi;
        task++;
        store_in(0)
    :: task > TASKS -> break
    :: task == 2 -> break /* the turn ends in between: the rest is scheduled by another turn */
    od;
    store_in(1);
loop:
#ifdef REINSTATED_WITHOUT_CAS
    revoked = NOT;
#else
    atomic { revoked != TAKING -> revoked = NOT }
#endif
    load_next(seen);
    if
    :: seen != 0 -> store_next(0); run_task(seen)
    :: else
    fi;
    if
    :: task <= TASKS -> injected[task] = 1; task++
    :: else
    fi;
    ended = 1
}

active proctype thief()
{
    byte i;
end:
    do
    :: atomic { injected[1] -> injected[1] = 0; run_task(1) }
    :: atomic { injected[2] -> injected[2] = 0; run_task(2) }
    od
}

active proctype watchdog()
{
    byte tries = 2, task;
    do
    :: tries > 0 ->
        tries--;
        if
        :: ended -> break /* it has seen that the turn ended */
        :: else
        fi;
        revoked = REVOKED;
#ifndef NO_MEMBARRIER
        atomic {
            if
            :: late_in != NONE -> see_in()
            :: else
            fi;
            if
            :: late_next != NONE -> see_next()
            :: else
            fi
        }
#endif
        if
#ifndef NO_LOOK_AT_IN_RUNTIME
        :: in_runtime != 0
#endif
#ifdef NO_LOOK_AT_IN_RUNTIME
        :: 1 ->
#else
        :: else ->
#endif
#ifndef TAKES_WITHOUT_CLAIM
            atomic {
                if
                :: revoked == REVOKED -> revoked = TAKING
                :: else -> goto returned
                fi
            }
#endif
            atomic { task = next; next = 0 }
#ifndef TAKES_WITHOUT_CLAIM
            revoked = REVOKED;
#endif
            if
            :: task != 0 -> injected[task] = 1
            :: else
            fi;
returned:
            task = 0
        fi
    :: break
    od
}

init { timeout -> assert(ran[1] == 1 && ran[2] == 1 && next == 0 && late_next == NONE) } /* [run_once] */
