"""Who is measured: Troupe, the floors, the peers; how each is built, started, and told how many workers it has."""
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys

from .workloads import SAVINA_FLOORS

TOP = pathlib.Path(__file__).resolve().parents[2]
PEERS = TOP / "bench/peers"
CXX_FLAGS = ["-std=c++17", "-O2", "-g", "-Wall", "-Wextra", "-pthread"]
ALL_PEERS = ("erlang", "go", "tokio", "caf")
ERLANG_PROCESSES = 4194304  # how many may be alive; more where a workload needs them
# the others are sequential work: one thread is all that it can use
PARALLEL_FLOORS = ("pairs", "rings", "calls", "nqueens", "trapezoid", "fib", "matmul")


@dataclasses.dataclass
class Side:
    name: str
    program: list  # the words before WORKLOAD
    build: str = ""  # what it was built with, for the context block
    version: str = ""  # as its result lines say
    one_by_one: bool = False  # a program for each workload, which may be missing (the floors)

    def command(self, workload, parameters, workers):
        settings = [f"{key}={value}" for key, value in parameters.items()] + [f"workers={workers}"]
        if self.name == "erlang":  # its schedulers and its table of processes are made before any Erlang runs
            alive = parameters.get("n", 0) if workload == "idle" else 0
            return [
                *self.program,
                "+P",
                str(max(ERLANG_PROCESSES, alive + 1000)),
                "+S",
                f"{workers}:{workers}",
                "-s",
                "actor_peer",
                "main",
                "-extra",
                workload,
                *settings,
            ]
        if self.one_by_one:
            return [f"{self.program[0]}{floor_of(workload)}", *settings]
        return [*self.program, workload, *settings]

    def has(self, workload, workers):
        if not self.one_by_one:
            return True
        floor = floor_of(workload)
        return pathlib.Path(f"{self.program[0]}{floor}").is_file() and (workers == 1 or floor in PARALLEL_FLOORS)


