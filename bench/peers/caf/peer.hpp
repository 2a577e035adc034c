// The CAF peer of the actor workloads in ../SPEC.md: what its parts share. Written for CAF 0.17, as Debian packages it.
//
// Every actor is a class derived from event_based_actor on the default work-stealing scheduler. A workload runs in the
// program's main thread, which is an actor of the system too (a scoped_actor): it spawns the actors, tells them to go,
// waits for their reports, and verifies what they add up to.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <caf/all.hpp>

using u64 = uint64_t;
using wall_clock = std::chrono::steady_clock;
using board = std::vector<int32_t>;

using go_atom = caf::atom_constant<caf::atom("go")>;
using ping_atom = caf::atom_constant<caf::atom("ping")>;
using pong_atom = caf::atom_constant<caf::atom("pong")>;
using next_atom = caf::atom_constant<caf::atom("next")>;
using token_atom = caf::atom_constant<caf::atom("token")>;
using add_atom = caf::atom_constant<caf::atom("add")>;
using total_atom = caf::atom_constant<caf::atom("total")>;
using number_atom = caf::atom_constant<caf::atom("number")>;
using done_atom = caf::atom_constant<caf::atom("done")>;
using tick_atom = caf::atom_constant<caf::atom("tick")>;
using work_atom = caf::atom_constant<caf::atom("work")>;
using found_atom = caf::atom_constant<caf::atom("found")>;
using meet_atom = caf::atom_constant<caf::atom("meet")>;
using change_atom = caf::atom_constant<caf::atom("change")>;
using home_atom = caf::atom_constant<caf::atom("home")>;

// Ends the program with a complaint.
[[noreturn]] void fail(const std::string& why);
void verify(const char* what, u64 got, u64 want);

double seconds_since(wall_clock::time_point start);

// A workload's parameters: its defaults, and what the command line says instead.
using parameters = std::vector<std::pair<std::string, u64>>;

// What a workload hands back; extra are further fields of the result.
struct outcome {
  u64 ops = 0;
  double seconds = 0;
  std::vector<std::pair<std::string, double>> extra = {};
};

// A run: what a workload gets.
struct run {
  caf::actor_system& system;
  caf::scoped_actor& self;
  const parameters& given;

  u64 operator[](const char* name) const;
  caf::actor coordinator() const;
  // Waits for so many reports (done_atom, number) and adds them up.
  u64 reports(u64 count = 1) const;
  // Tells them all to go, waits for as many reports as `count`; the sum, and the seconds that it took.
  std::pair<u64, double> timed(const std::vector<caf::actor>& actors, u64 count) const;
};

// An actor that takes so many numbers and reports their sum (messages.cpp).
caf::actor start_adder(const run& r, u64 count);

// A server that counts the calls which it answers (servers.cpp): (add_atom, x) gives x + 1, (total_atom) the count.
class server : public caf::event_based_actor {
public:
  using caf::event_based_actor::event_based_actor;
  caf::behavior make_behavior() override;

private:
  u64 served_ = 0;
};

outcome pingpong(const run& r);
outcome pairs(const run& r);
outcome ring(const run& r);
outcome rings(const run& r);
outcome counting(const run& r);
outcome fanin(const run& r);
outcome spawn_many(const run& r);
outcome spawn_chain(const run& r);
outcome skynet(const run& r);
outcome big(const run& r);
outcome chameneos(const run& r);
outcome call(const run& r);
outcome calls(const run& r);
outcome callname(const run& r);
outcome timers(const run& r);
outcome idle(const run& r);
outcome idlecpu(const run& r);
outcome restart(const run& r);
outcome hog(const run& r);
outcome selective(const run& r);
outcome nqueens(const run& r);
