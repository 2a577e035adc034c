%% What the workloads share. A workload runs in a process of its own, the "coordinator": it starts its actors, measures,
%% verifies, and returns a result/2 or result/3. Actors are linked to the coordinator, so that a crash in any of them
%% fails the run; only the workloads that measure spawning itself use a bare spawn.
-module(kit).

-export([result/2, result/3, timed/1, verify/2, sum_to/1, repeat/2]).
-export([start_all/1, wait_for_go/0, report/2, sum_of_reports/1, receive_sum/2]).

result(Ops, Seconds) -> result(Ops, Seconds, []).
result(Ops, Seconds, Extras) -> {Ops, Seconds, Extras}.

timed(Work) ->
    Start = erlang:monotonic_time(nanosecond),
    Value = Work(),
    {Value, (erlang:monotonic_time(nanosecond) - Start) / 1.0e9}.

verify(Expected, Expected) -> ok;
verify(Expected, Actual)   -> error({wrong_result, [{expected, Expected}, {actual, Actual}]}).

sum_to(N) -> N * (N + 1) div 2.

repeat(0, _Action) -> ok;
repeat(N, Action)  -> Action(), repeat(N - 1, Action).

%% Actors that the coordinator sets up wait for `go`, and report one number when they are done.
start_all(Actors) -> [Actor ! go || Actor <- Actors].

wait_for_go() -> receive go -> ok end.

report(Coordinator, Number) -> Coordinator ! {report, Number}.

sum_of_reports(0) -> 0;
sum_of_reports(N) -> receive {report, Number} -> Number + sum_of_reports(N - 1) end.

%% The sum of so many numbers.
receive_sum(0, Sum)     -> Sum;
receive_sum(Count, Sum) -> receive {number, Number} -> receive_sum(Count - 1, Sum + Number) end.
