"""Services under an open-loop load: latency, from the planned send time, against the load that is offered."""
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import time

from . import context, runs, sides

SHARES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9)
FEW_SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
WARM_UP_S = 0.3
PATIENCE_S = 30  # beyond the time that a point of load takes
TOO_MUCH = 2e6  # requests a second that nobody answers here
NGINX = """daemon off; master_process on; pid {folder}/nginx.pid; error_log stderr crit; worker_processes {workers};
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b;
  fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; location / {{ default_type text/plain; return 200 "Hello, World!"; }} }}
}}
"""


def servers(bin_folder, workers):
    """service -> {side: function(port, folder) -> command}"""
    peers = sides.TOP / "build/peers"

    def ours(name):
        return lambda port, folder: [f"{bin_folder}/{name}", "--port", str(port), "--workers", str(workers)]

    def in_go(name):
        return lambda port, folder: ["env", f"GOMAXPROCS={workers}", str(peers / "go" / name), str(port)]

    def nginx(port, folder):
        (pathlib.Path(folder) / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, workers=workers))
        return [shutil.which("nginx") or "/usr/sbin/nginx", "-e", "stderr", "-p", folder, "-c", f"{folder}/nginx.conf"]

    def redis(port, folder):
        return ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", folder]

    found = {
        "echo": ("echo", {"troupe": ours("echo"), "go": in_go("echo")}),
        "hello": ("http", {"troupe": ours("hello"), "go": in_go("hello"), "nginx": nginx}),
        "cache": ("redis", {"troupe": ours("cache"), "redis": redis}),
    }
    if not (peers / "go/echo").is_file():
        del found["echo"][1]["go"], found["hello"][1]["go"]
    if not (shutil.which("nginx") or os.access("/usr/sbin/nginx", os.X_OK)):
        del found["hello"][1]["nginx"]
    if not shutil.which("redis-server"):
        del found["cache"][1]["redis"]
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(command_for):
    """A server on a port of its own while the block runs; None if it does not start."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        process = subprocess.Popen(command_for(port, folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 10
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > until:
                        port = None
                        break
                    time.sleep(0.02)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def offer(load, protocol, port, rate, seconds, warm_up, seed, connections, threads):
    command = [
        load,
        "--protocol",
        protocol,
        "--port",
        str(port),
        "--rate",
        f"{rate:g}",
        "--seconds",
        f"{seconds:g}",
        "--warm-up",
        f"{warm_up:g}",
        "--seed",
        str(seed),
        "--connections",
        str(connections),
        "--threads",
        str(threads),
    ]
    try:
        status, output, errors = runs.output_of(command, seconds + warm_up + PATIENCE_S)
        return json.loads(output) if status == 0 else {"failed": errors.strip() or f"status {status}"}
    except (OSError, ValueError) as error:
        return {"failed": str(error)}


def round_rate(rate):
    """Two digits are enough for the axis."""
    return float(f"{rate:.2g}")


@dataclasses.dataclass(frozen=True)
class Plan:
    services: list
    workers: int
    rounds: int
    seconds: float  # of a point
    shares: tuple
    seed: int


class Generator:
    """Offers loads to one server after the other, each fresh."""

    def __init__(self, bin_folder, plan):
        self.load, self.plan = f"{bin_folder}/load", plan
        self.connections, self.threads = 64, 1 if context.cores() < 4 else 2

    def line(self, command_for, protocol, rate, seconds, warm_up, seed):
        with running(command_for) as port:
            if not port:
                return {"failed": "it does not start"}
            return offer(self.load, protocol, port, rate, seconds, warm_up, seed, self.connections, self.threads)

    def capacity(self, command_for, protocol):
        """What it answers of more than it can take."""
        line = self.line(command_for, protocol, TOO_MUCH, min(self.plan.seconds, 1), 0, self.plan.seed)
        return line.get("answered_rate", 0)


def execute(bin_folder, plan, report, done=lambda records: None, before=()):
    """Records: service, side, rate, round, and the generator's line; `done` gets them after each round. First each side
    is offered more than it can take: the most that any of them answers is the scale of the offered loads, the same for
    all. A service that has all its rounds in `before` is not measured again."""
    chance, generator = random.Random(plan.seed), Generator(bin_folder, plan)
    everybody = servers(bin_folder, plan.workers)
    complete = [one for one in plan.services if {r["round"] for r in before if r["service"] == one} >= {plan.rounds}]
    records = [record for record in before if record["service"] in complete]
    for service in plan.services:
        if service in complete:
            continue
        protocol, who = everybody[service]
        capacity = {side: generator.capacity(command_for, protocol) for side, command_for in who.items()}
        for side, answered in capacity.items():
            report(f"{service}: {side} answers {answered:,.0f} requests a second at most")
        rates = sorted({round_rate(max(capacity.values()) * share) for share in plan.shares} - {0})
        for round_number in range(1, plan.rounds + 1):
            cells = [(side, rate) for side in who for rate in rates]
            chance.shuffle(cells)
            for side, rate in cells:
                seed = plan.seed * 1000 + round_number
                line = generator.line(who[side], protocol, rate, plan.seconds, WARM_UP_S, seed)
                about = {"service": service, "side": side, "rate": rate, "round": round_number}
                records.append({**about, "capacity": capacity[side], "line": line})
            report(f"{service}: round {round_number} of {plan.rounds}")
            done(records)
    return records


def merged(records):
    """One histogram, {upper end in us: count}, and what it is of."""
    counts, planned, lost = {}, 0, 0
    for record in records:
        line = record["line"]
        if "failed" in line:
            continue
        planned += line["planned"]
        lost += line["lost"]
        for end, count in line["histogram"]:
            counts[end] = counts.get(end, 0) + count
    return dict(sorted(counts.items())), planned, lost


def quantile(counts, lost, share):
    """None where it is among what was never answered."""
    total = sum(counts.values()) + lost
    seen, wanted = 0, share * total
    for end, count in counts.items():
        seen += count
        if seen >= wanted:
            return end
    return None


def curves(records, service):
    """side -> [(offered rate, answered share, {share: us or None})], all rounds merged"""
    found = {}
    sides_of_it = dict.fromkeys(r["side"] for r in records if r["service"] == service)
    for side in sorted(sides_of_it, key=lambda name: name != "troupe"):
        mine = [r for r in records if r["service"] == service and r["side"] == side]
        for rate in sorted({r["rate"] for r in mine}):
            counts, planned, lost = merged([r for r in mine if r["rate"] == rate])
            if counts:
                answered = 1 - lost / planned if planned else 0
                found.setdefault(side, []).append(
                    (rate, answered, {share: quantile(counts, lost, share) for share in (0.5, 0.99, 0.999)}, counts)
                )
    return found
