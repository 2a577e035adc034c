"""cache_resp.py: a small RESP2 client for the tests of this folder: bytes in, bytes out, nothing interpreted that need
not be."""
import codecs
import shlex
import socket


def connect(address):
    """address: a port, or the path of a Unix socket."""
    if isinstance(address, int):
        return socket.create_connection(("127.0.0.1", address))
    client = socket.socket(socket.AF_UNIX)
    client.connect(address)
    return client


def unescape(text):
    """Text with \\n, \\x00 and the like as bytes."""
    return codecs.decode(text, "unicode_escape").encode("latin-1")


def split(line):
    """A line of a table as arguments."""
    return [unescape(word) for word in shlex.split(line.replace("\\", "\\\\"))]


def encode(arguments):
    """A request."""
    out = b"*%d\r\n" % len(arguments)
    for argument in arguments:
        if isinstance(argument, str):
            argument = argument.encode()
        out += b"$%d\r\n%s\r\n" % (len(argument), argument)
    return out


class Connection:
    """A connection whose replies are read as the bytes that they are."""

    def __init__(self, address):
        self.socket = connect(address)
        self.buffer = b""

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(self.buffer)
        self.buffer += data

    def take(self, size):
        while len(self.buffer) < size:
            self.fill()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.fill()
        return self.take(self.buffer.index(b"\r\n") + 2)

    def reply(self):
        """The next whole reply."""
        head = self.line()
        if head[:1] == b"$" and head != b"$-1\r\n":
            return head + self.take(int(head[1:]) + 2)
        if head[:1] == b"*" and head != b"*-1\r\n":
            return head + b"".join(self.reply() for _ in range(int(head[1:])))
        return head

    def ask(self, *arguments):
        self.send(encode(arguments))
        return self.reply()

    def rest(self):
        """All that comes until the other side closes."""
        try:
            while True:
                self.fill()
        except (EOFError, ConnectionError):
            pass
        data, self.buffer = self.buffer, b""
        return data


def items(reply):
    """The bulk strings of a flat array."""
    parts = []
    at = reply.index(b"\r\n") + 2
    while at < len(reply):
        end = reply.index(b"\r\n", at)
        size = int(reply[at + 1:end])
        if size < 0:
            parts.append(None)
            at = end + 2
        else:
            parts.append(reply[end + 2:end + 2 + size])
            at = end + 2 + size + 2
    return parts
