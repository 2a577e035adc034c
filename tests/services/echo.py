"""echo.py BIN: the echo service: many clients, large data with back-pressure, a half-close, the load generator, by
itself and by `troupe bench`, a port that is taken, SIGTERM while clients are connected."""
import json
import subprocess
import sys
import threading

import service

BIN = sys.argv[1]


def many_clients_get_their_own_bytes_back(echo):
    clients = [echo.connect() for _ in range(100)]
    for i, client in enumerate(clients):
        client.sendall(b"client %d;" % i)
    for i, client in enumerate(clients):
        wanted = b"client %d;" % i
        assert service.receive(client, len(wanted)) == wanted
    return clients


def a_client_that_reads_late_loses_nothing(echo):
    client, data = echo.connect(), bytes(range(256)) * 40000  # more than the buffers between us hold
    sender = threading.Thread(target=client.sendall, args=(data,))
    sender.start()
    assert service.receive(client, len(data)) == data
    sender.join()


def after_a_half_close_the_rest_comes_back(echo):
    client = echo.connect()
    client.sendall(b"last words")
    client.shutdown(1)
    assert service.rest(client) == b"last words"


def the_load_generator_is_answered(echo):
    line = service.load(BIN, "echo", echo.port)
    assert sum(count for _, count in line["histogram"]) == line["answered"], line


def the_command_runs_service_and_load():
    if "aarch64" in BIN:
        print("skipped by name: troupe bench echo: an emulated program cannot start another")
        return
    out = subprocess.run(
        [f"{BIN}/troupe", "bench", "echo", "rate=300", "seconds=1", "connections=4"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    line = json.loads(out)
    assert (
        line["workload"] == "echo" and line["ops"] > 0 and line["lost"] == 0 and line["p99_us"] >= line["p50_us"] > 0
    ), line


def a_taken_port_is_said_and_ends_it(echo):
    second = subprocess.run([f"{BIN}/echo", "--port", str(echo.port)], capture_output=True, text=True, timeout=100)
    assert second.returncode == 1 and "can't listen on" in second.stderr, second


with service.running(BIN, "echo") as echo:
    clients = many_clients_get_their_own_bytes_back(echo)
    a_client_that_reads_late_loses_nothing(echo)
    after_a_half_close_the_rest_comes_back(echo)
    the_load_generator_is_answered(echo)
    the_command_runs_service_and_load()
    a_taken_port_is_said_and_ends_it(echo)
    echo.stop()
    for client in clients:
        assert client.recv(1) == b"", "a connection ends with the service"
print("echo: ok")
