%% differential.erl: the scenarios of a file, run in Erlang/OTP: what every process saw and how it ended, and how often.
%%
%%     erl -noshell -s differential main FILE RUNS SEED
%%
%% Runs of one scenario go beside each other, with delays from the seed before the commands. A run is over when three
%% looks in a row found that nobody did anything in between: each look asks every process, which answers behind the
%% signals that it has.
-module(differential).
-export([main/1, start_pooled/4, init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-define(FAR_MS, 3600000).

main([File, Runs, Seed]) ->
    logger:set_primary_config(level, none),
    ets:new(seen, [public, named_table, {write_concurrency, true}]),
    {ok, Text} = file:read_file(atom_to_list(File)),
    Scenarios = parse(string:split(binary_to_list(Text), "\n", all), []),
    [run_scenario(S, list_to_integer(atom_to_list(Runs)), list_to_integer(atom_to_list(Seed))) || S <- Scenarios],
    halt(0).

%% ---- reading: {Name, [{Process, Kind, Body}]}

parse([], Done) -> lists:reverse([{Name, lists:reverse(Ps)} || {Name, Ps} <- Done]);
parse([Line | Lines], Done) ->
    case string:lexemes(Line, " \t\r") of
        ["scenario", Name] -> parse(Lines, [{Name, []} | Done]);
        [[_, _, $:] = First | _] ->
            [{Name, Ps} | Rest] = Done,
            Process = list_to_atom(lists:droplast(First)),
            Body = [string:lexemes(Op, " ") || Op <- string:lexemes(string:trim(lists:nthtail(3, Line)), ";"),
                                              string:trim(Op) =/= ""],
            parse(Lines, [{Name, [{Process, kind(hd(First)), Body} | Ps]} | Rest]);
        _ -> parse(Lines, Done)
    end.

kind($p) -> script;
kind($d) -> spawned;
kind($v) -> server;
kind($s) -> sup.

%% ---- many runs

run_scenario({Name, Processes}, Runs, Seed) ->
    Counts = batches(Processes, 1, Runs, Seed, #{}),
    io:format("scenario ~s~n", [Name]),
    [io:format("outcome ~b ~s~n", [Count, Outcome]) || {Outcome, Count} <- lists:sort(maps:to_list(Counts))].

batches(_, From, Runs, _, Counts) when From > Runs -> Counts;
batches(Processes, From, Runs, Seed, Counts) ->
    To = min(From + 39, Runs),
    Pids = [spawn_monitor(fun() -> exit({outcome, run(Processes, Run - From, Seed * 100000 + Run)}) end)
            || Run <- lists:seq(From, To)],
    More = lists:foldl(fun({Pid, Ref}, Map) ->
                           receive
                               {'DOWN', Ref, process, Pid, {outcome, Outcome}} ->
                                   maps:update_with(Outcome, fun(N) -> N + 1 end, 1, Map);
                               {'DOWN', Ref, process, Pid, Reason} ->
                                   io:format("a run failed: ~p~n", [Reason]),
                                   halt(1)
                           end
                       end, Counts, Pids),
    batches(Processes, To + 1, Runs, Seed, More).

%% ---- one run

-record(run, {id, slot, seed, indexes, counts, processes}).

run(Processes, Slot, Seed) ->
    process_flag(trap_exit, true),
    Names = [P || {P, _, _} <- Processes],
    Run = #run{id = make_ref(), slot = integer_to_list(Slot), seed = Seed, processes = Processes,
               indexes = maps:from_list(lists:zip(Names, lists:seq(1, length(Names)))),
               counts = atomics:new(2 * length(Names) + 1, [])},
    Started = [{P, start(Run, P, Kind, Body)} || {P, Kind, Body} <- Processes, Kind =/= spawned],
    Refs = [{P, Pid, erlang:monitor(process, Pid)} || {P, Pid} <- Started],
    [known(Run, P, Pid) || {P, Pid} <- Started],
    erlang:yield(), % until then a monitor may be kept back, and find its process gone
    [Pid ! {go, maps:from_list(Started)} || {P, Pid} <- Started, hd(atom_to_list(P)) =:= $p],
    settle(Run, none, 0),
    Ends = [{P, end_of(Pid, Ref)} || {P, Pid, Ref} <- Refs],
    Parts = [part(Run, P, Kind, Ends) || {P, Kind, _} <- Processes],
    clean(Run),
    lists:flatten(lists:join(" | ", Parts)).

start(Run, P, script, Ops) ->
    spawn(fun() -> receive {go, Env} -> script(Run, P, Ops, Env) end end);
start(Run, P, server, [Words]) ->
    {ok, Pid} = gen_server:start(?MODULE, {server, Run, P, "", lists:member("trap", Words)}, []),
    Pid;
start(Run, P, sup, Body) ->
    {ok, Pid} = supervisor:start_link(?MODULE, {sup, Run, P, Body}),
    Pid.

known(#run{id = Id}, P, Pid) -> ets:insert(seen, [{{Id, pid, P}, Pid}, {{Id, name, Pid}, P}]).

pid_of(#run{id = Id}, P) ->
    case ets:lookup(seen, {Id, pid, P}) of
        [{_, Pid}] -> Pid;
        [] -> none
    end.

name_of(#run{id = Id}, Pid) ->
    case ets:lookup(seen, {Id, name, Pid}) of
        [{_, P}] -> atom_to_list(P);
        [] -> "child"
    end.

end_of(Pid, Ref) ->
    case is_process_alive(Pid) of
        true -> "...";
        false -> receive {'DOWN', Ref, process, _, Reason} -> "!" ++ reason(Reason) end
    end.

part(Run = #run{id = Id, indexes = Indexes, counts = Counts}, P, Kind, Ends) ->
    Seen = [element(2, hd(ets:lookup(seen, {Id, P, N})))
            || N <- lists:seq(1, atomics:get(Counts, 1 + maps:get(P, Indexes))), ets:member(seen, {Id, P, N})],
    Pid = pid_of(Run, P),
    End = case Kind of
              spawned when Pid =:= none -> "!";
              spawned -> case is_process_alive(Pid) of true -> "..."; false -> "!" end;
              _ -> proplists:get_value(P, Ends)
          end,
    lists:join(" ", [atom_to_list(P)] ++ Seen ++ [End]).

%% Everything ends, and its names are free.
clean(Run = #run{id = Id}) ->
    Pids = [Pid || [Pid] <- ets:match(seen, {{Id, pid, '_'}, '$1'})],
    Names = [Name || Name <- names(Run)],
    [exit(Pid, kill) || Pid <- Pids],
    [await_free(Name) || Name <- Names],
    ets:match_delete(seen, {{Id, '_'}, '_'}),
    ets:match_delete(seen, {{Id, '_', '_'}, '_'}).

names(Run = #run{processes = Processes}) ->
    [name(Run, hd(Child)) || {_, sup, [_ | Children]} <- Processes, Child <- Children] ++
    lists:usort([name(Run, Name) || {_, Kind, Ops} <- Processes, Kind =:= script orelse Kind =:= spawned,
                                    [Op | Words] <- Ops, Name <- named(Op, Words)]).

named("register", [Name | _]) -> [Name];
named("start", [_, Name | _]) -> [Name];
named("add", [_, Name | _]) -> [Name];
named(_, _) -> [].

await_free(Name) ->
    case whereis(Name) of
        undefined -> ok;
        Pid -> exit(Pid, kill), erlang:yield(), await_free(Name)
    end.

%% ---- has it come to rest?

settle(_, _, 3) -> ok;
settle(Run, Last, Same) ->
    case look(Run) of
        busy -> timer:sleep(1), settle(Run, none, 0);
        Last -> timer:sleep(1), settle(Run, Last, Same + 1);
        Look -> timer:sleep(1), settle(Run, Look, 0)
    end.

look(Run = #run{id = Id, indexes = Indexes, counts = Counts, processes = Processes}) ->
    Pids = [{P, Pid} || [P, Pid] <- ets:match(seen, {{Id, pid, '$1'}, '$2'})],
    Before = total(Counts),
    Alive = [{P, process_info(Pid, [status, message_queue_len])} || {P, Pid} <- lists:sort(Pids)],
    Servers = [catch gen_server:call(Server, look)
               || Server <- [pid_of(Run, P) || {P, server, _} <- Processes] ++ names(Run), is_server(Server, Processes)],
    Sups = [{P, catch supervisor:count_children(pid_of(Run, P))} || {P, sup, _} <- Processes],
    Busy = [P || {P, Info} <- Alive, Info =/= undefined, is_script(P),
                 Info =:= undefined orelse proplists:get_value(status, Info) =/= waiting orelse
                     atomics:get(Counts, 1 + map_size(Indexes) + maps:get(P, Indexes)) =:= 0],
    Timers = [T || [T] <- ets:match(seen, {{Id, timer, '$1'}, '_'}), erlang:read_timer(T) =/= false],
    case {Busy, Timers, total(Counts)} of
        {[], [], Before} -> {Before, Alive, length(Servers), [S || {_, S} <- Sups, is_list(S)]};
        _ -> busy
    end.

%% A name may be that of a script.
is_server(Pid, _) when is_pid(Pid) -> true;
is_server(Name, Processes) ->
    [Id | _] = string:lexemes(atom_to_list(Name), "_"),
    lists:any(fun({_, sup, [_ | Children]}) -> lists:any(fun(Child) -> hd(Child) =:= Id end, Children);
                 ({_, Kind, Ops}) when Kind =:= script; Kind =:= spawned ->
                     lists:any(fun([Op, _, Child | _]) -> (Op =:= "start" orelse Op =:= "add") andalso Child =:= Id;
                                  (_) -> false end, Ops);
                 (_) -> false
              end, Processes).

is_script(P) -> lists:member(hd(atom_to_list(P)), "pd").

total(Counts) -> lists:sum([atomics:get(Counts, I) || I <- lists:seq(1, maps:get(size, atomics:info(Counts)))]).

%% ---- what is seen

see(#run{id = Id, indexes = Indexes, counts = Counts}, P, Text) ->
    N = atomics:add_get(Counts, 1 + maps:get(P, Indexes), 1),
    ets:insert(seen, {{Id, P, N}, lists:flatten(Text)}).

step(#run{counts = Counts}) -> atomics:add(Counts, 1, 1).

%% Says whether a script does nothing but wait, without a timeout.
waits(#run{indexes = Indexes, counts = Counts}, P, On) ->
    atomics:put(Counts, 1 + map_size(Indexes) + maps:get(P, Indexes), On).

reason(R) when is_atom(R) -> atom_to_list(R);
reason({R, _}) -> reason(R);
reason(R) -> lists:flatten(io_lib:format("~0p", [R])).

%% ---- scripts

script(Run, P, Ops, Env) ->
    rand:seed(exsss, {Run#run.seed, maps:get(P, Run#run.indexes), 77}),
    put(style, Run#run.seed rem 4),
    known(Run, P, self()),
    lists:foldl(fun([Op | Words], E) ->
                    delay(),
                    step(Run),
                    case command(list_to_atom(Op), Words, Run, P, E) of
                        {env, New} -> New;
                        {see, Text} -> see(Run, P, Text), E;
                        _ -> E
                    end
                end, Env#{P => self()}, Ops),
    delay(),
    step(Run).

%% Some runs go straight on, some yield or compute for a while, some sleep.
delay() ->
    case {get(style), rand:uniform(3)} of
        {0, _} -> ok;
        {3, 1} -> timer:sleep(rand:uniform(4));
        {_, 1} -> [erlang:yield() || _ <- lists:seq(1, rand:uniform(6))];
        {_, 2} -> spin(rand:uniform(3000));
        _ -> ok
    end.

spin(0) -> ok;
spin(N) -> spin(N - 1).

%% A pid, a registered name, or none.
to("self", _, _) -> self();
to([$@ | Name], Run, _) -> whereis(name(Run, Name));
to(P, _, Env) -> maps:get(list_to_atom(P), Env).

name(#run{slot = Slot}, Name) -> list_to_atom(Name ++ "_" ++ Slot).

bool(B) -> {see, atom_to_list(B)}.

caught(F) ->
    try F() of _ -> {see, "ok"}
    catch error:badarg -> {see, "badarg"};
          error:noproc -> {see, "noproc"}
    end.

command(spawn, [Child | Words], Run, _, Env) ->
    C = list_to_atom(Child),
    Options = [link || lists:member("link", Words)] ++ [monitor || lists:member("monitor", Words)],
    {_, _, Ops} = lists:keyfind(C, 1, Run#run.processes),
    case spawn_opt(fun() -> script(Run, C, Ops, Env) end, Options) of
        {Pid, Ref} -> put({ref, lists:last(Words)}, Ref), put({name, Ref}, lists:last(Words));
        Pid -> ok
    end,
    known(Run, C, Pid),
    {env, Env#{C => Pid}};
command(exit, [R], _, _, _) -> exit(list_to_atom(R));
command(trap, [On], _, _, _) -> process_flag(trap_exit, On =:= "on");
command(signal, [To, R], Run, _, Env) ->
    case to(To, Run, Env) of
        undefined -> {see, "nobody"};
        Pid -> exit(Pid, list_to_atom(R)), named_ok(To)
    end;
command(link, [To], Run, _, Env) -> caught(fun() -> link(to(To, Run, Env)) end);
command(unlink, [To], Run, _, Env) -> unlink(to(To, Run, Env));
command(monitor, [To, M | Mode], Run, _, Env) ->
    Item = case To of [$@ | Name] -> name(Run, Name); _ -> to(To, Run, Env) end,
    Ref = case Mode of
              [] -> erlang:monitor(process, Item);
              ["explicit"] -> erlang:monitor(process, Item, [{alias, explicit_unalias}]);
              ["demonitor"] -> erlang:monitor(process, Item, [{alias, demonitor}]);
              ["reply"] -> erlang:monitor(process, Item, [{alias, reply_demonitor}])
          end,
    put({ref, M}, Ref), put({name, Ref}, M);
command(demonitor, [M | Flush], _, _, _) ->
    Active = erlang:demonitor(get({ref, M}), [info]),
    [receive {'DOWN', Ref, process, _, _} -> ok after 0 -> ok end || Ref <- [get({ref, M})], Flush =/= [], not Active],
    bool(Active);
command(alias, [A], _, _, _) -> put({ref, A}, alias());
command(unalias, [A], _, _, _) -> bool(unalias(get({ref, A})));
command(send, [[$@ | Name], W | Ref], Run, _, _) -> caught(fun() -> name(Run, Name) ! {w, W, ref(Ref)} end);
command(send, [To, W | Ref], Run, _, Env) -> to(To, Run, Env) ! {w, W, ref(Ref)};
command(reply, [W], _, _, _) ->
    case get(last) of undefined -> ok; Ref -> Ref ! {w, W, undefined} end;
command(recv, [Pattern | T], Run, P, _) -> waited(Run, P, T, fun(Ms) -> recv(Run, Pattern, Ms) end);
command(register, [Name, To], Run, _, Env) -> caught(fun() -> register(name(Run, Name), to(To, Run, Env)) end);
command(unregister, [Name], Run, _, _) -> caught(fun() -> unregister(name(Run, Name)) end);
command(whereis, [Name], Run, _, _) ->
    {see, case whereis(name(Run, Name)) of undefined -> "undefined"; Pid -> name_of(Run, Pid) end};
command(alive, [To], Run, _, Env) -> bool(is_process_alive(to(To, Run, Env)));
command(timer, [T, Ms, To, W], Run, _, Env) ->
    Dest = case To of [$@ | Name] -> name(Run, Name); _ -> to(To, Run, Env) end,
    Ref = erlang:send_after(milliseconds(Ms), Dest, {w, W, undefined}),
    [ets:insert(seen, {{Run#run.id, timer, Ref}, T}) || Ms =/= "far"],
    put({ref, T}, Ref);
command(cancel, [T], _, _, _) -> left(erlang:cancel_timer(get({ref, T})));
command(read, [T], _, _, _) -> left(erlang:read_timer(get({ref, T})));
command(call, [To, Request | T], Run, P, Env) ->
    waited(Run, P, T, fun(Ms) -> call(fun() -> gen_server:call(dest(To, Run, Env), Request, Ms) end) end);
command(cast, [To, Request], Run, _, Env) -> gen_server:cast(dest(To, Run, Env), Request);
command(start, [S | Child], Run, P, Env) ->
    asked(Run, P, fun() -> supervisor:start_child(to(S, Run, Env), spec(Run, list_to_atom(S), Child)) end);
command(add, [S, Name], Run, P, Env) -> asked(Run, P, fun() -> supervisor:start_child(to(S, Run, Env), [Name]) end);
command(drop, [S, Name], Run, P, Env) ->
    case whereis(name(Run, Name)) of
        undefined -> {see, "nobody"};
        Pid -> asked(Run, P, fun() -> supervisor:terminate_child(to(S, Run, Env), Pid) end)
    end;
command(terminate, [S, Name], Run, P, Env) -> asked(Run, P, fun() -> supervisor:terminate_child(to(S, Run, Env), Name) end);
command(delete, [S, Name], Run, P, Env) -> asked(Run, P, fun() -> supervisor:delete_child(to(S, Run, Env), Name) end);
command(restart, [S, Name], Run, P, Env) -> asked(Run, P, fun() -> supervisor:restart_child(to(S, Run, Env), Name) end);
command(which, [S], Run, P, Env) -> asked(Run, P, fun() -> {which, supervisor:which_children(to(S, Run, Env))} end).

named_ok([$@ | _]) -> {see, "ok"};
named_ok(_) -> ok.

ref([]) -> undefined;
ref([Name]) -> get({ref, Name}).

milliseconds("far") -> ?FAR_MS;
milliseconds(Ms) -> list_to_integer(Ms).

left(false) -> {see, "false"};
left(_) -> {see, "left"}.

waited(Run, P, [], F) ->
    waits(Run, P, 1),
    Text = F(infinity),
    waits(Run, P, 0),
    step(Run),
    {see, Text};
waited(_, _, [T], F) -> {see, F(list_to_integer(T))}.

%% OTP's receive whose time is over does not look again: if its scheduler was late, so that a timeout and a message came
%% at once, it may end by the one with the other in its mailbox. That depends on the machine alone, and Troupe's looks
%% again; so does this.
recv(Run, Pattern, T) ->
    receive
        {w, W, Ref} when Pattern =:= "any"; Pattern =:= W -> put(last, Ref), W;
        {'EXIT', Pid, R} when Pattern =:= "any"; Pattern =:= "EXIT" -> ["EXIT(", name_of(Run, Pid), ",", reason(R), ")"];
        {'DOWN', Ref, process, _, R} when Pattern =:= "any"; Pattern =:= "DOWN" ->
            ["DOWN(", get({name, Ref}), ",", reason(R), ")"]
    after T ->
        case T of
            0 -> "timeout";
            _ -> recv(Run, Pattern, 0)
        end
    end.

dest([$@ | Name], Run, _) -> name(Run, Name);
dest(To, Run, Env) -> to(To, Run, Env).

call(F) ->
    try F() catch exit:{R, _} -> ["fail(", reason(R), ")"] end.

asked(Run, P, F) -> waited(Run, P, [], fun(_) -> answer(F) end).

answer(F) ->
    try F() of
        ok -> "ok";
        {ok, _} -> "ok";
        {which, [{undefined, _, _, _} | _] = Children} ->
            ["which(", lists:join(",", lists:sort([shown(Pid) || {_, Pid, _, _} <- Children])), ")"];
        {which, Children} -> ["which(", lists:join(",", [[shown(Pid), Id] || {Id, Pid, _, _} <- Children]), ")"];
        {error, {already_started, _}} -> "already_started";
        {error, R} when R =:= already_present; R =:= running; R =:= restarting; R =:= not_found -> atom_to_list(R);
        {error, R} -> ["error(", reason(R), ")"]
    catch exit:{R, _} -> ["fail(", reason(R), ")"]
    end.

shown(undefined) -> "-";
shown(restarting) -> "?";
shown(_) -> "+".

%% ---- servers and supervisors

%% What stands behind "key=", or the default.
option(Key, Words, Default) ->
    case [lists:nthtail(length(Key) + 1, Word) || Word <- Words, lists:prefix(Key ++ "=", Word)] of
        [Value] -> Value;
        [] -> Default
    end.

shutdown(Options) ->
    case option("shutdown", Options, "5000") of
        "kill" -> brutal_kill;
        "infinity" -> infinity;
        Ms -> list_to_integer(Ms)
    end.

spec(Run, S, [Name, Restart | Options]) ->
    #{id => Name, restart => list_to_atom(Restart), shutdown => shutdown(Options),
      significant => lists:member("significant", Options),
      start => {gen_server, start_link, [{local, name(Run, Name)}, ?MODULE, {child, Run, S, Name, Options}, []]}}.

%% Children of simple_one_for_one register themselves.
template(Run, S, [_, _ | Options] = Line) -> (spec(Run, S, Line))#{start => {?MODULE, start_pooled, [Run, S, Options]}}.

start_pooled(Run, S, Options, Name) -> gen_server:start_link(?MODULE, {pooled, Run, S, Name, Options}, []).

init({sup, Run, S, [["sup", Strategy, Intensity | Options] | Children]}) ->
    Auto = #{"never" => never, "any" => any_significant, "all" => all_significant},
    {ok, {#{strategy => list_to_atom(Strategy), intensity => list_to_integer(Intensity), period => 3600,
            auto_shutdown => maps:get(option("auto", Options, "never"), Auto)},
          case Strategy of
              "simple_one_for_one" -> [template(Run, S, Child) || Child <- Children];
              _ -> [spec(Run, S, Child) || Child <- Children]
          end}};
init({server, Run, P, "", Trap}) ->
    begin_server(Run, Trap),
    {ok, {Run, P, "", []}};
init({pooled, Run, P, Name, Options}) ->
    register(name(Run, Name), self()),
    case init({child, Run, P, Name, Options}) of
        {ok, State} -> {ok, State};
        Other -> unregister(name(Run, Name)), Other
    end;
init({child, Run, P, Name, Options}) ->
    begin_server(Run, lists:member("trap", Options)),
    put(stuck, lists:member("stuck", Options)),
    delay(),
    see(Run, P, "+" ++ Name),
    delay(),
    Turns = option("init", Options, "o"),
    case lists:nth(min(length(Turns), ets:update_counter(seen, {Run#run.id, starts, Name}, 1, {key, 0})), Turns) of
        $o -> {ok, {Run, P, Name, []}};
        $x -> {stop, r1};
        $c -> [unregister(name(Run, Name)) || whereis(name(Run, Name)) =:= self()], exit(r2);
        $i -> ignore
    end.

begin_server(Run, Trap) ->
    process_flag(trap_exit, Trap),
    rand:seed(exsss, {Run#run.seed, erlang:unique_integer([positive]), 78}),
    put(style, Run#run.seed rem 4).

note({Run, P, "", _}, Text) -> see(Run, P, Text);
note({Run, P, Name, _}, Text) -> see(Run, P, [Name, ":", Text]).

handle_call(look, _, State) -> {reply, ok, State};
handle_call(Request, From, State) -> delay(), note(State, Request), request(string:lexemes(Request, ":"), [From], State).
handle_cast(Request, State) -> delay(), note(State, Request), request(string:lexemes(Request, ":"), [], State).

handle_info({'EXIT', Pid, R}, State) ->
    note(State, ["EXIT(", name_of(element(1, State), Pid), ",", reason(R), ")"]),
    {noreply, State};
handle_info({w, W, _}, State) -> note(State, W), {noreply, State};
handle_info(_, State) -> {noreply, State}.

request(["ping"], Clients, State) -> reply(Clients, "ping"), {noreply, State};
request(["hold"], Clients, {Run, P, Name, Held}) -> {noreply, {Run, P, Name, Held ++ Clients}};
request(["release"], Clients, {Run, P, Name, Held}) ->
    reply(Held, "late"),
    reply(Clients, "release"),
    {noreply, {Run, P, Name, []}};
request(["stop", R], _, State) -> {stop, list_to_atom(R), State};
request(["die", R], _, _) -> exit(list_to_atom(R));
request(["stopr", R], [_], State) -> {stop, list_to_atom(R), "stopr", State};
request(["stopr", R], [], State) -> {stop, list_to_atom(R), State}.

reply(Clients, Text) -> [gen_server:reply(Client, Text) || Client <- Clients].

terminate(_, State) when element(3, State) =:= none -> ok;
terminate(R, State) ->
    note(State, ["end(", reason(R), ")"]),
    case get(stuck) of
        true when R =:= shutdown -> receive never -> ok end;
        _ -> ok
    end.
