"""cache_sigterm.py PORT PID: idle and busy connections while the cache is told to stop."""
import os
import re
import signal
import sys
import threading

import cache_resp

port, pid = int(sys.argv[1]), int(sys.argv[2])
IDLE, BUSY = 50, 8
problems = []
running = threading.Barrier(BUSY + 1)


def busy(number):
    """Pipelines of INCR: what comes back is 1, 2, 3, ... in whole replies, wherever it ends."""
    client = cache_resp.Connection(port)
    request = cache_resp.encode(["INCR", f"counter:{number}"]) * 100
    received = b""
    rounds = 0
    try:
        while True:
            client.send(request)
            for _ in range(100):
                received += client.reply()
            rounds += 1
            if rounds == 5:
                running.wait()
    except (EOFError, OSError):
        received += client.buffer
    numbers = [int(n) for n in re.findall(rb":(\d+)\r\n", received)]
    if numbers != list(range(1, len(numbers) + 1)):
        problems.append(f"connection {number}: not in order")
    if b"".join(b":%d\r\n" % n for n in numbers) != received:
        problems.append(f"connection {number}: half a reply: {received[-40:]!r}")


idle = [cache_resp.Connection(port) for _ in range(IDLE)]
for client in idle:
    client.ask("PING")
threads = [threading.Thread(target=busy, args=(number,)) for number in range(BUSY)]
for thread in threads:
    thread.start()
running.wait()
os.kill(pid, signal.SIGTERM)
for thread in threads:
    thread.join()
for client in idle:
    if client.rest() != b"":
        problems.append("an idle connection got something")
for problem in problems:
    print("FAILED:", problem)
sys.exit(1 if problems else 0)
