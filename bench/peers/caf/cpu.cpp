// Actors that compute: hog, nqueens.
#include "peer.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>

using namespace caf;

namespace {

constexpr auto patience = std::chrono::seconds{10};

class spinner : public event_based_actor {
public:
  using event_based_actor::event_based_actor;

  behavior make_behavior() override {
    return {
      [](go_atom) {
        for (u64 x = 1;; x = x * 6364136223846793005u + 1442695040888963407u)
          asm volatile("" : "+r"(x)); // the loop is not optimised away
      },
    };
  }
};

class echo : public event_based_actor {
public:
  using event_based_actor::event_based_actor;

  behavior make_behavior() override {
    return {
      [](ping_atom) { return pong_atom::value; },
    };
  }
};

// A round trip each millisecond.
class prober : public event_based_actor {
public:
  prober(actor_config& cfg, actor other, actor coordinator, std::vector<double>* trips, std::vector<double>* late)
    : event_based_actor(cfg),
      other_(std::move(other)),
      coordinator_(std::move(coordinator)),
      trips_(trips),
      late_(late) {}

  behavior make_behavior() override {
    return {
      [=](go_atom) {
        due_ = clock().now();
        wait();
      },
      [=](tick_atom) {
        sent_ = clock().now();
        (*late_)[done_] = microseconds(sent_ - due_);
        send(other_, ping_atom::value);
      },
      [=](pong_atom) {
        (*trips_)[done_] = microseconds(clock().now() - sent_);
        if (++done_ == trips_->size())
          send(coordinator_, done_atom::value, static_cast<u64>(done_));
        else
          wait();
      },
    };
  }

private:
  static double microseconds(actor_clock::duration_type time) {
    return std::chrono::duration<double, std::micro>(time).count();
  }

  void wait() {
    due_ = std::max(due_ + std::chrono::milliseconds{1}, clock().now());
    scheduled_send(this, due_, tick_atom::value);
  }

  actor other_, coordinator_;
  std::vector<double>*trips_, *late_; // the coordinator's, who reads them after the report
  size_t done_ = 0;
  actor_clock::time_point due_, sent_;
};

void add_percentiles(outcome& result, const std::string& prefix, std::vector<double>& times) {
  std::sort(times.begin(), times.end());
  result.extra.emplace_back(prefix + "p50_us", times[times.size() / 2]);
  result.extra.emplace_back(prefix + "p99_us", times[times.size() * 99 / 100]);
  result.extra.emplace_back(prefix + "max_us", times.back());
}

// ---- nqueens

// A queen may stand in this column of the next row.
bool allows(const board& queens, int32_t column) {
  auto row = static_cast<int32_t>(queens.size());
  for (int32_t i = 0; i < row; i++)
    if (queens[static_cast<size_t>(i)] == column || std::abs(queens[static_cast<size_t>(i)] - column) == row - i)
      return false;
  return true;
}

// Extends a board of fewer than `cutoff` queens and sends each result to the master as new work; searches a longer one
// to its end, with one message for each solution. Then says that this board is done.
class queens_worker : public event_based_actor {
public:
  queens_worker(actor_config& cfg, actor master, size_t size)
    : event_based_actor(cfg), master_(std::move(master)), size_(size) {}

  behavior make_behavior() override {
    return {
      [=](work_atom, board& queens) {
        if (queens.size() >= cutoff)
          search(queens);
        else
          extend(queens);
        send(master_, done_atom::value);
      },
    };
  }

private:
  static constexpr size_t cutoff = 4;

  void extend(const board& queens) {
    for (int32_t column = 0; column < static_cast<int32_t>(size_); column++) {
      if (!allows(queens, column))
        continue;
      auto longer = queens;
      longer.push_back(column);
      if (longer.size() == size_)
        send(master_, found_atom::value);
      else
        send(master_, work_atom::value, std::move(longer));
    }
  }

  void search(board& queens) {
    if (queens.size() == size_) {
      send(master_, found_atom::value);
      return;
    }
    for (int32_t column = 0; column < static_cast<int32_t>(size_); column++) {
      if (!allows(queens, column))
        continue;
      queens.push_back(column);
      search(queens);
      queens.pop_back();
    }
  }

  actor master_;
  size_t size_;
};

// Deals the boards out to its workers in turn, until each is done.
class queens_master : public event_based_actor {
public:
  queens_master(actor_config& cfg, actor coordinator, u64 workers, size_t size)
    : event_based_actor(cfg), coordinator_(std::move(coordinator)) {
    for (u64 i = 0; i < workers; i++)
      workers_.push_back(spawn<queens_worker>(actor_cast<actor>(this), size));
  }

  behavior make_behavior() override {
    return {
      [=](go_atom) { deal(board{}); },
      [=](work_atom, board& queens) { deal(std::move(queens)); },
      [=](found_atom) { found_++; },
      [=](done_atom) {
        if (++done_ == dealt_)
          send(coordinator_, done_atom::value, found_);
      },
    };
  }

private:
  void deal(board queens) { send(workers_[dealt_++ % workers_.size()], work_atom::value, std::move(queens)); }

  actor coordinator_;
  std::vector<actor> workers_;
  u64 dealt_ = 0, done_ = 0, found_ = 0;
};

} // namespace

// CAF preempts nobody: with as many spinning actors as workers the pair never runs. That is found out by trying, and
// reported as unsupported.
outcome hog(const run& r) {
  auto hogs = r["hogs"], n = r["n"];
  std::vector<double> trips(n), late(n);
  for (u64 i = 0; i < hogs; i++)
    r.self->send(r.system.spawn<spinner>(), go_atom::value);
  auto pair = r.system.spawn<prober>(r.system.spawn<echo>(), r.coordinator(), &trips, &late);
  auto start = wall_clock::now();
  r.self->send(pair, go_atom::value);
  r.self->receive([&](done_atom, u64 done) { verify("round trips", done, n); },
                  after(patience + std::chrono::milliseconds{n}) >> [] {
                    puts("{\"unsupported\":true,\"reason\":\"no preemption: the pair does not get to run\"}");
                    fflush(stdout);
                    _exit(3);
                  });
  outcome result{n, seconds_since(start)};
  add_percentiles(result, "", trips);
  add_percentiles(result, "late_", late);
  return result;
}

outcome nqueens(const run& r) {
  constexpr u64 solutions[] = {1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14200, 73712, 365596};
  auto size = r["size"];
  if (size >= sizeof solutions / sizeof *solutions)
    fail("size must be less than 15");
  auto start = wall_clock::now();
  auto master = r.system.spawn<queens_master>(r.coordinator(), r["workers"] * 4, size);
  r.self->send(master, go_atom::value);
  auto found = r.reports();
  auto seconds = seconds_since(start);
  verify("solutions", found, solutions[size]);
  return {1, seconds};
}
