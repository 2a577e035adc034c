/* token_wait_sig.pml: one actor's run token, wait word and signals together (D4, D5, D6; risk 1 of the design).
 *
 * Two senders, a killer, a harmless signal, a replier that may answer twice or late, a timer that also wakes without cause, two
 * workers: in the four combinations at the end. The actor receives messages and makes a call for each. The mailbox is the one of
 * queue/mailbox.h: an exchange on the tail, then the link, with the half-linked window between them.
 *
 * Holds: never two owners, never scheduled twice or when dead (assertions in schedule); a fiber is resumed only when its registers
 * are saved; a reply ends only its own call; nobody touches the actor after its memory is gone; and, when nothing can move any
 * more (`timeout` in init): the killed actor is dead, the one that was not killed has handled both messages, ended
 * both calls and given its token up.
 *
 * mutant TAKE_BEFORE_HANDLING: the message leaves the mailbox before it is handled [the_token_is_in_the_mailbox]
 * mutant PARK_BEFORE_SWITCH: the last node is taken while the actor is still on its fiber [resumed_when_saved]
 * mutant WAIT_BEFORE_SWITCH: the wait word is published while the actor is still on its fiber [resumed_when_saved]
 * mutant NO_SIG_RECHECK: SIG is not looked at after the wait word is published [the_killed_dies]
 * mutant NO_SIG_RECHECK_AGAIN: the same when parking again after a wake [the_killed_dies]
 * mutant NO_FENCE_PARK: the look at SIG overtakes the store of the wait word [the_killed_dies]
 * mutant NO_FENCE_SIGNAL: the signal's look at the wait word overtakes SIG [the_killed_dies]
 * mutant SIG_CLEARED_LATE: SIG is cleared after the scan [the_killed_dies]
 * mutant GAP_ENDS_SCAN: a half-linked node ends the scan for signals [the_killed_dies]
 * mutant REPLY_WITHOUT_SERIAL: a reply compares only that the actor waits [no_reply_is_lost]
 * mutant BUSY_SCHEDULES: a reply that finds BUSY schedules [the_token_is_in_the_mailbox]
 * mutant TIMEOUT_WITHOUT_CAS: a passed deadline ends the call without looking whether a reply came [no_reply_is_lost]
 * mutant PARK_AGAIN_WITHOUT_CAS: parking again stores the wait word [everything_ends]
 * mutant POST_READS_STACK: the request is read from the actor after the wait word is published [posted_once]
 * mutant NO_READ_SECTION: what follows the publishing of the wait word stands outside a read section [no_touch_of_the_freed]
 */
#define NODES 3
#define CALLS 2
#define WAITING(s) (10 + (s))
#define BUSY(s)    (20 + (s))
#define REPLY(s)   (30 + (s))
#define is_waiting(w) ((w) > 10 && (w) <= 10 + CALLS)

mtype = { MESSAGE, SIGNAL, KILL, RECEIVE, CALL, WOKEN };

/* the mailbox */
mtype kind[NODES];
bit linked[NODES], consumed[NODES];
byte head, tail;
/* the actor: what others touch */
bit sig;
byte wait_word;
/* the owner's */
mtype at = RECEIVE;
byte private_messages, serial, handled, replied, timed_out;
bit passed[CALLS + 1];
/* the worker pool and the slot */
bit in_run_queue, dead, killing;
chan requests = [CALLS] of { byte };
/* ghosts */
bit owned, saved = 1, freed;
bit posted[CALLS + 1];
byte readers;

inline schedule() { assert(!in_run_queue && !owned && !dead); in_run_queue = 1 } /* in an atomic step */ /* [scheduled_once] */
inline cas(old, new, done)
{
    assert(!freed); /* [no_touch_of_the_freed] */
    if
    :: wait_word == (old) -> wait_word = new; done = 1
    :: else -> done = 0
    fi
}
inline cas_and_schedule(old, new)
{
    atomic {
        assert(!freed); /* [no_touch_of_the_freed] */
        if
        :: wait_word == (old) -> wait_word = new
        :: else -> goto leave
        fi
    };
    atomic { schedule(); goto leave }
}

proctype sender(mtype message)
{
    byte node, w;
    if /* the lookup: a read section, and the slot */
    :: atomic { !dead -> readers++ }
    :: dead -> goto gone
    fi;
    atomic {
        assert(!freed); /* [no_touch_of_the_freed] */
#ifdef NO_FENCE_SIGNAL
        w = wait_word;
#endif
        node = tail;
        kind[node] = message;
        tail++;
        if
        :: head == node -> linked[node] = 1; goto was_empty /* nobody can be waiting for this link: one step */
        :: else
        fi
    }
    atomic {
        linked[node] = 1;
        if
        :: message == MESSAGE -> goto leave
        :: else
        fi
    }
    atomic { assert(!freed); sig = 1 } /* [no_touch_of_the_freed] */
    atomic {
#ifndef NO_FENCE_SIGNAL
        w = wait_word;
#endif
        if
        :: !is_waiting(w) -> goto leave
        :: else
        fi
    }
    cas_and_schedule(w, w + 10);
was_empty:
    atomic {
        if
        :: message == KILL -> sig = 1
        :: else
        fi
    }
    atomic { schedule() }
leave:
    atomic { readers-- }
gone:
    atomic { node = 0; w = 0 }
}

