/* ring.pml: a worker's run queue and its thieves (queue/ring.h).
 *
 * The owner pushes four tasks into a ring of two and takes what it can; one thief robs, twice. Numbers only grow; slot i % SIZE holds
 * task i. Whoever moves head over a number by compare-and-swap has that task.
 *
 * Holds: every task is handed out exactly once; nobody reads a slot that has no task or the wrong one.
 *
 * mutant TAIL_BEFORE_SLOT: tail becomes visible before the slot is written [handed_out_once]
 * mutant TAKE_WITHOUT_CAS: the owner takes without compare-and-swap [handed_out_once]
 * mutant ROB_WITHOUT_CAS: the thief takes without compare-and-swap [handed_out_once]
 * mutant PUSH_WITHOUT_LIMIT: a full ring is not noticed [handed_out_once]
 * mutant READ_AFTER_CAS: the thief reads the slots after it has moved head [handed_out_once]
 */
#define SIZE 2
#define TASKS 4
byte slot[SIZE], head, tail, handed[TASKS + 1];

inline hand_out(task) { atomic { assert(task != 0 && handed[task] == 0); handed[task] = 1 } } /* [handed_out_once] */

proctype owner()
{
    byte next = 1, h, task;
    do
    :: next <= TASKS ->
        h = head;
        if
#ifdef PUSH_WITHOUT_LIMIT
        :: 1 ->
#else
        :: tail - h < SIZE ->
#endif
#ifdef TAIL_BEFORE_SLOT
            tail++;
            slot[(tail - 1) % SIZE] = next;
#else
            slot[tail % SIZE] = next;
            tail++;
#endif
            next++
#ifndef PUSH_WITHOUT_LIMIT
        :: else -> goto take
#endif
        fi
    :: next > 1 ->
take:
        h = head;
        do
        :: h == tail -> break
        :: else ->
            task = slot[h % SIZE];
#ifdef TAKE_WITHOUT_CAS
            head = h + 1;
            hand_out(task);
            break
#else
            atomic {
                if
                :: head == h -> head = h + 1; hand_out(task); break
                :: else -> h = head
                fi
            }
#endif
        od;
        task = 0
    :: next > TASKS && head == tail -> break
    od
}

proctype thief()
{
    byte tries = 2, h, t, count, first, second;
    do
    :: tries > 0 ->
        tries--;
        h = head;
        t = tail;
        count = (t - h + 1) / 2;
        if
        :: t > h && t - h <= SIZE ->
#ifndef READ_AFTER_CAS
            first = slot[h % SIZE];
            if
            :: count > 1 -> second = slot[(h + 1) % SIZE]
            :: else
            fi;
#endif
#ifdef ROB_WITHOUT_CAS
            head = h + count;
            hand_out(first);
#else
            atomic {
                if
                :: head == h -> head = h + count
                :: else -> goto lost
                fi
            }
#ifdef READ_AFTER_CAS
            first = slot[h % SIZE];
            second = slot[(h + 1) % SIZE];
#endif
            hand_out(first);
            if
            :: count > 1 -> hand_out(second)
            :: else
            fi;
#endif
        :: else
        fi;
lost:
        atomic { h = 0; t = 0; count = 0; first = 0; second = 0 }
    :: else -> break
    od
}

init
{
    byte i;
    atomic { run owner(); run thief() }
    timeout ->
    for (i : 1 .. TASKS) { assert(handed[i] == 1) } /* [handed_out_once] */
}
