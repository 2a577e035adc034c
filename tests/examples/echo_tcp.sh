#!/bin/bash
# echo_tcp.sh PROGRAM: drives the echo server on a port that the system chooses: many connections at once, a half-close,
# a connection that is dropped; then SIGTERM must end it with status 0.
set -u
exec python3 - "$1" <<'PYTHON'
import signal
import socket
import subprocess
import sys

server = subprocess.Popen([sys.argv[1], "tcp://127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
try:
    line = server.stdout.readline()
    assert line.startswith("listening on port "), line
    port = int(line.split()[-1])

    def connect():
        return socket.create_connection(("127.0.0.1", port), timeout=60)

    def receive(connection, size):
        data = b""
        while len(data) < size:
            more = connection.recv(size - len(data))
            assert more, "closed early"
            data += more
        return data

    connections = [connect() for _ in range(100)]
    for i, connection in enumerate(connections):
        connection.sendall(b"hello %d" % i)
    for i, connection in enumerate(connections):
        expected = b"hello %d" % i
        assert receive(connection, len(expected)) == expected
    connections.pop().close()  # one that ends does not disturb the others

    large = bytes(range(256)) * 16
    for connection in connections[:10]:
        for _ in range(16):
            connection.sendall(large)
            assert receive(connection, len(large)) == large

    half = connections[0]
    half.sendall(b"last words")
    half.shutdown(socket.SHUT_WR)
    assert receive(half, 10) == b"last words"
    assert half.recv(1) == b"", "the server closes after our half-close"

    server.send_signal(signal.SIGTERM)
    status = server.wait(timeout=60)
    assert status == 0, f"status {status}"
    assert server.stdout.read() == "", "nothing else is printed"
    for connection in connections[1:]:
        assert connection.recv(1) == b"", "a connection ends with its process"
finally:
    server.kill()
    server.wait()
print("echo_tcp: ok")
PYTHON
