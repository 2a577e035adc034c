/* call_deadline.pml: the one embedded timer of an actor, re-armed lazily, against calls with deadlines of their own (D6, D10).
 *
 * An actor makes two calls. A deadline is a plain store before the wait word is published; the wheel's lock is only taken when
 * the timer is not armed, or armed for later than this deadline. The expiry first takes the timer out (armed_at := 0), then reads
 * the wait word, then the deadline. Time may stop anywhere, so "nothing can move any more" is reached at every time.
 *
 * Holds: no call ends by timeout before its deadline; when nothing can move, no call waits whose deadline has passed; a reply is
 * never lost.
 *
 * mutant CLEARED_LATE: the expiry reads the wait word before it says that the timer is not armed [no_wait_past_its_deadline]
 * mutant RECHECKS_DEADLINE_ONLY: the same, and then it looks only whether the deadline has changed [no_wait_past_its_deadline]
 * mutant NO_FENCE_ARM: the look at armed_at overtakes the store of the wait word [no_wait_past_its_deadline]
 * mutant KEEPS_LATER: a timer armed for later is not moved to an earlier deadline [no_wait_past_its_deadline]
 * mutant NO_ARM_AGAIN: parking again does not look whether the timer is armed [no_wait_past_its_deadline]
 * mutant BUSY_IS_TIMEOUT: every wake that is no reply counts as the timeout [never_early]
 * mutant NO_REINSERT: an expiry that finds a later deadline forgets it [no_wait_past_its_deadline]
 * mutant TIMEOUT_WITHOUT_CAS: a passed deadline ends the call without looking whether a reply came [no_reply_is_lost]
 */
#define CALLS 2
#define LAST_TIME 3
#define WAITING(s) (10 + (s))
#define BUSY(s)    (20 + (s))
#define REPLY(s)   (30 + (s))
#define is_waiting(w) ((w) > 10 && (w) <= 10 + CALLS)

byte now, wait_word, deadline;
byte armed_at; /* when the timer fires; 0: it is not in the wheel */
bit wheel_lock, woken;
byte serial, replied, timed_out;

inline lock() { atomic { !wheel_lock -> wheel_lock = 1 } }
inline unlock() { wheel_lock = 0 }

inline arm() /* on the other side of the switch, with the wait word published */
{
#ifdef KEEPS_LATER
#define must_arm(at) ((at) == 0)
#else
#define must_arm(at) ((at) == 0 || (at) > limit)
#endif
#ifndef NO_FENCE_ARM
    at = armed_at;
#endif
    if
    :: must_arm(at) ->
        lock();
        if
        :: must_arm(armed_at) -> armed_at = limit
        :: else
        fi;
        unlock()
    :: else
    fi
}

proctype owner()
{
    byte limit, at;
    bit done;
    do
    :: serial < CALLS ->
        atomic {
            serial++;
            select(limit : 1 .. LAST_TIME);
            if
            :: limit < now -> limit = now
            :: else
            fi;
            deadline = limit
        }
#ifdef NO_FENCE_ARM
        at = armed_at;
#endif
        wait_word = WAITING(serial);
        arm();
again:
end_waits:
        atomic { woken -> woken = 0; at = 0 }
        if
        :: wait_word == BUSY(serial) ->
#ifdef BUSY_IS_TIMEOUT
            if
            :: 1 ->
#else
            if
            :: now >= limit ->
#endif
#ifdef TIMEOUT_WITHOUT_CAS
                atomic { assert(wait_word == BUSY(serial)); wait_word = 0; timed_out++ } /* [no_reply_is_lost] */
#else
                atomic {
                    if
                    :: wait_word == BUSY(serial) -> assert(now >= limit); wait_word = 0; timed_out++ /* [never_early] */
                    :: else -> goto answered
                    fi
                }
#endif
#ifndef BUSY_IS_TIMEOUT
            :: else ->
#ifdef NO_FENCE_ARM
                at = armed_at;
#endif
                atomic {
                    if
                    :: wait_word == BUSY(serial) -> wait_word = WAITING(serial)
                    :: else -> goto answered
                    fi
                }
#ifndef NO_ARM_AGAIN
                arm();
#endif
                goto again
#endif
            fi
        :: else ->
answered:
            atomic { assert(wait_word == REPLY(serial)); wait_word = 0; replied++ } /* [no_reply_is_lost] */
        fi
    :: else -> break
    od
}

inline wake(old, new)
{
    atomic {
        if
        :: wait_word == (old) -> wait_word = new; assert(!woken); woken = 1 /* [woken_once] */
        :: else
        fi
    }
}

proctype expiry()
{
    byte w, d;
end_idle:
    do
    :: armed_at != 0 && armed_at <= now ->
        lock();
        if
        :: armed_at != 0 && armed_at <= now ->
#ifdef CLEARED_LATE
            w = wait_word;
            d = deadline;
            armed_at = 0;
#else
#ifndef RECHECKS_DEADLINE_ONLY
            armed_at = 0;
#endif
look:
            w = wait_word;
            d = deadline;
#endif
            if
            :: is_waiting(w) && d <= now -> wake(w, w + 10)
            :: is_waiting(w) && d > now ->
#ifndef NO_REINSERT
                armed_at = d
#endif
            :: else
            fi;
#ifdef RECHECKS_DEADLINE_ONLY
            if
            :: d <= now ->
                armed_at = 0;
                if
                :: d != deadline -> goto look
                :: else
                fi
            :: else -> armed_at = d
            fi
#endif
        :: else
        fi;
        d_step { w = 0; d = 0; wheel_lock = 0 }
    od
}

proctype replier()
{
    byte w;
    do
    :: w = wait_word;
        if
        :: is_waiting(w) -> wake(w, w + 20)
        :: w > 20 && w <= 20 + CALLS -> atomic {
            if
            :: wait_word == w -> wait_word = w + 10
            :: else
            fi }
        :: else
        fi;
        break
    :: break
    od
}

proctype signaller() /* wakes without a cause that ends the call */
{
    byte w;
    w = wait_word;
    if
    :: is_waiting(w) -> wake(w, w + 10)
    :: else
    fi
}

proctype clock()
{
    do
    :: now < LAST_TIME -> now++
    :: break
    od
}

init
{
    atomic { run owner(); run expiry(); run replier(); run signaller(); run clock() }
    timeout ->
    assert(!wheel_lock && !woken); /* [nothing_is_left_held] */
    assert(!(is_waiting(wait_word) && deadline <= now)); /* [no_wait_past_its_deadline] */
    assert(is_waiting(wait_word) || replied + timed_out == CALLS) /* [every_call_ends] */
}
