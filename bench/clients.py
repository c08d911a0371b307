"""The clients of scale.py that wrk cannot be: crowds of connections that wait, HTTP/2, TLS."""

import re
import selectors
import socket
import subprocess
import time

import measure
from servers import MODULES, WORK


def status(port, path, host):
    """The status of one request with this Host, on a connection of its own."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request(path, host, "close"))
        answer = connection.recv(65536)
        return int(answer.split()[1])


def request(path, host="localhost", after="keep-alive"):
    return ("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\n\r\n" % (path, host, after)).encode()


class Crowd:
    """Many connections that have sent one request each, and stay."""

    def __init__(self, port, size, path="/hello", wait=True):
        self.selector, self.sockets = selectors.DefaultSelector(), []
        for number in range(size):
            # One address has too few ports for 10,000 connections beside those of wrk.
            source = "127.0.%d.1" % (1 + number // 5000)
            client = socket.create_connection(("127.0.0.1", port), 20, (source, 0))
            client.sendall(request(path))
            self.sockets.append(client)
            if wait:
                client.recv(65536)
        self.opened = len(self.sockets)

    def lost(self):
        """How many the server has closed."""
        return sum(1 for client in self.sockets if self.peek(client) == b"")

    def failed(self, limit=30):
        """How many of the requests were not answered by 200; waits for the answers."""
        failed = 0
        for client in self.sockets:
            client.settimeout(limit)
            try:
                failed += b" 200 " not in client.recv(65536)[:20]
            except OSError:
                failed += 1
        return failed

    @staticmethod
    def peek(client):
        client.setblocking(False)
        try:
            return client.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for client in self.sockets:
            client.close()


def tls_lines():
    """The lines of httpd with a certificate of its own, made once."""
    key, certificate = WORK / "tls.key", WORK / "tls.crt"
    if not certificate.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-subj", "/CN=localhost", "-days", "3650", "-keyout", key, "-out", certificate], check=True,
                       capture_output=True)
    return ("LoadModule socache_shmcb_module %s/mod_socache_shmcb.so\nLoadModule ssl_module %s/mod_ssl.so\n"
            "Protocols h2 http/1.1\nSSLEngine On\nSSLCertificateFile %s\nSSLCertificateKeyFile %s\n" % (
                MODULES, MODULES, certificate, key))


def h2load(server, kind, seconds):
    """One run of h2load: rate, CPU per request, mean time of a request, failures."""
    protocol, _, secure = kind.partition("-")
    streams = ["--h1"] if protocol == "h1" else ["-m", "4"]
    address = "http%s://127.0.0.1:%d/hello" % ("s" if secure else "", server.port)
    noise, before = measure.Noise(server), server.cpu()
    command = ["h2load", "-t1", "-c16", "-D%d" % seconds, *streams, address]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    cpu = server.cpu() - before
    found = re.search(r"requests: .* (\d+) succeeded, (\d+) failed", text)
    mean = re.search(r"time for request:\s+\S+\s+\S+\s+(\S+)", text)
    if not found or not int(found.group(1)):
        raise RuntimeError("h2load says: %s" % text.strip()[-300:])
    done = int(found.group(1))
    return {"requests": done, "rate": done / seconds, "cpu": cpu / done * 1e6, "errors": int(found.group(2)),
            "mean": measure.micros(mean.group(1)), "when": time.time(), **noise.stop()}
