// Workloads of synchronous calls, timers, and servers that wait: call, calls, callname, timers, idle, idlecpu,
// selective.
#include "peer.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

using namespace caf;

behavior server::make_behavior() {
  return {
    [=](add_atom, u64 number) {
      served_++;
      return number + 1;
    },
    [=](total_atom) { return served_; },
  };
}

namespace {

constexpr auto call_timeout = std::chrono::seconds{5};
constexpr auto server_name = atom("server");

u64 total_of(const run& r, const std::vector<actor>& servers) {
  u64 sum = 0;
  for (auto& one : servers)
    r.self->request(one, call_timeout, total_atom::value)
      .receive([&](u64 served) { sum += served; }, [](const error&) { fail("a server does not answer"); });
  return sum;
}

// Does n calls, each when the one before it is answered. Without a server it looks its name up at each.
class client : public event_based_actor {
public:
  client(actor_config& cfg, actor to, actor coordinator, u64 n)
    : event_based_actor(cfg), to_(std::move(to)), coordinator_(std::move(coordinator)), n_(n) {}

  behavior make_behavior() override {
    return {
      [=](go_atom) { call_next(); },
    };
  }

private:
  void call_next() {
    auto to = to_ ? to_ : system().registry().get<actor>(server_name);
    request(to, call_timeout, add_atom::value, calls_)
      .await(
        [=](u64 reply) {
          verify("reply", reply, ++calls_);
          if (calls_ < n_)
            call_next();
          else
            send(coordinator_, done_atom::value, calls_);
        },
        [](const error&) { fail("a call failed"); });
  }

  actor to_, coordinator_;
  u64 n_, calls_ = 0;
};

outcome run_calls(const run& r, u64 clients, u64 servers, u64 n, bool by_name) {
  std::vector<actor> to, from;
  for (u64 i = 0; i < servers; i++)
    to.push_back(r.system.spawn<server>());
  if (by_name)
    r.system.registry().put(server_name, to[0]);
  for (u64 i = 0; i < clients; i++)
    from.push_back(r.system.spawn<client>(by_name ? actor{} : to[i % servers], r.coordinator(), n));
  auto [replies, seconds] = r.timed(from, clients);
  verify("replies", replies, clients * n);
  verify("calls served", total_of(r, to), clients * n);
  return {clients * n, seconds};
}

// Sets timers, due uniformly over a second, that send their owner a message each.
class timer_owner : public event_based_actor {
public:
  timer_owner(actor_config& cfg, actor coordinator, u64 first, u64 step, u64 n)
    : event_based_actor(cfg), coordinator_(std::move(coordinator)), first_(first), step_(step), n_(n) {}

  behavior make_behavior() override {
    return {
      [=](go_atom) {
        for (u64 number = first_; number < n_; number += step_) {
          delayed_send(this, std::chrono::nanoseconds{number * 1000000000 / n_}, tick_atom::value, number);
          open_++;
        }
      },
      [=](tick_atom, u64 number) {
        sum_ += number;
        if (--open_ == 0)
          send(coordinator_, done_atom::value, sum_);
      },
    };
  }

private:
  actor coordinator_;
  u64 first_, step_, n_, open_ = 0, sum_ = 0;
};

double cpu_seconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  auto of = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

u64 resident_bytes() {
  unsigned long long size = 0, resident = 0;
  auto file = fopen("/proc/self/statm", "r");
  if (file == nullptr || fscanf(file, "%llu %llu", &size, &resident) != 2)
    fail("no /proc/self/statm");
  fclose(file);
  return resident * static_cast<u64>(sysconf(_SC_PAGESIZE));
}

// A server whose state is the number that it was started with.
class holder : public event_based_actor {
public:
  holder(actor_config& cfg, u64 number) : event_based_actor(cfg), number_(number) {}

  behavior make_behavior() override {
    return {
      [=](total_atom) { return number_; },
    };
  }

private:
  u64 number_;
};

// Starts holders and calls each once. The calls wait without limit: in CAF 0.17 a timeout stays with the system's clock
// until it is due, and that is no memory of an idle actor.
class starter : public event_based_actor {
public:
  starter(actor_config& cfg, actor coordinator, u64 n)
    : event_based_actor(cfg), coordinator_(std::move(coordinator)), n_(n) {
    holders_.reserve(n);
  }

  behavior make_behavior() override {
    return {
      [=](go_atom) { start_next(); },
    };
  }

private:
  void start_next() {
    holders_.push_back(spawn<holder>(static_cast<u64>(holders_.size())));
    request(holders_.back(), infinite, total_atom::value).await([=](u64 number) {
      sum_ += number;
      if (holders_.size() < n_)
        start_next();
      else
        send(coordinator_, done_atom::value, sum_);
    });
  }

