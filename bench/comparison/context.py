"""Under which circumstances: what a reader needs to judge the figures or to take them again."""
import datetime
import os
import pathlib
import platform
import re
import subprocess

from . import sides


def text_of(path):
    try:
        return pathlib.Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""


def output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=sides.TOP).stdout.strip()
    except OSError:
        return ""


def cpu():
    info = text_of("/proc/cpuinfo")
    name = re.search(r"^(?:model name|CPU part)\s*:\s*(.*)$", info, re.M)
    caches = [line for line in output("lscpu").splitlines() if re.match(r"L\d", line)]
    return {
        "name": name.group(1) if name else platform.machine(),
        "machine": platform.machine(),
        "cores usable": cores(),
        "cores": os.cpu_count(),
        "threads per core": field(output("lscpu"), "Thread(s) per core"),
        "caches": "; ".join(re.sub(r":\s+", " ", line) for line in caches),
        "governor": text_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "not shown",
    }


def field(text, name):
    match = re.search(rf"^{re.escape(name)}:\s*(.*)$", text, re.M)
    return match.group(1) if match else ""


def cores():
    return len(os.sched_getaffinity(0))


def virtual():
    hypervisor = field(output("lscpu"), "Hypervisor vendor")
    container = output("systemd-detect-virt", "--container") or ""
    machine = (
        f"virtual machine ({hypervisor})"
        if hypervisor
        else "virtual machine"
        if " hypervisor" in text_of("/proc/cpuinfo")
        else "hardware"
    )
    return machine if container in ("", "none") else f"{machine}, in a container ({container})"


def commit():
    head = output("git", "rev-parse", "HEAD")
    changed = output("git", "status", "--porcelain", "--untracked-files=no")
    return f"{head or 'unknown'}{' with local changes' if changed else ''}"


def packages(names):
    found = {}
    for name in names:
        version = output("dpkg-query", "-W", "-f", "${Version}", name)
        if version:
            found[name] = version
    return found


def memory_bytes():
    """What programs may use at this moment; 0 if nobody says."""
    match = re.search(r"MemAvailable:\s*(\d+)", text_of("/proc/meminfo"))
    return int(match.group(1)) * 1024 if match else 0


def gather(all_sides, settings):
    memory = re.search(r"MemTotal:\s*(\d+)", text_of("/proc/meminfo"))
    return {
        "taken": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "cpu": cpu(),
        "memory": f"{int(memory.group(1)) / 1024 / 1024:.1f} GiB" if memory else "unknown",
        "virtual": virtual(),
        "kernel": f"{platform.system()} {platform.release()}",
        "system": re.sub(r'^.*PRETTY_NAME="([^"]*)".*$', r"\1", text_of("/etc/os-release"), flags=re.S),
        "libc": " ".join(platform.libc_ver()),
        "transparent huge pages": text_of("/sys/kernel/mm/transparent_hugepage/enabled"),
        "C compiler": sides.first_line(["cc", "--version"]),
        "load average at the start": f"{os.getloadavg()[0]:.2f}",
        "sides": {
            side.name: {
                "built with": side.build,
                "command": " ".join(side.command("WORKLOAD", {}, "N")).replace(f"{sides.TOP}/", ""),
            }
            for side in all_sides
        },
        "packages": packages(
            [
                "erlang-base",
                "golang-go",
                "rustc",
                "librust-tokio-dev",
                "libcaf-dev",
                "g++",
                "gcc",
                "liburcu-dev",
                "nginx-light",
                "nginx",
                "redis-server",
            ]
        ),
        "settings": settings,
    }
