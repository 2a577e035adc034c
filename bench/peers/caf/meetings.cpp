// Savina's Big and Chameneos.
#include "peer.hpp"

#include <random>

using namespace caf;

namespace {

class big_actor : public event_based_actor {
public:
  big_actor(actor_config& cfg, actor coordinator, u64 index, u64 n)
    : event_based_actor(cfg),
      coordinator_(std::move(coordinator)),
      index_(index),
      n_(n),
      random_(static_cast<std::minstd_rand::result_type>(index + 1)) {}

  behavior make_behavior() override {
    return {
      [=](next_atom, std::vector<actor>& all) { all_ = std::move(all); },
      [=](go_atom) { ping_somebody(); },
      [=](ping_atom) {
        served_++;
        return pong_atom::value;
      },
      [=](pong_atom) {
        if (++pongs_ < n_)
          ping_somebody();
        else
          send(coordinator_, done_atom::value, pongs_);
      },
      [=](total_atom) { send(coordinator_, done_atom::value, served_); },
    };
  }

private:
  void ping_somebody() {
    auto choice = std::uniform_int_distribution<u64>{0, all_.size() - 2}(random_);
    send(all_[choice < index_ ? choice : choice + 1], ping_atom::value); // never itself
  }

  actor coordinator_;
  u64 index_, n_, pongs_ = 0, served_ = 0;
  std::minstd_rand random_;
  std::vector<actor> all_;
};

// Equal colours stay; others both become the third.
enum colour : u64 { blue, red, yellow, colours };

u64 complement(u64 mine, u64 other) { return mine == other ? mine : blue + red + yellow - mine - other; }

class mall : public event_based_actor {
public:
  mall(actor_config& cfg, actor coordinator, u64 creatures, u64 n)
    : event_based_actor(cfg), coordinator_(std::move(coordinator)), creatures_(creatures), left_(n) {}

  behavior make_behavior() override {
    return {
      [=](meet_atom, u64 hue, const actor& creature) {
        if (left_ == 0) {
          send(creature, home_atom::value);
        } else if (!waiting_) {
          waiting_ = creature;
        } else {
          left_--;
          send(waiting_, meet_atom::value, hue, creature);
          waiting_ = nullptr;
        }
      },
      [=](home_atom, u64 meetings) {
        meetings_ += meetings;
        if (--creatures_ == 0)
          send(coordinator_, done_atom::value, meetings_);
      },
    };
  }

private:
  actor coordinator_, waiting_;
  u64 creatures_, left_, meetings_ = 0;
};

class creature : public event_based_actor {
public:
  creature(actor_config& cfg, actor place, u64 hue) : event_based_actor(cfg), mall_(std::move(place)), hue_(hue) {}

  behavior make_behavior() override {
    return {
      [=](go_atom) { enter(); },
      [=](meet_atom, u64 other, const actor& who) {
        hue_ = complement(hue_, other);
        send(who, change_atom::value, hue_);
        met();
      },
      [=](change_atom, u64 hue) {
        hue_ = hue;
        met();
      },
      [=](home_atom) {
        send(mall_, home_atom::value, meetings_);
        quit();
      },
    };
  }

private:
  void met() {
    meetings_++;
    enter();
  }

  void enter() { send(mall_, meet_atom::value, hue_, actor_cast<actor>(this)); }

  actor mall_;
  u64 hue_, meetings_ = 0;
};

} // namespace

outcome big(const run& r) {
  auto count = r["a"], n = r["n"];
  std::vector<actor> all;
  for (u64 i = 0; i < count; i++)
    all.push_back(r.system.spawn<big_actor>(r.coordinator(), i, n));
  for (auto& one : all)
    r.self->send(one, next_atom::value, all);
  auto [pongs, seconds] = r.timed(all, count);
  verify("pongs", pongs, count * n);
  for (auto& one : all)
    r.self->send(one, total_atom::value);
  verify("pings served", r.reports(count), count * n);
  return {2 * count * n, seconds};
}

outcome chameneos(const run& r) {
  auto count = r["a"], n = r["n"];
  auto place = r.system.spawn<mall>(r.coordinator(), count, n);
  std::vector<actor> creatures;
  for (u64 i = 0; i < count; i++)
    creatures.push_back(r.system.spawn<creature>(place, i % colours));
  auto [meetings, seconds] = r.timed(creatures, 1);
  verify("meetings, counted by both sides", meetings, 2 * n);
  return {n, seconds};
}
