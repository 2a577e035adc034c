// Actors that are started by the million: spawn, spawnchain, skynet.
#include "peer.hpp"

using namespace caf;

namespace {

// Passes one number on and ends.
class short_lived : public event_based_actor {
public:
  short_lived(actor_config& cfg, actor collector) : event_based_actor(cfg), collector_(std::move(collector)) {}

  behavior make_behavior() override {
    return {
      [=](number_atom, u64 number) {
        send(collector_, number_atom::value, number);
        quit();
      },
    };
  }

private:
  actor collector_;
};

class spawner : public event_based_actor {
public:
  spawner(actor_config& cfg, actor collector, u64 n) : event_based_actor(cfg), collector_(std::move(collector)), n_(n) {}

  behavior make_behavior() override {
    return {
      [=](go_atom) {
        for (u64 i = 1; i <= n_; i++)
          send(spawn<short_lived>(collector_), number_atom::value, i);
        quit();
      },
    };
  }

private:
  actor collector_;
  u64 n_;
};

class chain_link : public event_based_actor {
public:
  chain_link(actor_config& cfg, actor coordinator, u64 n)
    : event_based_actor(cfg), coordinator_(std::move(coordinator)), n_(n) {}

  behavior make_behavior() override {
    return {
      [=](go_atom) { pass(1); },
      [=](token_atom, u64 depth) { pass(depth); },
    };
  }

private:
  void pass(u64 depth) {
    if (depth < n_)
      send(spawn<chain_link>(coordinator_, n_), token_atom::value, depth + 1);
    else
      send(coordinator_, done_atom::value, depth);
    quit();
  }

  actor coordinator_;
  u64 n_;
};

// Sends its parent the sum of its leaves' numbers; the root reports it.
class tree : public event_based_actor {
public:
  tree(actor_config& cfg, actor parent, u64 first, u64 leaves)
    : event_based_actor(cfg), parent_(std::move(parent)), first_(first), leaves_(leaves) {}

  behavior make_behavior() override {
    if (leaves_ == 1) {
      send(parent_, done_atom::value, first_);
      return {}; // without a behavior it ends
    }
    auto part = leaves_ / 10;
    for (u64 i = 0; i < 10; i++)
      spawn<tree>(actor_cast<actor>(this), first_ + i * part, part);
    return {
      [=](done_atom, u64 sum) {
        sum_ += sum;
        if (++answers_ == 10) {
          send(parent_, done_atom::value, sum_);
          quit();
        }
      },
    };
  }

private:
  actor parent_;
  u64 first_, leaves_, answers_ = 0, sum_ = 0;
};

} // namespace

outcome spawn_many(const run& r) {
  auto n = r["n"];
  auto [sum, seconds] = r.timed({r.system.spawn<spawner>(start_adder(r, n), n)}, 1);
  verify("sum", sum, n * (n + 1) / 2);
  return {n, seconds};
}

outcome spawn_chain(const run& r) {
  auto n = r["n"];
  auto [depth, seconds] = r.timed({r.system.spawn<chain_link>(r.coordinator(), n)}, 1);
  verify("depth", depth, n);
  return {n, seconds};
}

outcome skynet(const run& r) {
  auto leaves = r["leaves"];
  u64 actors = 1;
  for (u64 level = leaves; level > 1; level /= 10) {
    if (level % 10 != 0)
      fail("leaves must be a power of 10");
    actors += level;
  }
  auto start = wall_clock::now();
  r.system.spawn<tree>(r.coordinator(), u64{0}, leaves);
  auto sum = r.reports();
  auto seconds = seconds_since(start);
  verify("sum", sum, leaves * (leaves - 1) / 2);
  return {actors, seconds};
}
