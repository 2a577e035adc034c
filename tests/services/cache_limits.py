"""cache_limits.py WHAT PORT: the parts of cache_limits.sh that need a client."""
import sys

import cache_resp


def check(condition, what):
    if not condition:
        print("FAILED:", what)
        sys.exit(1)


def fields(client, section):
    lines = client.ask("INFO", section).decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def clients(port):
    one, two = cache_resp.Connection(port), cache_resp.Connection(port)
    check(one.ask("PING") == two.ask("PING") == b"+PONG\r\n", "two are served")
    three = cache_resp.Connection(port)
    check(three.rest() == b"-ERR max number of clients reached\r\n", "the third is told")
    check(one.ask("CLIENT", "SETNAME", "one") == b"+OK\r\n", "SETNAME")
    listing = one.ask("CLIENT", "LIST").decode()
    check(listing.count("id=") == 2 and "name=one" in listing, f"CLIENT LIST: {listing}")
    victim = two.ask("CLIENT", "ID")[1:-2]
    check(one.ask("CLIENT", "KILL", "ID", victim) == b":1\r\n", "CLIENT KILL")
    check(two.rest() == b"", "the killed one is closed")
    while True:  # its place is free once its supervisor has noticed
        four = cache_resp.Connection(port)
        four.send(cache_resp.encode(["PING"]))
        if four.reply() == b"+PONG\r\n":
            break
    check(one.ask("PING") == b"+PONG\r\n", "the first is still served")


def write_much(client):
    """64 MB in keys of 1 KB; returns the set of replies."""
    replies, value = set(), "v" * 1000
    for i in range(640):
        keys = [f"key:{i}:{j}" for j in range(100)]
        client.send(b"".join(cache_resp.encode(["SET", key, value]) for key in keys))
        for _ in keys:
            replies.add(client.reply())
    return replies


def forget(port):
    client = cache_resp.Connection(port)
    check(write_much(client) == {b"+OK\r\n"}, "every write is taken")
    used = int(fields(client, "memory")["used_memory"])
    check(4 * 1048576 < used < 9 * 1048576, f"{used} bytes are used")
    check(int(fields(client, "stats")["evicted_keys"]) > 50000, "keys were forgotten")
    check(client.ask("EXISTS", "key:639:99") == b":1\r\n", "the latest is there")


def refuse(port):
    client = cache_resp.Connection(port)
    oom = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
    check(write_much(client) == {b"+OK\r\n", oom}, "writes are taken, then refused")
    check(client.ask("SET", "key", "v") == oom, "it stays full")
    check(client.ask("GET", "key:0:0")[:6] == b"$1000\r", "reading goes on")
    check(client.ask("FLUSHALL") == b"+OK\r\n", "FLUSHALL")
    check(client.ask("SET", "key", "v") == b"+OK\r\n", "there is room again")


def expire(port):
    client = cache_resp.Connection(port)
    for i in range(200):
        client.send(b"".join(cache_resp.encode(["SET", f"key:{i}:{j}", "v", "PX", str(1 + j)]) for j in range(100)))
        for _ in range(100):
            check(client.reply() == b"+OK\r\n", "SET PX")
    client.ask("SET", "stays", "v", "EX", "100000")
    while client.ask("DBSIZE") != b":1\r\n":
        pass
    check(int(fields(client, "stats")["expired_keys"]) == 20000, "all were counted")
    check(client.ask("GET", "stays") == b"$1\r\nv\r\n", "who is not due stays")


def commands(port):
    client = cache_resp.Connection(port)
    keys = [f"key:{i}" for i in range(500)]
    check(client.ask("MSET", *[word for key in keys for word in (key, key)]) == b"+OK\r\n", "MSET")
    check([k.decode() for k in cache_resp.items(client.ask("MGET", *keys))] == keys, "MGET")
    check(client.ask("DBSIZE") == b":500\r\n", "DBSIZE")
    check(sorted(k.decode() for k in cache_resp.items(client.ask("KEYS", "*"))) == sorted(keys), "KEYS")
    check(client.ask("DEL", *keys) == b":500\r\n", "DEL")


{"clients": clients, "forget": forget, "refuse": refuse, "expire": expire, "commands": commands}[sys.argv[1]](int(sys.argv[2]))
