%% Actor workloads of ../SPEC.md on Erlang/OTP: the command line. (Not named `peer`: OTP 25 has a module of that name.)
-module(actor_peer).

-export([main/0]).

workloads() ->
    #{pingpong    => {fun messages:pingpong/1,      [{n, 1000000}]},
      pairs       => {fun messages:pairs/1,         [{p, 32}, {n, 100000}]},
      ring        => {fun messages:ring/1,          [{a, 503}, {n, 5000000}]},
      rings       => {fun messages:rings/1,         [{r, 16}, {a, 503}, {n, 500000}]},
      counting    => {fun messages:counting/1,      [{n, 5000000}]},
      fanin       => {fun messages:fanin/1,         [{s, 100}, {n, 50000}]},
      spawn       => {fun spawning:spawn_many/1,    [{n, 1000000}]},
      spawnchain  => {fun spawning:spawn_chain/1,   [{n, 1000000}]},
      skynet      => {fun spawning:skynet/1,        [{leaves, 1000000}]},
      big         => {fun messages:big/1,           [{a, 120}, {n, 20000}]},
      chameneos   => {fun messages:chameneos/1,     [{a, 100}, {n, 400000}]},
      call        => {fun servers:call/1,           [{n, 500000}]},
      calls       => {fun servers:calls/1,          [{c, 64}, {s, 64}, {n, 20000}]},
      callname    => {fun servers:callname/1,       [{n, 500000}]},
      cast        => {fun servers:cast/1,           [{n, 3000000}]},
      timers      => {fun servers:timers/1,         [{n, 500000}]},
      idle        => {fun servers:idle/1,           [{n, 1000000}]},
      idlecpu     => {fun servers:idlecpu/1,        [{n, 100000}, {seconds, 10}]},
      restart     => {fun servers:restart/1,        [{n, 20000}]},
      hog         => {fun cpu:hog/1,                [{hogs, 4}, {n, 2000}]},
      selective   => {fun servers:selective/1,      [{n, 20000}]},
      nqueens     => {fun cpu:nqueens/1,            [{size, 12}]}}.

main() ->
    case init:get_plain_arguments() of
        [Name | Settings] ->
            case [Found || {Key, Found} <- maps:to_list(workloads()), atom_to_list(Key) =:= Name] of
                [{Workload, Defaults}] -> run(Name, Workload, parameters(Defaults, Settings));
                []                     -> stop(3, standard_io, "{\"unsupported\":true}~n", [])
            end;
        [] ->
            stop(2, standard_error, "usage: run WORKLOAD [key=value ...]~n", [])
    end.

run(Name, Workload, Parameters) ->
    Main = self(),
    {Coordinator, Monitor} =
        spawn_monitor(fun() -> Main ! {done, self(), Workload(maps:from_list(Parameters))} end),
    receive
        {done, Coordinator, Result} ->
            stop(0, standard_io, "~s~n", [json_line(Name, Parameters, Result)]);
        {'DOWN', Monitor, process, Coordinator, Reason} ->
            stop(1, standard_error, "~s failed: ~p~n", [Name, Reason])
    end.

stop(ExitStatus, Device, Format, Arguments) ->
    io:format(Device, Format, Arguments),
    halt(ExitStatus).

%% The defaults with the command line's settings in place; `workers` is what +S gave the VM.
parameters(Defaults, Settings) ->
    Known = Defaults ++ [{workers, erlang:system_info(schedulers_online)}],
    Given = [parameter(Setting, Known) || Setting <- Settings],
    [{Key, proplists:get_value(Key, Given, Default)} || {Key, Default} <- Known].

parameter(Setting, Known) ->
    try
        [Name, Value] = string:split(Setting, "="),
        Key = list_to_existing_atom(Name),
        true = proplists:is_defined(Key, Known),
        {Key, list_to_integer(Value)}
    catch
        error:_ -> stop(2, standard_error, "bad parameter: ~s~n", [Setting])
    end.

json_line(Name, Parameters, {Ops, Seconds, Extras}) ->
    json_object([{peer, "erlang"}, {version, otp_version()}, {workload, Name}, {params, {Parameters}},
                 {ops, Ops}, {seconds, Seconds} | Extras]).

json_object(Fields) ->
    ["{", lists:join(",", [[$", atom_to_list(Key), "\":", json_value(Value)] || {Key, Value} <- Fields]), "}"].

json_value({Fields})                     -> json_object(Fields);
json_value(Value) when is_integer(Value) -> integer_to_list(Value);
json_value(Value) when is_float(Value)   -> float_to_list(Value, [{decimals, 6}, compact]);
json_value(Value)                        -> [$", Value, $"].

otp_version() ->
    Release = erlang:system_info(otp_release),
    {ok, Version} = file:read_file(filename:join([code:root_dir(), "releases", Release, "OTP_VERSION"])),
    string:trim(Version).