proctype replier()
{
    byte s, w;
    bit again;
next:
end_idle:
    atomic { requests?s }
    atomic {
        if
        :: again = 0
        :: again = 1
        :: killing -> s = 0; goto next /* never answers */
        fi
    }
answer:
    if
    :: atomic { !dead -> readers++ }
    :: atomic { dead -> again = 0; s = 0; goto next }
    fi;
try:
    atomic {
        w = wait_word;
        assert(!freed); /* [no_touch_of_the_freed] */
        if
        :: w == BUSY(s)
#ifdef REPLY_WITHOUT_SERIAL
        :: is_waiting(w)
#else
        :: w == WAITING(s)
#endif
        :: else -> goto leave /* answered, timed out or another call: dropped */
        fi
    }
    atomic {
        assert(!freed); /* [no_touch_of_the_freed] */
        if
        :: wait_word != w -> goto try
        :: wait_word == w && w != BUSY(s) -> wait_word = REPLY(s)
        :: wait_word == w && w == BUSY(s) -> wait_word = REPLY(s);
#ifndef BUSY_SCHEDULES
            goto leave
#endif
        fi
    }
    atomic { schedule() }
leave:
    atomic {
        readers--;
        w = 0;
        if
        :: again -> again = 0; goto answer
        :: else -> s = 0; goto next
        fi
    }
}

proctype timer()
{
    byte w;
end_idle:
    atomic {
        is_waiting(wait_word) && !dead ->
        readers++;
        w = wait_word;
        if
        :: passed[w - 10] = 1 /* its deadline */
        :: skip               /* a wake for another reason */
        fi
    }
    cas_and_schedule(w, w + 10);
leave:
    atomic { readers--; w = 0 }
}

