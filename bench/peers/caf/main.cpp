// The command line: peer WORKLOAD [key=value ...].
#include "peer.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>

void fail(const std::string& why) {
  fprintf(stderr, "%s\n", why.c_str());
  fflush(stderr);
  _exit(1);
}

void verify(const char* what, u64 got, u64 want) {
  if (got != want)
    fail(std::string("wrong result: ") + what + " is " + std::to_string(got) + ", not " + std::to_string(want));
}

double seconds_since(wall_clock::time_point start) {
  return std::chrono::duration<double>(wall_clock::now() - start).count();
}

u64 run::operator[](const char* name) const {
  for (auto& kv : given)
    if (kv.first == name)
      return kv.second;
  fail(std::string("no parameter ") + name);
}

caf::actor run::coordinator() const {
  return caf::actor_cast<caf::actor>(self->address());
}

u64 run::reports(u64 count) const {
  u64 sum = 0;
  while (count-- > 0)
    self->receive([&](done_atom, u64 number) { sum += number; });
  return sum;
}

std::pair<u64, double> run::timed(const std::vector<caf::actor>& actors, u64 count) const {
  auto start = wall_clock::now();
  for (auto& actor : actors)
    self->send(actor, go_atom::value);
  auto sum = reports(count);
  return {sum, seconds_since(start)};
}

namespace {

struct workload {
  outcome (*function)(const run& r);
  parameters defaults;
};

const std::map<std::string, workload> workloads = {
  {"pingpong", {pingpong, {{"n", 1000000}}}},
  {"pairs", {pairs, {{"p", 32}, {"n", 100000}}}},
  {"ring", {ring, {{"a", 503}, {"n", 5000000}}}},
  {"rings", {rings, {{"r", 16}, {"a", 503}, {"n", 500000}}}},
  {"counting", {counting, {{"n", 5000000}}}},
  {"fanin", {fanin, {{"s", 100}, {"n", 50000}}}},
  {"spawn", {spawn_many, {{"n", 1000000}}}},
  {"spawnchain", {spawn_chain, {{"n", 1000000}}}},
  {"skynet", {skynet, {{"leaves", 1000000}}}},
  {"big", {big, {{"a", 120}, {"n", 20000}}}},
  {"chameneos", {chameneos, {{"a", 100}, {"n", 400000}}}},
  {"call", {call, {{"n", 500000}}}},
  {"calls", {calls, {{"c", 64}, {"s", 64}, {"n", 20000}}}},
  {"callname", {callname, {{"n", 500000}}}},
  {"cast", {counting, {{"n", 3000000}}}},
  {"timers", {timers, {{"n", 500000}}}},
  {"idle", {idle, {{"n", 1000000}}}},
  {"idlecpu", {idlecpu, {{"n", 100000}, {"seconds", 10}}}},
  {"restart", {restart, {{"n", 20000}}}},
  {"hog", {hog, {{"hogs", 4}, {"n", 2000}}}},
  {"selective", {selective, {{"n", 20000}}}},
  {"nqueens", {nqueens, {{"size", 12}}}},
};

u64 cores() {
  cpu_set_t mine;
  if (sched_getaffinity(0, sizeof mine, &mine) == 0)
    return static_cast<u64>(CPU_COUNT(&mine));
  return std::max(1u, std::thread::hardware_concurrency());
}

void set(parameters& given, const std::string& setting) {
  auto equals = setting.find('=');
  auto name = setting.substr(0, equals);
  auto found = std::find_if(given.begin(), given.end(), [&](auto& kv) { return kv.first == name; });
  char* end = nullptr;
  auto value = equals == std::string::npos ? 0 : strtoull(setting.c_str() + equals + 1, &end, 10);
  if (found == given.end() || end == nullptr || *end != '\0' || (value == 0 && name != "hogs"))
    fail("bad parameter: " + setting);
  found->second = value;
}

void print(const std::string& name, const parameters& given, const outcome& result) {
  printf("{\"peer\":\"caf\",\"version\":\"%d.%d.%d\",\"workload\":\"%s\",\"params\":{", CAF_MAJOR_VERSION,
         CAF_MINOR_VERSION, CAF_PATCH_VERSION, name.c_str());
  for (size_t i = 0; i < given.size(); i++)
    printf("%s\"%s\":%llu", i > 0 ? "," : "", given[i].first.c_str(),
           static_cast<unsigned long long>(given[i].second));
  printf("},\"ops\":%llu,\"seconds\":%.6f", static_cast<unsigned long long>(result.ops), result.seconds);
  for (auto& field : result.extra)
    printf(",\"%s\":%.10g", field.first.c_str(), field.second);
  puts("}");
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: peer WORKLOAD [key=value ...]\n");
    return 2;
  }
  auto found = workloads.find(argv[1]);
  if (found == workloads.end()) {
    puts("{\"unsupported\":true}");
    return 3;
  }
  auto given = found->second.defaults;
  given.emplace_back("workers", cores());
  for (int i = 2; i < argc; i++)
    set(given, argv[i]);
  caf::actor_system_config config;
  config.add_message_type<board>("board");
  config.set("scheduler.max-threads", static_cast<int64_t>(given.back().second));
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  print(argv[1], given, found->second.function(run{system, self, given}));
  fflush(stdout);
  _exit(0); // not one actor after the other: hogs never end, and the actors of a ring keep each other alive
}
