"""The workloads that are taken apart: how large a run of each tool is, and which functions an operation begins with."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    operation: str
    cuts: tuple  # functions; from an entry to one of them to the next entry is one window of the trace
    traced: dict  # parameters of the run that is traced
    small: dict  # and of the two that are counted, whose difference is the cost; None: the trace is counted
    large: dict
    timed: dict  # of a short run, for the time

    def words(self, size):
        return [f"{key}={value}" for key, value in getattr(self, size).items()] + ["workers=1"]


def row(name, operation, cuts, parameter, traced, small, large, timed, **others):
    sizes = [None if size is None else {**others, parameter: size} for size in (traced, small, large, timed)]
    return Row(name, operation, tuple(cuts.split()), *sizes)


ROWS = (
    row("pingpong", "message", "ping_handle pong_handle", "n", 1500, 20000, 60000, 100000),
    row("ring", "hop", "node_handle", "n", 3000, 20000, 60000, 300000, a=503),
    row("pairs", "message", "ping_handle pong_handle", "n", 50, 1000, 3000, 5000, p=32),
    row("rings", "hop", "node_handle", "n", 1000, 5000, 15000, 50000, r=4, a=101),
    row("counting", "message", "tr_send counter_handle", "n", 4000, 50000, 150000, 500000),
    row("cast", "cast", "tr_cast counter_cast", "n", 4000, 50000, 150000, 500000),
    row("fanin", "message", "tr_send adder_handle", "n", 2000, 12500, 37500, 100000, s=4),
    row("call", "call", "tr_call", "n", 2000, 10000, 30000, 100000),
    row("callname", "call", "tr_call", "n", 2000, 10000, 30000, 100000),
    row("calls", "call", "tr_call counter_call", "n", 200, 1000, 3000, 10000, c=10, s=10),
    row("selective", "call", "tr_call", "n", 2000, None, None, 20000),
    row("big", "message", "big_handle", "n", 100, 500, 1500, 1000, a=20),
    row("chameneos", "meeting", "mall_handle creature_handle", "n", 1000, 5000, 15000, 50000, a=20),
    row("spawn", "actor", "tr_spawn_actor short_lived_start adder_handle", "n", 1500, 10000, 30000, 100000),
    row("spawnchain", "actor", "chain_handle", "n", 1500, 10000, 30000, 100000),
    row("skynet", "actor", "leaf inner_start inner_handle", "leaves", 1000, 1000, 10000, 100000),
    row("timers", "timer", "tr_send_after owner_handle", "n", 3000, 20000, 60000, 500000),
    row("restart", "restart", "tr_exit_signal", "n", 300, 1000, 3000, 5000),
)
