"""cache_malformed.py PORT SEED: sends what no client would; a well-behaved client beside it must not notice."""
import random
import struct
import sys

import cache_resp

ROUNDS = 600
WORDS = [b"GET", b"SET", b"MSET", b"MGET", b"DEL", b"EXPIRE", b"INCRBY", b"SCAN", b"KEYS", b"CONFIG", b"CLIENT", b"COMMAND",
         b"HELLO", b"INFO", b"APPEND", b"GETRANGE", b"key", b"k2", b"0", b"-1", b"9223372036854775807", b"EX", b"PX", b"NX",
         b"COUNT", b"MATCH", b"*", b"[", b"\\", b"", b"\x00", b"\r\n", b"x" * 300]


def check(condition, what):
    if not condition:
        print(f"FAILED (seed {seed}): {what}")
        sys.exit(1)


def request(chance):
    return cache_resp.encode([chance.choice(WORDS) for _ in range(chance.randint(1, 8))])


def damage(chance, data):
    data = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data))
        kind = chance.randrange(4)
        if kind == 0:
            data[at] = chance.randrange(256)
        elif kind == 1:
            del data[at:at + chance.randint(1, 5)]
        elif kind == 2:
            data[at:at] = bytes(chance.choice(b"*$\r\n-0123456789'\"\\x") for _ in range(chance.randint(1, 5)))
        else:
            data[at:at] = data[:chance.randrange(len(data))]
        if not data:
            data = bytearray(b"*")
    return bytes(data)


def garbage(chance):
    kind = chance.randrange(5)
    if kind == 0:
        return bytes(chance.randrange(256) for _ in range(chance.randint(1, 200)))
    if kind == 1:
        whole = request(chance)
        return whole[:chance.randrange(1, len(whole))]
    if kind == 2:
        return b"*%d\r\n" % chance.choice([-1, 0, 1, 1048576, 1048577, 2 ** 31, 2 ** 63]) + request(chance)
    if kind == 3:
        return b"*2\r\n$3\r\nGET\r\n$%d\r\nxyz" % chance.choice([-1, 0, 3, 67108864, 67108865, 536870912, 2 ** 40])
    return damage(chance, b"".join(request(chance) for _ in range(chance.randint(1, 5))))


def one(chance, port):
    client = cache_resp.Connection(port)
    data = garbage(chance)
    how = chance.randrange(3)
    try:
        at = 0
        while at < len(data):
            size = chance.randint(1, len(data)) if how == 0 else len(data)
            client.send(data[at:at + size])
            at += size
        if how == 1:  # end with a reset
            client.socket.setsockopt(1, 13, struct.pack("ii", 1, 0))
            client.close()
            return
        client.socket.shutdown(1)
    except OSError:
        pass
    client.rest()
    client.close()


def never_reads(port):
    """Asks for much and reads nothing: the cache waits for it alone."""
    client = cache_resp.Connection(port)
    client.ask("SET", "large", b"x" * 1000000)
    client.socket.setblocking(False)
    try:
        while True:
            client.socket.send(cache_resp.encode(["GET", "large"]) * 100)
    except BlockingIOError:
        pass
    return client


def too_large(port):
    """An argument that is longer than may be is refused before it is sent; a request without end is cut off."""
    client = cache_resp.Connection(port)
    client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % (64 * 1024 * 1024 + 1))
    check(client.rest() == b"-ERR Protocol error: invalid bulk length\r\n", "too long an argument")
    client = cache_resp.Connection(port)
    piece = b"$1048576\r\n" + b"x" * 1048576 + b"\r\n"
    sent = 0
    try:
        client.send(b"*1000\r\n$4\r\nMSET\r\n")
        while sent < 1000:
            client.send(piece)
            sent += 1
    except OSError:
        pass
    check(sent < 200, f"a request without end was taken: {sent} MB")


port, seed = int(sys.argv[1]), int(sys.argv[2])
chance = random.Random(seed)
witness = cache_resp.Connection(port)
stuck = never_reads(port)
too_large(port)
for i in range(ROUNDS):
    one(chance, port)
    if i % 10 == 0:
        check(witness.ask("SET", f"witness:{i}", "v") in (b"+OK\r\n",), "the witness writes")
        check(witness.ask("GET", f"witness:{i}") == b"$1\r\nv\r\n", "the witness reads")
stuck.close()
print(f"{ROUNDS} connections of garbage (seed {seed})")
