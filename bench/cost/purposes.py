"""What an instruction is for: by the innermost function that stands there and has a purpose of its own; small helpers
count for whoever they were inlined into. What the tables do not know fails the run if it has more than UNKNOWN_MOST of
an operation: whoever adds a file to the runtime says here what it is for."""
import collections
import pathlib
import re

from . import program

UNKNOWN_MOST = 0.02

WORKLOAD = "workload"
PUBLIC = "public function"
FIND = "pid and read section"
ALLOCATE = "allocate"
HEADER = "header and copy"
ENQUEUE = "enqueue"
WAKE = "wake decision"
LOOP = "loop and next task"
TURN = "turn"
TAKE = "peek and take"
FREE = "free"
WAIT = "wait and reply"
SWITCH = "fiber switch"
TIMERS = "timers"
START = "start"
END = "end"
RELATIONS = "relations and names"
RECORD = "recorder and clock"
LIBRARY = "C library"
PURPOSES = (
    ALLOCATE,
    HEADER,
    ENQUEUE,
    WAKE,
    LOOP,
    TURN,
    TAKE,
    FREE,
    PUBLIC,
    FIND,
    WAIT,
    SWITCH,
    TIMERS,
    START,
    END,
    RELATIONS,
    RECORD,
    LIBRARY,
    WORKLOAD,
)

HELPERS = re.compile(r"(atomics|wfcqueue|compiler|check|random)\.h")
HELPING = ("context_self", "worker_self", "worker_here", "context_table", "actor_of_task", "actor_here", "actor_pid_of")

FUNCTIONS = {  # those whose file is not what they are for
    PUBLIC: r"runtime_enter\w*|runtime_leave\w*|api_enter|api_leave|signal_pending|actor_check_\w+|tr_(tag|sender|body|"
    r"size|expect|kind_of|from_of|self|data|must|assert\w*|same)|actor_self|actor_pid|mailbound_\w+",
    FIND: r"slots_(find|at)|slot_index|actor_find|actor_resolve|read_\w+|find_server",
    ALLOCATE: r"pool_alloc\w*|carve|pool_bin_of",
    FREE: r"pool_free\w*|slab_of|reclaim_\w+",
    HEADER: r"message_\w+",
    ENQUEUE: r"mailbox_put|mailbox_init\w*|deliver_to",
    TAKE: r"mailbox_(peek|take|is_first|next)\w*",
    WAKE: r"schedule\w*|worker_accept|park_wake\w*|ring_(push|init)",
    SWITCH: r"worker_(block|block_on|resume|reset|enter_large)|fiber_\w+",
    RECORD: r"context_count|count_up|context_sum|scheduler_clock",
    TIMERS: r"scheduler_(wheel|timer_earlier|expire|next_due)",
    START: r"slots_(take|publish|refill)|refill|handler_started|run_start|run_entry|entry_begin|new_actor",
    END: r"slots_clear|give_back|free_word|word_generation|take_stop|actor_(die|stop|exit)|call_fail\w*",
    RELATIONS: r"notice_\w+|actor_lock\w*|actor_unlock\w*|actor_try_lock",
    TURN: r"worker_is_overdue|apply_disposition|call_is_request|actor_note_worker|actor_is_suspended",
}
FILES = {
    PUBLIC: "send process actor",
    FIND: "slots reclaim urcu-memb urcu-common",
    ALLOCATE: "pool depot source large shadow",
    HEADER: "message",
    ENQUEUE: "mailbox",
    LOOP: "worker ring idle park steal scheduler inject overflow task poller watchdog cores blocking",
    TURN: "entry handler turn inbox receive query system_message",
    WAIT: "call answer request wait foreign",
    SWITCH: "fiber fiber_switch_x86_64 fiber_switch_aarch64 fiber_ucontext stack",
    TIMERS: "wheel timer",
    START: "spawn start",
    END: "end stop ledger report reason log fault fault_code dictionary",
    RELATIONS: "signal relation link names rculfhash",
    RECORD: "trace clock tick context",
}
BY_FUNCTION = [(purpose, re.compile(pattern)) for purpose, pattern in FUNCTIONS.items()]
BY_FILE = {file: purpose for purpose, files in FILES.items() for file in files.split()}
OBJECTS = (  # of other libraries, whatever their functions are called
    (re.compile(r"liburcu-cds"), RELATIONS),
    (re.compile(r"liburcu"), FIND),
    (re.compile(r"lib(c|m|gcc_s|pthread)\W|ld-linux|valgrind|^\?+$"), LIBRARY),
)


def of_frame(name, path):
    """The purpose of one function, or None: a helper, or unknown."""
    file = pathlib.PurePath(path)
    tops = [part for part in file.parts if part in ("runtime", "behaviours", "bench")]
    if tops and tops[-1] != "runtime":
        return WORKLOAD
    if name in HELPING or HELPERS.fullmatch(file.name):
        return None
    for purpose, pattern in BY_FUNCTION:
        if pattern.fullmatch(name):
            return purpose
    return BY_FILE.get(file.stem)


def of_instruction(where, frames):
    for pattern, purpose in OBJECTS:
        if pattern.search(where):
            return purpose
    return next((purpose for purpose in (of_frame(*frame) for frame in frames) if purpose), None)


def split(costs):
    """purpose -> instructions of an operation; and (function, file) -> instructions of what is unknown"""
    by_object = collections.defaultdict(list)
    for where, address in costs:
        by_object[where].append(address)
    found, unknown = collections.Counter(), collections.Counter()
    for where, addresses in by_object.items():
        frames = program.frames(where, addresses)
        for address in addresses:
            purpose = of_instruction(where, frames[address])
            if purpose is None:
                unknown[frames[address][0]] += costs[where, address][0]
            else:
                found[purpose] += costs[where, address][0]
    return found, unknown


def refuse_unknown(workload, unknown, total):
    """All that is unknown may not have more than that much, either."""
    if sum(unknown.values()) > UNKNOWN_MOST * total:
        words = ", ".join(f"{name} ({path}): {cost / total:.1%}" for (name, path), cost in unknown.most_common(10))
        raise SystemExit(f"where: {workload}: what is this for? Say it in bench/cost/purposes.py: {words}")