  actor coordinator_;
  u64 n_, sum_ = 0;
  std::vector<actor> holders_; // a handle keeps its actor alive
};

// Has n messages in its mailbox when it makes its calls, with await: all else waits until the reply is there.
class busy_client : public event_based_actor {
public:
  busy_client(actor_config& cfg, actor to, actor coordinator, u64 n, u64 calls, double* seconds)
    : event_based_actor(cfg),
      to_(std::move(to)),
      coordinator_(std::move(coordinator)),
      n_(n),
      calls_(calls),
      seconds_(seconds) {}

  behavior make_behavior() override {
    return {
      [=](go_atom) {
        for (u64 i = 0; i < n_; i++)
          send(this, number_atom::value, i);
        start_ = wall_clock::now();
        call_next();
      },
      [=](number_atom, u64 number) {
        verify("calls before the first other message", made_, calls_);
        verify("order of the other messages", number, taken_);
        if (++taken_ == n_)
          send(coordinator_, done_atom::value, taken_);
      },
    };
  }

private:
  void call_next() {
    request(to_, call_timeout, add_atom::value, made_)
      .await(
        [=](u64 reply) {
          verify("reply", reply, ++made_);
          if (made_ < calls_)
            call_next();
          else
            *seconds_ = seconds_since(start_);
        },
        [](const error&) { fail("a call failed"); });
  }

  actor to_, coordinator_;
  u64 n_, calls_, made_ = 0, taken_ = 0;
  double* seconds_; // where the result goes, before the last report
  wall_clock::time_point start_;
};

} // namespace

outcome call(const run& r) { return run_calls(r, 1, 1, r["n"], false); }

outcome calls(const run& r) { return run_calls(r, r["c"], r["s"], r["n"], false); }

outcome callname(const run& r) { return run_calls(r, 1, 1, r["n"], true); }

outcome timers(const run& r) {
  constexpr u64 owners = 1000;
  auto n = r["n"];
  if (n < owners)
    fail("n must be at least 1000");
  std::vector<actor> all;
  for (u64 i = 0; i < owners; i++)
    all.push_back(r.system.spawn<timer_owner>(r.coordinator(), i, owners, n));
  auto before = cpu_seconds();
  auto [sum, wall] = r.timed(all, owners);
  auto seconds = cpu_seconds() - before;
  verify("sum of the timers' numbers", sum, n * (n - 1) / 2);
  if (wall < static_cast<double>(n - 1) / static_cast<double>(n))
    fail("the last timer was early");
  return {n, seconds, {{"wall_seconds", wall}}};
}

outcome idle(const run& r) {
  auto n = r["n"];
  auto from = r.system.spawn<starter>(r.coordinator(), n);
  auto before = resident_bytes();
  auto [sum, seconds] = r.timed({from}, 1);
  auto after = resident_bytes();
  verify("sum of the answers", sum, n * (n - 1) / 2);
  if (r.system.registry().running() < n)
    fail("not all servers are alive");
  return {n, seconds, {{"bytes_per_actor", static_cast<double>(after - before) / static_cast<double>(n)}}};
}

// The CPU time that n idle servers, each of which has answered one call, cost while they wait.
outcome idlecpu(const run& r) {
  auto n = r["n"];
  auto from = r.system.spawn<starter>(r.coordinator(), n);
  verify("sum of the answers", r.timed({from}, 1).first, n * (n - 1) / 2);
  std::this_thread::sleep_for(std::chrono::seconds(1)); // what the start leaves behind is cleared away meanwhile
  auto before = cpu_seconds();
  auto start = wall_clock::now();
  std::this_thread::sleep_for(std::chrono::seconds(r["seconds"]));
  auto cpu = cpu_seconds() - before;
  auto wall = seconds_since(start);
  if (r.system.registry().running() < n)
    fail("not all servers are alive");
  return {n, wall, {{"cpu_seconds", cpu}, {"cpu_percent", 100 * cpu / wall}}};
}

outcome selective(const run& r) {
  constexpr u64 count = 1000;
  double seconds = 0;
  auto from = r.system.spawn<busy_client>(r.system.spawn<server>(), r.coordinator(), r["n"], count, &seconds);
  auto [taken, all] = r.timed({from}, 1);
  verify("other messages", taken, r["n"]);
  if (seconds > all)
    fail("the calls took longer than all of it");
  return {count, seconds};
}
