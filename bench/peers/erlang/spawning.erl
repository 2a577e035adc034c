%% Actors that are started by the million.
-module(spawning).

-export([spawn_many/1, spawn_chain/1, skynet/1]).
-import(kit, [result/2, timed/1, verify/2, sum_to/1, report/2, sum_of_reports/1, receive_sum/2]).

%% For actors that may be sent messages much faster than they take them: OTP's documented setting for that case.
-define(EXPECTS_LONG_QUEUE, {message_queue_data, off_heap}).

%%% ---------------------------------------------------------------------------------------------------------------
%%% spawn, spawnchain, skynet

spawn_many(#{n := N}) ->
    Coordinator = self(),
    Collector = spawn_opt(fun() -> report(Coordinator, receive_sum(N, 0)) end, [link, ?EXPECTS_LONG_QUEUE]),
    {Sum, Seconds} = timed(fun() -> spawn_short_lived(N, Collector), sum_of_reports(1) end),
    verify(sum_to(N), Sum),
    result(N, Seconds).

spawn_short_lived(0, _Collector) ->
    ok;
spawn_short_lived(N, Collector) ->
    Actor = spawn(fun() -> receive {number, Number} -> Collector ! {number, Number} end end),
    Actor ! {number, N},
    spawn_short_lived(N - 1, Collector).

spawn_chain(#{n := N}) ->
    Coordinator = self(),
    {Count, Seconds} = timed(fun() ->
        spawn(fun() -> chain_actor(N, Coordinator) end) ! {count, 1},
        sum_of_reports(1)
    end),
    verify(N, Count),
    result(N, Seconds).

chain_actor(N, Coordinator) ->
    receive
        {count, N}     -> report(Coordinator, N);
        {count, Count} -> spawn(fun() -> chain_actor(N, Coordinator) end) ! {count, Count + 1}
    end.

skynet(#{leaves := Leaves}) ->
    Actors = skynet_actors(Leaves),
    {Sum, Seconds} = timed(fun() -> skynet_child(self(), 0, Leaves), receive_sum(1, 0) end),
    verify(sum_to(Leaves - 1), Sum),
    result(Actors, Seconds).

skynet_actors(1)                               -> 1;
skynet_actors(Leaves) when Leaves rem 10 =:= 0 -> 1 + 10 * skynet_actors(Leaves div 10).

skynet_child(Parent, FirstNumber, Leaves) ->
    spawn(fun() -> skynet_actor(Parent, FirstNumber, Leaves) end).

skynet_actor(Parent, FirstNumber, 1) ->
    Parent ! {number, FirstNumber};
skynet_actor(Parent, FirstNumber, Leaves) ->
    Share = Leaves div 10,
    [skynet_child(self(), FirstNumber + Child * Share, Share) || Child <- lists:seq(0, 9)],
    Parent ! {number, receive_sum(10, 0)}.
