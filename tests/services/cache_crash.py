"""cache_crash.py PORT: crashes shards and connections of a cache with 4 shards and looks at all the others."""
import sys
import threading

import cache_resp

SHARDS = 4
KEYS = 400


def check(condition, what):
    if not condition:
        print("FAILED:", what)
        sys.exit(1)


def info(client):
    """{"shard0": {"keys": 3, ...}, ...}"""
    text = client.ask("INFO", "shards").decode()
    shards = {}
    for line in text.splitlines():
        if line.startswith("shard"):
            name, fields = line.split(":", 1)
            shards[name] = {k: int(v) for k, v in (field.split("=") for field in fields.split(","))}
    return shards


def fill(client):
    for i in range(KEYS):
        check(client.ask("SET", f"key:{i}", f"value:{i}") == b"+OK\r\n", "SET")


def alive(client):
    """Which keys are there; no wrong value may be."""
    found = set()
    for i in range(KEYS):
        reply = client.ask("GET", f"key:{i}")
        value = b"value:%d" % i
        if reply != b"$-1\r\n":
            check(reply == b"$%d\r\n%s\r\n" % (len(value), value), f"key:{i} is {reply!r}")
            found.add(i)
    return found


def crash_each_shard(port):
    victim, witness = cache_resp.Connection(port), cache_resp.Connection(port)
    for shard in range(SHARDS):
        fill(witness)
        before = info(witness)
        check(sum(s["keys"] for s in before.values()) == KEYS, "all keys are there")
        check(victim.ask("DEBUG", "CRASH-SHARD", str(shard)) == b"+OK\r\n", "CRASH-SHARD")
        left = alive(witness)
        check(len(left) == KEYS - before[f"shard{shard}"]["keys"], f"shard {shard} lost its keys and no others")
        after = info(witness)
        check(after[f"shard{shard}"]["keys"] == 0, f"shard {shard} is empty")
        for other in range(SHARDS):
            if other != shard:
                check(after[f"shard{other}"]["keys"] == before[f"shard{other}"]["keys"], f"shard {other} lost nothing")
                check(after[f"shard{other}"]["started_ms"] == before[f"shard{other}"]["started_ms"],
                      f"shard {other} was not restarted")
    check(victim.ask("DEBUG", "CRASH-SHARD", "4")[:1] == b"-", "no such shard")
    check(victim.ask("PING") == b"+PONG\r\n", "who asked for the crash is alive")


def crash_connections(port):
    witness = cache_resp.Connection(port)
    fill(witness)
    for _ in range(20):
        victim = cache_resp.Connection(port)
        victim.send(cache_resp.encode(["PING"]) + cache_resp.encode(["DEBUG", "CRASH-CONNECTION"])
                    + cache_resp.encode(["SET", "key:0", "wrong"]))
        received = victim.rest()
        check(received in (b"", b"+PONG\r\n"), f"a crashed connection is closed, not {received!r}")
    check(len(alive(witness)) == KEYS, "no key is lost")


def crash_under_load(port):
    """Others get their values, nothing, or the error that the manual names; never another's reply."""
    stop = threading.Event()
    wrong = []

    def load(number):
        client = cache_resp.Connection(port)
        i = 0
        while not stop.is_set():
            i += 1
            keys = [f"load:{number}:{i % 50}:{j}" for j in range(16)]
            client.send(b"".join(cache_resp.encode(["SET", key, key]) + cache_resp.encode(["GET", key]) for key in keys))
            for key in keys:
                text = key.encode()
                if client.reply() not in (b"+OK\r\n", b"-ERR shard restarted\r\n"):
                    wrong.append(key)
                if client.reply() not in (b"$%d\r\n%s\r\n" % (len(text), text), b"$-1\r\n", b"-ERR shard restarted\r\n"):
                    wrong.append(key)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    client = cache_resp.Connection(port)
    for i in range(40):
        check(client.ask("DEBUG", "CRASH-SHARD", str(i % SHARDS)) == b"+OK\r\n",
              "CRASH-SHARD under load")
        for j in range(20):
            client.ask("PING", str(j))
    stop.set()
    for thread in threads:
        thread.join()
    check(not wrong, f"wrong replies: {wrong[:5]}")


port = int(sys.argv[1])
crash_each_shard(port)
crash_connections(port)
crash_under_load(port)
