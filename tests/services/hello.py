"""hello.py BIN: the HTTP service under Python's own client, by hand where that would not make the mistake, and under
the load generator (and wrk, where it is installed)."""
import http.client
import re
import shutil
import subprocess
import sys

import service

BIN = sys.argv[1]
GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


def answers(data, count):
    """Status codes and bodies of `count` answers, and what is behind them."""
    found = []
    for _ in range(count):
        head, data = data.split(b"\r\n\r\n", 1)
        size = int(re.search(rb"\r\nContent-Length: (\d+)", head).group(1))
        found.append((int(head.split()[1]), data[:size]))
        data = data[size:]
    return found, data


def ask_and_close(hello, request):
    client = hello.connect()
    client.sendall(request)
    return service.rest(client)


def a_client_asks_again_on_the_same_connection(hello):
    client = http.client.HTTPConnection("127.0.0.1", hello.port, timeout=100)
    for method, path, code, body in (
        ("GET", "/", 200, b"Hello, World!"),
        ("HEAD", "/", 200, b""),
        ("GET", "/x", 404, b"Not Found"),
        ("POST", "/", 405, b"Method Not Allowed"),
        ("GET", "/", 200, b"Hello, World!"),
    ):
        client.request(method, path, body=b"some body" if method == "POST" else None)
        socket = client.sock
        answer = client.getresponse()
        assert (answer.status, answer.read()) == (code, body), (method, path)
        assert answer.getheader("Date").endswith(" GMT")
        assert client.sock is socket and socket is not None, "the connection stays"


def pipelined_requests_are_answered_in_order(hello):
    some = [GET, b"GET /none HTTP/1.1\r\nHost: here\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nGET ", GET]
    last = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
    data = ask_and_close(hello, b"".join(some) * 100 + last)
    found, behind = answers(data, 401)
    assert [code for code, _ in found] == [200, 404, 405, 200] * 100 + [200] and behind == b""


def a_request_may_come_byte_by_byte(hello):
    client = hello.connect()
    for byte in GET:
        client.sendall(bytes([byte]))
    client.shutdown(1)
    assert answers(service.rest(client), 1) == ([(200, b"Hello, World!")], b"")


def an_old_client_is_told_that_the_connection_stays(hello):
    client = hello.connect()
    client.sendall(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n")
    data = service.rest(client)
    assert data.count(b"\r\nConnection: keep-alive\r\n") == 1 and data.count(b"\r\nConnection: close\r\n") == 1
    assert [code for code, _ in answers(data, 2)[0]] == [200, 200]


def a_mistake_is_answered_and_ends_the_connection(hello):
    for request, code in (
        (b"what?\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\n\r\n", 505),
        (b"GET /" + b"x" * 10000, 431),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
    ):
        found, behind = answers(ask_and_close(hello, request + b"\r\n\r\n" + GET), 1)
        assert found[0][0] == code and behind == b"", (request[:20], found, behind)


def load_is_answered(hello):
    service.load(BIN, "http", hello.port)
    if shutil.which("wrk") is None:
        print("skipped by name: wrk: it is not installed")
        return
    out = subprocess.run(
        ["wrk", "-t", "1", "-c", "16", "-d", "1", f"http://127.0.0.1:{hello.port}/"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "requests in" in out and "Non-2xx" not in out and "Socket errors" not in out, out


with service.running(BIN, "hello") as hello:
    a_client_asks_again_on_the_same_connection(hello)
    pipelined_requests_are_answered_in_order(hello)
    a_request_may_come_byte_by_byte(hello)
    an_old_client_is_told_that_the_connection_stays(hello)
    a_mistake_is_answered_and_ends_the_connection(hello)
    load_is_answered(hello)
print("hello: ok")
