#!/usr/bin/env escript
%% otp.escript N ROUNDS: what `troupe bench restart` does, with OTP's supervisor and gen_server: a child is killed and is there again
%% under its name, N times under each of ROUNDS supervisors. No report is made. Prints one JSON line.
-mode(compile).

-export([main/1, init/1, handle_continue/2, handle_call/3, handle_cast/2]).

init({supervisor, N, Coordinator}) ->
    Child = #{id => child, start => {gen_server, start_link, [{local, 'restarted child'}, ?MODULE, {child, Coordinator}, []]}},
    {ok, {#{strategy => one_for_one, intensity => N + 1, period => 1}, [Child]}};
init({child, Coordinator}) ->
    {ok, Coordinator, {continue, announce}}.

%% Runs once the supervisor knows of the child, as in Troupe's.
handle_continue(announce, Coordinator) ->
    Coordinator ! {registered, self()},
    {noreply, Coordinator}.

handle_call(_Request, _From, State) -> {noreply, State}.
handle_cast(_Message, State) -> {noreply, State}.

registered_child() ->
    receive {registered, Pid} -> Pid = whereis('restarted child'), Pid end.

kill(_Last, 0) -> ok;
kill(Last, N) ->
    exit(Last, kill),
    Next = registered_child(),
    true = Next =/= Last,
    kill(Next, N - 1).

one_round(N) ->
    {ok, Supervisor} = supervisor:start_link(?MODULE, {supervisor, N, self()}),
    First = registered_child(),
    Start = erlang:monotonic_time(nanosecond),
    kill(First, N),
    Took = erlang:monotonic_time(nanosecond) - Start,
    [{child, _, worker, _}] = supervisor:which_children(Supervisor),
    unlink(Supervisor),
    exit(Supervisor, shutdown),
    Monitor = monitor(process, Supervisor),
    receive {'DOWN', Monitor, _, _, _} -> ok end,
    Took.

main([NText, RoundsText]) ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    N = list_to_integer(NText),
    Rounds = list_to_integer(RoundsText),
    Took = lists:sum([one_round(N) || _ <- lists:seq(1, Rounds)]),
    io:format("{\"peer\":\"otp\",\"version\":\"~s\",\"workload\":\"restart\",\"ops\":~b,\"seconds\":~.6f}~n",
              [erlang:system_info(otp_release), N * Rounds, Took / 1.0e9]).
