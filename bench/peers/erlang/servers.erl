%% Workloads of gen_servers and of a supervisor.
-module(servers).
-behaviour(gen_server).

-export([call/1, calls/1, callname/1, cast/1, timers/1, idle/1, idlecpu/1, restart/1, selective/1]).
-export([init/1, handle_continue/2, handle_call/3, handle_cast/2]).
-import(kit, [result/2, result/3, timed/1, verify/2, sum_to/1, repeat/2, start_all/1, wait_for_go/0, report/2,
              sum_of_reports/1, receive_sum/2]).

%% For actors that may be sent messages much faster than they take them: OTP's documented setting for that case.
-define(EXPECTS_LONG_QUEUE, {message_queue_data, off_heap}).

-define(PAGE_BYTES, 4096).          % unit of /proc/self/statm
-define(CPU_TICKS_PER_SECOND, 100). % unit of /proc/self/stat

%%% ---------------------------------------------------------------------------------------------------------------
%%% The gen_server used by call, calls, callname, cast, idle, idlecpu, restart and selective: its state is one counter.
%%% init/1 is also the callback of the supervisor in `restart`.

init({counter, Count}) ->
    {ok, Count};
init({announced_counter, Listener}) ->
    {ok, 0, {continue, {announce, Listener}}};
init({supervisor, Intensity, ChildSpec}) ->
    {ok, {#{strategy => one_for_one, intensity => Intensity, period => 1}, [ChildSpec]}}.

%% Runs once init is acknowledged, so the supervisor knows this child before the listener can kill it.
handle_continue({announce, Listener}, Count) ->
    Listener ! {registered, self()},
    {noreply, Count}.

handle_call(increment, _From, Count) -> {reply, Count + 1, Count + 1};
handle_call(total, _From, Count)     -> {reply, Count, Count}.

handle_cast(increment, Count) -> {noreply, Count + 1}.

start_counter_server(Count) ->
    {ok, Server} = gen_server:start_link(?MODULE, {counter, Count}, []),
    Server.

%%% ---------------------------------------------------------------------------------------------------------------
%%% call, calls, callname, cast

call(#{n := N}) ->
    increment_by_calls(start_counter_server(0), N).

callname(#{n := N}) ->
    {ok, _} = gen_server:start_link({local, counter_server}, ?MODULE, {counter, 0}, []),
    increment_by_calls(counter_server, N).

increment_by_calls(Server, N) ->
    {_, Seconds} = timed(fun() -> repeat(N, fun() -> gen_server:call(Server, increment) end) end),
    verify(N, gen_server:call(Server, total)),
    result(N, Seconds).

calls(#{c := C, s := S, n := N}) ->
    Coordinator = self(),
    Servers = list_to_tuple([start_counter_server(0) || _ <- lists:seq(1, S)]),
    Clients = [spawn_link(fun() ->
                   wait_for_go(),
                   Server = element(1 + Client rem S, Servers),
                   repeat(N, fun() -> gen_server:call(Server, increment) end),
                   report(Coordinator, N)
               end) || Client <- lists:seq(1, C)],
    {_, Seconds} = timed(fun() -> start_all(Clients), sum_of_reports(C) end),
    verify(C * N, lists:sum([gen_server:call(Server, total) || Server <- tuple_to_list(Servers)])),
    result(C * N, Seconds).

cast(#{n := N}) ->
    {ok, Server} = gen_server:start_link(?MODULE, {counter, 0}, [{spawn_opt, [?EXPECTS_LONG_QUEUE]}]),
    {Total, Seconds} = timed(fun() ->
        repeat(N, fun() -> gen_server:cast(Server, increment) end),
        gen_server:call(Server, total, infinity) % the backlog may take longer than the default timeout
    end),
    verify(N, Total),
    result(N, Seconds).

%%% ---------------------------------------------------------------------------------------------------------------
%%% timers

timers(#{n := N}) ->
    Owners = 1000,
    Coordinator = self(),
    Actors = [spawn_link(fun() ->
                  wait_for_go(),
                  report(Coordinator, receive_sum(start_timers(Owner, Owners, N, 0), 0))
              end) || Owner <- lists:seq(1, Owners)],
    CpuBefore = cpu_seconds(),
    start_all(Actors),
    Sum = sum_of_reports(Owners),
    CpuAfter = cpu_seconds(),
    verify(sum_to(N), Sum),
    result(N, CpuAfter - CpuBefore).

%% Of the timers 1..N, starts each Owners-th one from Number on; returns how many.  Timer K is due after K/N seconds.
start_timers(Number, _Owners, N, Started) when Number > N ->
    Started;
start_timers(Number, Owners, N, Started) ->
    erlang:send_after(Number * 1000 div N, self(), {number, Number}),
    start_timers(Number + Owners, Owners, N, Started + 1).

%% User and system time of this operating system process: fields 14 and 15, counted past the "(name)" of field 2.
cpu_seconds() ->
    {ok, Stat} = file:read_file("/proc/self/stat"),
    [_, AfterName] = string:split(Stat, ") ", trailing),
    Fields = string:lexemes(AfterName, " "),
    (binary_to_integer(lists:nth(12, Fields)) + binary_to_integer(lists:nth(13, Fields))) / ?CPU_TICKS_PER_SECOND.

%%% ---------------------------------------------------------------------------------------------------------------
%%% idle

idle(#{n := N}) ->
    ResidentBefore = resident_bytes(),
    {Sum, Seconds} = timed(fun() -> start_idle_servers(N, 0) end),
    ResidentAfter = resident_bytes(),
    verify(sum_to(N), Sum),
    verify(true, erlang:system_info(process_count) > N),
    result(N, Seconds, [{bytes_per_actor, (ResidentAfter - ResidentBefore) / N}]).

start_idle_servers(0, Sum) ->
    Sum;
start_idle_servers(N, Sum) ->
    {ok, Server} = gen_server:start(?MODULE, {counter, N}, []), % neither linked nor named
    start_idle_servers(N - 1, Sum + gen_server:call(Server, total)).

%% The CPU time that idle servers, each of which has answered one call, cost while they wait.
idlecpu(#{n := N, seconds := Wanted}) ->
    {Sum, _} = timed(fun() -> start_idle_servers(N, 0) end),
    verify(sum_to(N), Sum),
    erlang:garbage_collect(),
    timer:sleep(1000), % what the start leaves behind is cleared away meanwhile
    Before = cpu_nanoseconds(),
    {ok, Seconds} = timed(fun() -> timer:sleep(Wanted * 1000) end),
    Cpu = (cpu_nanoseconds() - Before) / 1.0e9,
    verify(true, erlang:system_info(process_count) > N),
    result(N, Seconds, [{cpu_seconds, Cpu}, {cpu_percent, 100 * Cpu / Seconds}]).

%% Of all threads, finer than the ticks of cpu_seconds/0: the first field of each one's schedstat.
cpu_nanoseconds() ->
    {ok, Threads} = file:list_dir("/proc/self/task"),
    lists:sum([cpu_nanoseconds(Thread) || Thread <- Threads]).

cpu_nanoseconds(Thread) ->
    {ok, Schedstat} = file:read_file(["/proc/self/task/", Thread, "/schedstat"]),
    binary_to_integer(hd(string:lexemes(Schedstat, " "))).

resident_bytes() ->
    {ok, Statm} = file:read_file("/proc/self/statm"),
    binary_to_integer(lists:nth(2, string:lexemes(Statm, " "))) * ?PAGE_BYTES.

%%% ---------------------------------------------------------------------------------------------------------------
%%% restart

restart(#{n := N}) ->
    StartChild = {gen_server, start_link, [{local, restarted_child}, ?MODULE, {announced_counter, self()}, []]},
    ChildSpec = #{id => restarted_child, start => StartChild, restart => permanent},
    {ok, Supervisor} = supervisor:start_link(?MODULE, {supervisor, N, ChildSpec}),
    FirstChild = wait_for_registered_child(),
    {LastChild, Seconds} = timed(fun() -> kill_child_times(N, FirstChild) end),
    verify([{restarted_child, LastChild, worker, [gen_server]}], supervisor:which_children(Supervisor)),
    result(N, Seconds).

kill_child_times(0, Child) ->
    Child;
kill_child_times(N, Child) ->
    exit(Child, kill),
    NewChild = wait_for_registered_child(),
    verify(true, NewChild =/= Child),
    kill_child_times(N - 1, NewChild).

wait_for_registered_child() ->
    receive
        {registered, Child} -> verify(Child, whereis(restarted_child)), Child
    end.

%%% ---------------------------------------------------------------------------------------------------------------
%%% selective

selective(#{n := N}) ->
    Coordinator = self(),
    Server = start_counter_server(0),
    Client = spawn_opt(fun() -> Coordinator ! {self(), call_past_unmatched(N, Server)} end,
                       [link, ?EXPECTS_LONG_QUEUE]),
    receive {Client, Result} -> Result end.

call_past_unmatched(N, Server) ->
    Calls = 1000,
    repeat(N, fun() -> self() ! unmatched end),
    {_, Seconds} = timed(fun() -> repeat(Calls, fun() -> gen_server:call(Server, increment) end) end),
    verify(Calls, gen_server:call(Server, total)),
    verify({message_queue_len, N}, process_info(self(), message_queue_len)),
    result(Calls, Seconds).