proctype worker()
{
    byte w, s;
    bit done, early;
    mtype back = RECEIVE;
idle:
    atomic { w = 0; s = 0; done = 0; early = 0; back = RECEIVE }
end_idle:
    atomic {
        in_run_queue -> in_run_queue = 0;
        assert(!owned && !dead); /* [one_owner] */
        owned = 1;
resume:
        assert(saved && !freed); /* [resumed_when_saved] */
        saved = 0;
        if
        :: at == RECEIVE -> goto receive
        :: at == CALL -> goto call
        :: at == WOKEN -> goto woken
        fi
    }

receive: /* blocks; a cancellation point */
    atomic {
        at = RECEIVE;
        if
        :: sig -> back = RECEIVE; goto signals
        :: else
        fi
    }
received_signals:
    atomic {
        assert(head < tail && linked[head]); /* [the_token_is_in_the_mailbox] */
        if
        :: private_messages > 0 -> private_messages--; goto got
        :: else
        fi;
        if
        :: !consumed[head] ->
            consumed[head] = 1;
            if
            :: kind[head] == KILL -> goto die
            :: kind[head] == SIGNAL -> goto receive
            :: else
            fi;
#ifdef TAKE_BEFORE_HANDLING
            head++;
#endif
            goto got
        :: else
        fi
    }
    atomic {
        if
        :: tail - head > 1 && linked[head + 1] -> head++; goto receive
        :: tail - head > 1 && !linked[head + 1] -> goto yield
        :: tail - head == 1
        fi
    }
    atomic {
#ifndef PARK_BEFORE_SWITCH
        saved = 1; /* the switch: from here on the worker's own fiber */
#endif
        if
        :: tail - head == 1 -> head++; owned = 0; w = 0             /* LAST: given up */
        :: tail - head > 1 && linked[head + 1] -> head++; w = 1     /* MORE */
        :: tail - head > 1 && !linked[head + 1] -> w = 2            /* BUSY */
        fi
    }
#ifdef PARK_BEFORE_SWITCH
    saved = 1;
#endif
    atomic {
        if
        :: w == 0 -> goto idle
        :: w == 1 -> goto resume
        :: w == 2 -> goto requeue
        fi
    }

got:
    atomic { handled++; serial++; at = CALL }
call: /* a cancellation point */
    atomic {
        if
        :: sig -> back = CALL; goto signals
        :: else
        fi
    }
called_signals:
#ifdef NO_FENCE_PARK
    early = sig;
#endif
    atomic {
        at = WOKEN;
        s = serial;
#ifndef WAIT_BEFORE_SWITCH
        saved = 1;
#endif
#ifndef NO_READ_SECTION
        readers++;
#endif
        wait_word = WAITING(s);
        owned = 0
    }
#ifdef WAIT_BEFORE_SWITCH
    saved = 1;
#endif
#ifdef POST_READS_STACK
    s = serial;
#endif
    atomic { assert(!posted[s]); posted[s] = 1; requests!s } /* [posted_once] */

look_again: /* the actor may run elsewhere by now */
    atomic {
#ifndef NO_FENCE_PARK
        early = sig;
#endif
#ifdef NO_SIG_RECHECK
        early = 0;
#endif
        assert(!freed) /* [no_touch_of_the_freed] */
    }
    if
    :: early -> cas_and_schedule(WAITING(s), BUSY(s))
    :: else
    fi;
leave:
    atomic {
#ifndef NO_READ_SECTION
        readers--;
#endif
        goto idle
    }

woken:
    atomic {
        if
        :: wait_word == BUSY(serial)
        :: else -> goto answered
        fi
    }
    atomic {
        if
        :: sig -> back = WOKEN; goto signals
        :: else
        fi
    }
woken_signals:
    if
    :: passed[serial] ->
#ifdef TIMEOUT_WITHOUT_CAS
        atomic { assert(wait_word == BUSY(serial)); wait_word = 0; done = 1 } /* [no_reply_is_lost] */
#else
        atomic { cas(BUSY(serial), 0, done) }
#endif
        atomic {
            if
            :: done -> timed_out++; passed[serial] = 0; goto receive
            :: else -> goto answered
            fi
        }
    :: else
    fi;
#ifdef NO_FENCE_PARK
    early = sig;
#endif
    atomic {
        s = serial;
        saved = 1;
#ifndef NO_READ_SECTION
        readers++;
#endif
#ifdef PARK_AGAIN_WITHOUT_CAS
        wait_word = WAITING(s); owned = 0; done = 1
#else
        if
        :: wait_word == BUSY(s) -> wait_word = WAITING(s); owned = 0; done = 1
        :: else -> done = 0 /* a reply came */
        fi
#endif
    }
#ifndef NO_SIG_RECHECK_AGAIN
    if
    :: done -> goto look_again
    :: else
    fi;
#endif
    atomic {
#ifndef NO_READ_SECTION
        readers--;
#endif
        if
        :: done -> goto idle
        :: else -> goto resume
        fi
    }

answered:
    atomic {
        assert(wait_word == REPLY(serial)); /* by its own reply, and by nothing else */ /* [no_reply_is_lost] */
        wait_word = 0;
        passed[serial] = 0;
        replied++;
        goto receive
    }

signals: /* all but the last node go to the private list; signals act as they are met */
#ifndef SIG_CLEARED_LATE
    sig = 0;
#endif
scan:
    atomic {
        if
        :: !consumed[head] && kind[head] == KILL -> goto die
        :: !consumed[head] && kind[head] == SIGNAL -> consumed[head] = 1
        :: else
        fi;
        if
        :: tail - head > 1 && linked[head + 1] ->
            private_messages = private_messages + (1 - consumed[head]);
            head++;
            goto scan
        :: tail - head > 1 && !linked[head + 1] ->
#ifndef GAP_ENDS_SCAN
            sig = 1;
            goto yield
#endif
        :: tail - head == 1
        fi
    }
#ifdef SIG_CLEARED_LATE
    sig = 0;
#endif
    atomic {
        if
        :: back == RECEIVE -> goto received_signals
        :: back == CALL -> goto called_signals
        :: back == WOKEN -> goto woken_signals
        fi
    }

yield:
    saved = 1;
requeue:
    atomic { owned = 0; schedule(); goto idle }

die: /* the token is kept: nobody schedules it any more */
    dead = 1;
    atomic { wait_word = 0; private_messages = 0 }
    atomic {
        readers == 0; /* a grace period */
        freed = 1;
        goto idle
    }
}

init
{
    atomic {
        if
        :: run sender(MESSAGE); run sender(MESSAGE); run replier(); run timer()
        :: killing = 1; run sender(KILL); run sender(MESSAGE); run replier(); run timer()
        :: killing = 1; run sender(KILL); run sender(MESSAGE); run sender(MESSAGE) /* and nobody answers */
        :: killing = 1; run sender(KILL); run sender(MESSAGE); run sender(SIGNAL)
        fi;
        run worker();
        run worker()
    }
    timeout ->
    assert(!in_run_queue && readers == 0); /* [nothing_is_left_held] */
    if
    :: killing -> assert(dead && freed) /* [the_killed_dies] */
    :: else ->
        assert(!dead && !owned && head == tail && handled == CALLS && replied + timed_out == CALLS && wait_word == 0) /* [everything_ends] */
    fi
}
