// Workloads that only pass messages between a few actors: pingpong, pairs, ring, rings, counting, cast, fanin.
#include "peer.hpp"

using namespace caf;

namespace {

class pong : public event_based_actor {
public:
  using event_based_actor::event_based_actor;

  behavior make_behavior() override {
    return {
      [](ping_atom, u64 trip) { return std::make_tuple(pong_atom::value, trip + 1); },
    };
  }
};

class ping : public event_based_actor {
public:
  ping(actor_config& cfg, actor other, actor coordinator, u64 n)
    : event_based_actor(cfg), other_(std::move(other)), coordinator_(std::move(coordinator)), n_(n) {}

  behavior make_behavior() override {
    return {
      [=](go_atom) { send(other_, ping_atom::value, u64{0}); },
      [=](pong_atom, u64 trip) {
        verify("trip", trip, ++trips_);
        if (trips_ < n_)
          send(other_, ping_atom::value, trip);
        else
          send(coordinator_, done_atom::value, trips_);
      },
    };
  }

private:
  actor other_, coordinator_;
  u64 n_, trips_ = 0;
};

outcome run_pairs(const run& r, u64 count, u64 n) {
  std::vector<actor> pings;
  for (u64 i = 0; i < count; i++)
    pings.push_back(r.system.spawn<ping>(r.system.spawn<pong>(), r.coordinator(), n));
  auto [trips, seconds] = r.timed(pings, count);
  verify("round trips", trips, count * n);
  return {2 * count * n, seconds};
}

class node : public event_based_actor {
public:
  node(actor_config& cfg, actor next, actor coordinator, u64 index, u64 hops)
    : event_based_actor(cfg),
      next_(std::move(next)),
      coordinator_(std::move(coordinator)),
      index_(index),
      hops_(hops) {}

  behavior make_behavior() override {
    return {
      [=](next_atom, actor next) { next_ = std::move(next); },
      [=](go_atom) { pass(hops_); },
      [=](token_atom, u64 left) { pass(left); },
    };
  }

private:
  void pass(u64 left) {
    if (left > 0)
      send(next_, token_atom::value, left - 1);
    else
      send(coordinator_, done_atom::value, index_);
  }

  actor next_, coordinator_;
  u64 index_, hops_;
};

outcome run_rings(const run& r, u64 count, u64 actors, u64 n) {
  std::vector<actor> firsts;
  for (u64 i = 0; i < count; i++) {
    auto first = r.system.spawn<node>(actor{}, r.coordinator(), u64{0}, n);
    auto next = first;
    for (u64 index = actors - 1; index > 0; index--) // each knows the one made before it
      next = r.system.spawn<node>(next, r.coordinator(), index, n);
    r.self->send(first, next_atom::value, next);
    firsts.push_back(first);
  }
  auto [last, seconds] = r.timed(firsts, count);
  verify("where the tokens stopped", last, count * (n % actors));
  return {count * n, seconds};
}

class counter : public event_based_actor {
public:
  using event_based_actor::event_based_actor;

  behavior make_behavior() override {
    return {
      [=](add_atom) { count_++; },
      [=](total_atom) { return count_; },
    };
  }

private:
  u64 count_ = 0;
};

// Sends n increments, then asks for the total.
class producer : public event_based_actor {
public:
  producer(actor_config& cfg, actor to, actor coordinator, u64 n)
    : event_based_actor(cfg), to_(std::move(to)), coordinator_(std::move(coordinator)), n_(n) {}

  behavior make_behavior() override {
    return {
      [=](go_atom) {
        for (u64 i = 0; i < n_; i++)
          send(to_, add_atom::value);
        request(to_, std::chrono::minutes{5}, total_atom::value) // behind all the others
          .await([=](u64 total) { send(coordinator_, done_atom::value, total); },
                 [](const error&) { fail("no total"); });
      },
    };
  }

private:
  actor to_, coordinator_;
  u64 n_;
};

class adder : public event_based_actor {
public:
  adder(actor_config& cfg, actor coordinator, u64 left)
    : event_based_actor(cfg), coordinator_(std::move(coordinator)), left_(left) {}

  behavior make_behavior() override {
    return {
      [=](number_atom, u64 number) {
        sum_ += number;
        if (--left_ == 0)
          send(coordinator_, done_atom::value, sum_);
      },
    };
  }

private:
  actor coordinator_;
  u64 left_, sum_ = 0;
};

class sender : public event_based_actor {
public:
  sender(actor_config& cfg, actor to, u64 n) : event_based_actor(cfg), to_(std::move(to)), n_(n) {}

  behavior make_behavior() override {
    return {
      [=](go_atom) {
        for (u64 i = 1; i <= n_; i++)
          send(to_, number_atom::value, i);
        quit();
      },
    };
  }

private:
  actor to_;
  u64 n_;
};

} // namespace

outcome pingpong(const run& r) { return run_pairs(r, 1, r["n"]); }

outcome pairs(const run& r) { return run_pairs(r, r["p"], r["n"]); }

outcome ring(const run& r) { return run_rings(r, 1, r["a"], r["n"]); }

outcome rings(const run& r) { return run_rings(r, r["r"], r["a"], r["n"]); }

outcome counting(const run& r) {
  auto from = r.system.spawn<producer>(r.system.spawn<counter>(), r.coordinator(), r["n"]);
  auto [total, seconds] = r.timed({from}, 1);
  verify("total", total, r["n"]);
  return {r["n"], seconds};
}

caf::actor start_adder(const run& r, u64 count) { return r.system.spawn<adder>(r.coordinator(), count); }

outcome fanin(const run& r) {
  auto count = r["s"], n = r["n"];
  auto to = start_adder(r, count * n);
  std::vector<actor> senders;
  for (u64 i = 0; i < count; i++)
    senders.push_back(r.system.spawn<sender>(to, n));
  auto [sum, seconds] = r.timed(senders, 1);
  verify("sum", sum, count * (n * (n + 1) / 2));
  return {count * n, seconds};
}
