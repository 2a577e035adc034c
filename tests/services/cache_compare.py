"""cache_compare.py PORT SOCKET TABLE: the commands of the table to both servers; what differs is printed, and the
status is 1.

A line of the table is a command; before it may stand:
  sorted:  an array whose order is not defined
  near:    an integer that depends on the time: at most 100 apart
  scan:    the arguments of SCAN after the cursor; the keys of the whole walk, sorted
  raw:     bytes on a connection of their own, which is then half-closed; all that comes back
"""
import sys

import cache_resp

PLAIN, SORTED, NEAR, SCAN, RAW = "", "sorted", "near", "scan", "raw"


def read_table(path):
    table = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            kind = line.split(":", 1)[0]
            if kind in (SORTED, NEAR, SCAN, RAW):
                table.append((kind, line.split(":", 1)[1].strip()))
            else:
                table.append((PLAIN, line))
    return table


def same(kind, ours, theirs):
    if kind == SORTED and ours[:1] == theirs[:1] == b"*":
        return sorted(cache_resp.items(ours), key=repr) == sorted(cache_resp.items(theirs), key=repr)
    if kind == NEAR and ours[:1] == theirs[:1] == b":":
        return abs(int(ours[1:]) - int(theirs[1:])) <= 100
    return ours == theirs


def walk(connection, arguments):
    cursor, keys = b"0", set()
    while True:
        reply = connection.ask(b"SCAN", cursor, *arguments)
        if reply[:1] != b"*":
            return reply
        connection_cursor, rest = reply.split(b"\r\n", 3)[2], reply.split(b"\r\n", 3)[3]
        keys.update(cache_resp.items(rest))
        cursor = connection_cursor
        if cursor == b"0":
            return repr(sorted(keys)).encode()


def raw(address, text):
    connection = cache_resp.Connection(address)
    connection.send(eval(text))  # an expression of bytes, from our own table
    try:
        connection.socket.shutdown(1)
    except OSError:
        pass
    reply = connection.rest()
    connection.close()
    return reply


def one(connection, address, kind, text):
    if kind == RAW:
        return raw(address, text)
    arguments = cache_resp.split(text)
    return walk(connection, arguments) if kind == SCAN else connection.ask(*arguments)


def report(where, text, ours, theirs):
    print(f"{where}: {text}\n  cache {ours[:300]!r}\n  redis {theirs[:300]!r}")
    return 1


def main():
    ports = (int(sys.argv[1]), sys.argv[2])
    table = read_table(sys.argv[3])
    connections = [cache_resp.Connection(port) for port in ports]
    different = 0
    for kind, text in table:
        ours, theirs = (one(c, a, kind, text) for c, a in zip(connections, ports))
        if not same(kind, ours, theirs):
            different += report("alone", text, ours, theirs)
    lines = [(kind, text) for kind, text in table if kind not in (SCAN, RAW)]
    stream = b"".join(cache_resp.encode(cache_resp.split(text)) for _, text in lines)
    for connection in connections:
        connection.ask("FLUSHALL")
        connection.send(stream)
    for kind, text in lines:
        ours, theirs = (connection.reply() for connection in connections)
        if not same(kind, ours, theirs):
            different += report("pipeline", text, ours, theirs)
    print(f"{len(table)} lines, {different} differences")
    return 1 if different else 0


sys.exit(main())