def floor_of(workload):
    """The hand-made program that does the work of a workload."""
    return SAVINA_FLOORS.get(workload, workload)


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise SystemExit(f"compare: {' '.join(map(str, command))} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def first_line(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()[0].strip()
    except (OSError, IndexError):
        return "not found"


def newest(folder):
    return max(path.stat().st_mtime for path in folder.rglob("*") if path.is_file())


def stale(program, folder):
    return not program.is_file() or program.stat().st_mtime < newest(folder)


# --- one builder a peer: (folder of its build) -> Side


def erlang(out):
    sources = sorted((PEERS / "erlang").glob("*.erl"))
    if stale(out / "actor_peer.beam", PEERS / "erlang"):
        run(["erlc", "-Wall", "-o", out, *sources])
    # logger_level none: no report for each child that restart kills.
    program = [
        "env",
        "ERL_CRASH_DUMP_BYTES=0",
        "erl",
        "-noinput",
        "-pa",
        str(out),
        "-kernel",
        "logger_level",
        "none",
    ]
    return Side("erlang", program, build=f"erlc; erl +P {ERLANG_PROCESSES} +S workers:workers")


def go(out):
    if stale(out / "peer", PEERS / "go"):
        environment = dict(
            os.environ, GOFLAGS="-mod=mod", GOPROXY="off", GOCACHE=str(out / "cache"), GOTOOLCHAIN="local"
        )
        run(["/usr/bin/go", "build", "-buildvcs=false", "-o", f"{out}/", "./..."], cwd=PEERS / "go", env=environment)
    return Side("go", [str(out / "peer")], build=first_line(["/usr/bin/go", "version"]))


CRATES = "/usr/share/cargo/registry"  # where Debian's librust-*-dev packages put their sources
CARGO_CONFIG = f"""[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "{CRATES}"
[net]
offline = true
"""


def tokio(out):
    """Copied, so that Cargo's own files stay out of the tree; the crates are Debian's, nothing is fetched."""
    folder, program = out / "source", out / "target/release/peer"
    version = max((path.name for path in pathlib.Path(CRATES).glob("tokio-[0-9]*")), default="tokio-unknown")[
        len("tokio-") :
    ]
    if stale(program, PEERS / "tokio"):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(PEERS / "tokio", folder)
        (folder / ".cargo").mkdir()
        (folder / ".cargo/config.toml").write_text(CARGO_CONFIG)
        environment = dict(os.environ, RUSTC="/usr/bin/rustc", PEER_TOKIO_VERSION=version)
        run(["/usr/bin/cargo", "build", "--release", "--target-dir", out / "target"], cwd=folder, env=environment)
        os.utime(program)
    return Side(
        "tokio",
        [str(program)],
        build=f"{first_line(['/usr/bin/rustc', '--version'])}, release, thin LTO, tokio {version}",
    )


def caf(out):
    program = out / "peer"
    if stale(program, PEERS / "caf"):
        objects, running = [], []
        for source in sorted((PEERS / "caf").glob("*.cpp")):
            objects.append(out / f"{source.stem}.o")
            running.append(
                (
                    source,
                    subprocess.Popen(
                        ["g++", *CXX_FLAGS, "-c", source, "-o", objects[-1]], stderr=subprocess.PIPE, text=True
                    ),
                )
            )
            if len(running) >= 2:
                finish(running.pop(0))
        for one in running:
            finish(one)
        run(["g++", "-pthread", "-o", program, *objects, "-lcaf_core"])
    return Side("caf", [str(program)], build=f"{first_line(['g++', '--version'])}, {' '.join(CXX_FLAGS)}")


def finish(compilation):
    source, process = compilation
    errors = process.communicate()[1]
    if process.returncode != 0:
        raise SystemExit(f"compare: {source} does not compile:\n{errors[-4000:]}")


BUILDERS = {"erlang": erlang, "go": go, "tokio": tokio, "caf": caf}


def build(peers, bin_folder, added):
    """All sides, Troupe first, then the floors, then the peers in the order asked for."""
    flags = c_flags(pathlib.Path(bin_folder).parent)
    sides = [
        Side("troupe", [f"{bin_folder}/troupe", "bench"], build=f"{flags}; the runtime's defaults"),
        Side("floor", [f"{bin_folder}/floor_"], build=flags, one_by_one=True),
    ]
    for name in peers:
        if name not in BUILDERS:
            raise SystemExit(
                f"compare: there is no peer '{name}'; there are {', '.join(BUILDERS)}; --add NAME=PROGRAM takes others"
            )
        out = TOP / "build/peers" / name
        out.mkdir(parents=True, exist_ok=True)
        say(f"compare: building {name}")
        sides.append(BUILDERS[name](out))
    for word in added:
        name, _, program = word.partition("=")
        if not name.isidentifier() or not program:
            raise SystemExit(f"compare: --add takes NAME=PROGRAM, not '{word}'")
        if not shutil.which(program.split()[0]):
            raise SystemExit(f"compare: there is no program {program.split()[0]}")
        sides.append(Side(name, program.split(), build="built by hand"))
    return sides


def c_flags(build_folder):
    """The compiler's flags of a build, as CMake keeps them."""
    try:
        kept = dict(re.findall(r"^(CMAKE_\w+):\w+=(.*)$", (build_folder / "CMakeCache.txt").read_text(), re.M))
    except OSError:
        return "unknown flags"
    kind = kept.get("CMAKE_BUILD_TYPE", "")
    return " ".join([kept.get("CMAKE_C_FLAGS", ""), kept.get(f"CMAKE_C_FLAGS_{kind.upper()}", "")]).strip()


def set_up(purpose):
    subprocess.run([TOP / "tools/setup", purpose], check=True)


def build_troupe():
    say("compare: building Troupe")
    targets = ["troupe_command", "floors", "cache", "echo", "hello", "load"]
    subprocess.run([TOP / "tools/build", "release", *targets], check=True)
    return TOP / "build/release/bin"
