// restart. CAF has no supervisors: this one is made of a monitor and the registry. one_for_one, one permanent child
// with a registered name, at most so many restarts within a period.
#include "peer.hpp"

#include <deque>

using namespace caf;

namespace {

constexpr auto child_name = atom("child");

actor registered_child(actor_system& system) { return system.registry().get<actor>(child_name); }

class supervisor : public event_based_actor {
public:
  supervisor(actor_config& cfg, actor listener, size_t intensity, wall_clock::duration period)
    : event_based_actor(cfg), listener_(std::move(listener)), intensity_(intensity), period_(period) {
    set_down_handler([=](down_msg& down) { restart(down); });
  }

  behavior make_behavior() override {
    start();
    return {
      [=](total_atom) { return total_; },
    };
  }

private:
  void start() {
    auto child = spawn<server>();
    monitor(child);
    system().registry().put(child_name, child);
    send(listener_, go_atom::value); // a new one is registered
  }

  void restart(const down_msg& down) {
    if (down.reason != exit_reason::kill)
      fail("the child ended for another reason");
    auto now = wall_clock::now();
    restarts_.push_back(now);
    while (restarts_.front() + period_ < now)
      restarts_.pop_front();
    system().registry().erase(child_name);
    if (restarts_.size() > intensity_)
      return quit(exit_reason::user_shutdown);
    total_++;
    start();
  }

  actor listener_;
  size_t intensity_;
  wall_clock::duration period_;
  u64 total_ = 0;
  std::deque<wall_clock::time_point> restarts_;
};

// Starts the supervisor; kills its child n times, each time once the new one is registered.
class killer : public event_based_actor {
public:
  killer(actor_config& cfg, actor coordinator, u64 n)
    : event_based_actor(cfg), coordinator_(std::move(coordinator)), left_(n) {}

  behavior make_behavior() override {
    return {
      [=](next_atom) { supervisor_ = spawn<supervisor>(actor_cast<actor>(this), left_, std::chrono::seconds{5}); },
      [=](go_atom) {
        auto child = registered_child(system());
        if (!child || child == last_)
          fail("no new child is registered");
        last_ = child;
        if (!started_) {
          started_ = true;
          send(coordinator_, done_atom::value, u64{0}); // set up
        } else {
          killed_++;
          kill_next();
        }
      },
      [=](tick_atom) { kill_next(); },
    };
  }

private:
  void kill_next() {
    if (left_-- == 0)
      send(coordinator_, done_atom::value, killed_);
    else
      send_exit(last_, exit_reason::kill);
  }

  actor coordinator_, last_;
  actor supervisor_; // the handle keeps it alive
  u64 left_, killed_ = 0;
  bool started_ = false;
};

} // namespace

outcome restart(const run& r) {
  auto n = r["n"];
  auto from = r.system.spawn<killer>(r.coordinator(), n);
  r.self->send(from, next_atom::value);
  r.reports();
  auto start = wall_clock::now();
  r.self->send(from, tick_atom::value);
  auto killed = r.reports();
  auto seconds = seconds_since(start);
  verify("restarts", killed, n);
  r.self->request(registered_child(r.system), std::chrono::seconds{5}, add_atom::value, u64{41})
    .receive([](u64 reply) { verify("reply of the last child", reply, 42); },
             [](const error&) { fail("the last child does not answer"); });
  return {n, seconds};
}
