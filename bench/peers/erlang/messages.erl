%% Messages between actors that live as long as the run.
-module(messages).

-export([pingpong/1, pairs/1, ring/1, rings/1, counting/1, fanin/1, big/1, chameneos/1, ponger/1, round_trip/1]).
-import(kit, [result/2, timed/1, verify/2, sum_to/1, repeat/2, start_all/1, wait_for_go/0, report/2,
              sum_of_reports/1, receive_sum/2]).

%% For actors that may be sent messages much faster than they take them: OTP's documented setting for that case.
-define(EXPECTS_LONG_QUEUE, {message_queue_data, off_heap}).

%%% ---------------------------------------------------------------------------------------------------------------
%%% pingpong, pairs

pingpong(#{n := N}) -> ping_pong_pairs(1, N).

pairs(#{p := P, n := N}) -> ping_pong_pairs(P, N).

ping_pong_pairs(P, N) ->
    Pingers = [start_pair(N, self()) || _ <- lists:seq(1, P)],
    {Served, Seconds} = timed(fun() -> start_all(Pingers), sum_of_reports(P) end),
    verify(P * N, Served),
    result(2 * P * N, Seconds).

start_pair(N, Coordinator) ->
    Ponger = spawn_link(fun() -> ponger(0) end),
    spawn_link(fun() ->
        wait_for_go(),
        repeat(N, fun() -> round_trip(Ponger) end),
        Ponger ! {stop, self()},
        receive {served, Served} -> report(Coordinator, Served) end
    end).

round_trip(Ponger) ->
    Ponger ! {ping, self()},
    receive pong -> ok end.

ponger(Served) ->
    receive
        {ping, Pinger} -> Pinger ! pong, ponger(Served + 1);
        {stop, Pinger} -> Pinger ! {served, Served}
    end.

%%% ---------------------------------------------------------------------------------------------------------------
%%% ring, rings

ring(#{a := A, n := N}) -> rings_of(1, A, N).

rings(#{r := R, a := A, n := N}) -> rings_of(R, A, N).

%% Each ring reports the index of the node where its token's last hop ended.
rings_of(R, A, N) ->
    Entries = [start_ring(A, self()) || _ <- lists:seq(1, R)],
    {LastNodes, Seconds} =
        timed(fun() -> [Entry ! {token, N} || Entry <- Entries], sum_of_reports(R) end),
    verify(R * (N rem A), LastNodes),
    result(R * N, Seconds).

start_ring(A, Coordinator) ->
    Nodes = [Entry | Others] =
        [spawn_link(fun() -> ring_node(Index, Coordinator) end) || Index <- lists:seq(0, A - 1)],
    [Node ! {next, Next} || {Node, Next} <- lists:zip(Nodes, Others ++ [Entry])],
    Entry.

ring_node(Index, Coordinator) ->
    receive {next, Next} -> ring_node(Index, Coordinator, Next) end.

ring_node(Index, Coordinator, Next) ->
    receive
        {token, 0}        -> report(Coordinator, Index);
        {token, HopsLeft} -> Next ! {token, HopsLeft - 1}, ring_node(Index, Coordinator, Next)
    end.

%%% ---------------------------------------------------------------------------------------------------------------
%%% counting, fanin

counting(#{n := N}) ->
    Counter = spawn_opt(fun() -> counter(0) end, [link, ?EXPECTS_LONG_QUEUE]),
    {Total, Seconds} = timed(fun() ->
        repeat(N, fun() -> Counter ! increment end),
        Counter ! {total, self()},
        receive {total, Total} -> Total end
    end),
    verify(N, Total),
    result(N, Seconds).

counter(Count) ->
    receive
        increment     -> counter(Count + 1);
        {total, From} -> From ! {total, Count}
    end.

fanin(#{s := S, n := N}) ->
    Coordinator = self(),
    Receiver = spawn_opt(fun() -> report(Coordinator, receive_sum(S * N, 0)) end, [link, ?EXPECTS_LONG_QUEUE]),
    Senders = [spawn_link(fun() -> wait_for_go(), send_numbers(N, Receiver) end) || _ <- lists:seq(1, S)],
    {Sum, Seconds} = timed(fun() -> start_all(Senders), sum_of_reports(1) end),
    verify(S * sum_to(N), Sum),
    result(S * N, Seconds).

send_numbers(0, _Receiver) -> ok;
send_numbers(N, Receiver)  -> Receiver ! {number, N}, send_numbers(N - 1, Receiver).

%%% ---------------------------------------------------------------------------------------------------------------
%%% big

big(#{a := A, n := N}) ->
    Coordinator = self(),
    Actors = [spawn_link(fun() -> big_actor(Index, N, Coordinator) end) || Index <- lists:seq(1, A)],
    {Pongs, Seconds} = timed(fun() ->
        Neighbours = list_to_tuple(Actors),
        [Actor ! {neighbours, Neighbours} || Actor <- Actors],
        sum_of_reports(A)
    end),
    [Actor ! stop || Actor <- Actors],
    PingsServed = sum_of_reports(A),
    verify(A * N, Pongs),
    verify(A * N, PingsServed),
    result(2 * A * N, Seconds).

big_actor(Index, N, Coordinator) ->
    receive
        {neighbours, Neighbours} ->
            ServedMeanwhile = ping_neighbours(N, Index, Neighbours, _Seed = Index, 0),
            report(Coordinator, N),
            ServedAfter = answer_pings_until_stop(0),
            report(Coordinator, ServedMeanwhile + ServedAfter)
    end.

ping_neighbours(0, _Index, _Neighbours, _Seed, Served) ->
    Served;
ping_neighbours(N, Index, Neighbours, Seed, Served) ->
    NextSeed = savina_random(Seed),
    Target = element(other_than(Index, NextSeed, tuple_size(Neighbours)), Neighbours),
    Target ! {ping, self()},
    ping_neighbours(N - 1, Index, Neighbours, NextSeed, Served + answer_pings_until_pong(Target, 0)).

answer_pings_until_pong(Target, Served) ->
    receive
        {ping, From}   -> From ! {pong, self()}, answer_pings_until_pong(Target, Served + 1);
        {pong, Target} -> Served
    end.

answer_pings_until_stop(Served) ->
    receive
        {ping, From} -> From ! {pong, self()}, answer_pings_until_stop(Served + 1);
        stop         -> Served
    end.

savina_random(Seed) -> (Seed * 1309 + 13849) band 65535.

%% One of 1..Count, never Index.
other_than(Index, Random, Count) ->
    case 1 + Random rem (Count - 1) of
        Choice when Choice < Index -> Choice;
        Choice                     -> Choice + 1
    end.

%%% ---------------------------------------------------------------------------------------------------------------
%%% chameneos

chameneos(#{a := A, n := N}) ->
    Coordinator = self(),
    {Meetings, Seconds} = timed(fun() ->
        Mall = spawn_link(fun() -> mall(N, nobody, A, Coordinator) end),
        [spawn_link(fun() -> enter_mall(Mall, colour(Index), 0) end) || Index <- lists:seq(1, A)],
        sum_of_reports(A)
    end),
    verify(2 * N, Meetings),
    result(N, Seconds).

%% Pairs up the creatures that come in; after the last meeting sends each one home and passes on its count.
mall(0, nobody, 0, _Coordinator) ->
    ok;
mall(MeetingsLeft, Waiting, CreaturesLeft, Coordinator) ->
    receive
        {meet, _Colour, Creature} when MeetingsLeft =:= 0 ->
            Creature ! go_home,
            mall(0, nobody, CreaturesLeft, Coordinator);
        {meet, _Colour, Creature} when Waiting =:= nobody ->
            mall(MeetingsLeft, Creature, CreaturesLeft, Coordinator);
        {meet, _Colour, _Creature} = Meet ->
            Waiting ! Meet,
            mall(MeetingsLeft - 1, nobody, CreaturesLeft, Coordinator);
        {meetings, Count} ->
            report(Coordinator, Count),
            mall(MeetingsLeft, Waiting, CreaturesLeft - 1, Coordinator)
    end.

enter_mall(Mall, Colour, Meetings) ->
    Mall ! {meet, Colour, self()},
    receive
        {meet, OtherColour, Other} ->
            NewColour = complement(Colour, OtherColour),
            Other ! {change, NewColour},
            enter_mall(Mall, NewColour, Meetings + 1);
        {change, NewColour} ->
            enter_mall(Mall, NewColour, Meetings + 1);
        go_home ->
            Mall ! {meetings, Meetings}
    end.

colour(Index) -> element(1 + Index rem 3, {blue, red, yellow}).

complement(Same, Same)   -> Same;
complement(blue, red)    -> yellow;
complement(blue, yellow) -> red;
complement(red, blue)    -> yellow;
complement(red, yellow)  -> blue;
complement(yellow, blue) -> red;
complement(yellow, red)  -> blue.
