%% Actors that compute.
-module(cpu).

-export([hog/1, nqueens/1]).
-import(kit, [result/2, result/3, timed/1, verify/2]).

%%% ---------------------------------------------------------------------------------------------------------------
%%% hog

hog(#{hogs := Hogs, n := N}) ->
    Ponger = spawn_link(fun() -> messages:ponger(0) end),
    [spawn_link(fun() -> spin(0) end) || _ <- lists:seq(1, Hogs)],
    {Trips, Seconds} = timed(fun() -> trips(N, Ponger, erlang:monotonic_time(millisecond) + 1) end),
    Ponger ! {stop, self()},
    receive {served, Served} -> verify(N, Served) end,
    {Latencies, Lates} = lists:unzip(Trips),
    result(N, Seconds, percentiles(Latencies, p50_us, p99_us, max_us) ++
                       percentiles(Lates, late_p50_us, late_p99_us, late_max_us)).

spin(Turns) -> spin(Turns + 1).

%% Of each round trip: its time from the send, and how late the tick for it was, both in microseconds. A tick is due a
%% millisecond after the one before it was, or after the round trip if that took longer.
trips(0, _Ponger, _Due) ->
    [];
trips(N, Ponger, Due) ->
    erlang:send_after(Due, self(), tick, [{abs, true}]),
    receive tick -> ok end,
    Late = erlang:monotonic_time(nanosecond) - Due * 1000000,
    {ok, Seconds} = timed(fun() -> messages:round_trip(Ponger) end),
    Next = max(Due, erlang:monotonic_time(millisecond)) + 1,
    [{Seconds * 1.0e6, Late / 1.0e3} | trips(N - 1, Ponger, Next)].

percentiles(Times, Half, Most, All) ->
    Sorted = lists:sort(Times),
    [{Half, percentile(50, Sorted)}, {Most, percentile(99, Sorted)}, {All, lists:last(Sorted)}].

percentile(Percent, Sorted) -> lists:nth(max(1, ceil(length(Sorted) * Percent / 100)), Sorted).

%%% ---------------------------------------------------------------------------------------------------------------
%%% nqueens

nqueens(#{size := Size, workers := Workers}) ->
    Expected = known_solutions(Size),
    Master = self(),
    {Solutions, Seconds} = timed(fun() ->
        Pool = [spawn_link(fun() -> queens_worker(Size, Master) end) || _ <- lists:seq(1, Workers * 4)],
        Master ! {work, []},
        queens_master(list_to_tuple(Pool), 0, 0, 0)
    end),
    verify(Expected, Solutions),
    result(1, Seconds).

known_solutions(Size) -> element(Size, {1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14200, 73712, 365596}).

%% Hands the boards out to the workers in turn, until each board sent is done.
queens_master(Pool, Sent, Done, Solutions) ->
    receive
        {work, Board} ->
            element(1 + Sent rem tuple_size(Pool), Pool) ! {work, Board},
            queens_master(Pool, Sent + 1, Done, Solutions);
        solution ->
            queens_master(Pool, Sent, Done, Solutions + 1);
        done when Done + 1 =:= Sent ->
            Solutions;
        done ->
            queens_master(Pool, Sent, Done + 1, Solutions)
    end.

%% A board is the columns of the queens placed so far, last row first.  Short of the cutoff depth a worker sends the
%% board's extensions back to the master as new work; from there on it finds the solutions itself, and sends each.
queens_worker(Size, Master) ->
    CutoffDepth = min(4, Size),
    receive
        {work, Board} when length(Board) < CutoffDepth ->
            [Master ! {work, Extended} || Extended <- extended_boards(Size, Board)];
        {work, Board} ->
            solve(Size, length(Board), Board, Master)
    end,
    Master ! done,
    queens_worker(Size, Master).

solve(Size, Size, _Board, Master) ->
    Master ! solution;
solve(Size, Depth, Board, Master) ->
    [solve(Size, Depth + 1, Extended, Master) || Extended <- extended_boards(Size, Board)].

extended_boards(Size, Board) ->
    [[Column | Board] || Column <- lists:seq(1, Size), is_safe(Column, 1, Board)].

is_safe(_Column, _Distance, []) ->
    true;
is_safe(Column, Distance, [Queen | Others]) ->
    Queen =/= Column andalso abs(Queen - Column) =/= Distance andalso is_safe(Column, Distance + 1, Others).
