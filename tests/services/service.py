"""service.py: starts a service of bench/services for a test and stops it in order; waits for events, not for time."""
import contextlib
import json
import re
import signal
import socket
import subprocess


class Service:
    def __init__(self, folder, name, *options):
        self.process = subprocess.Popen(
            [f"{folder}/{name}", "--port", "0", *options], stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        match = re.search(r" port (\d+)$", line.strip())
        assert match, f"{name} did not start: {line!r}"
        self.port = int(match.group(1))

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=100)

    def stop(self):
        """SIGTERM; it must end well."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=100)
        assert status == 0, f"status {status}"


@contextlib.contextmanager
def running(folder, name, *options):
    service = Service(folder, name, *options)
    try:
        yield service
        service.stop()
    finally:
        service.process.kill()
        service.process.wait()


def receive(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        assert more, f"closed after {data!r}"
        data += more
    return data


def rest(connection):
    """All that comes until the other side closes."""
    data = b""
    while True:
        more = connection.recv(65536)
        if not more:
            return data
        data += more


def load(folder, protocol, port):
    """What the load generator says of a second of requests, all of which were answered."""
    options = {"protocol": protocol, "port": port, "rate": 200, "seconds": 1, "warm-up": 0.1, "connections": 8}
    command = [f"{folder}/load", *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
    line = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert line["answered"] == line["planned"] > 0 and line["lost"] == 0, line
    return line
