#!/usr/bin/env python3
"""Resident memory of a server through many rooms.

Starts a server of its own, creates and touches 1,000 rooms, then 100,000, joins some of them by 2,000
WebSockets, waits until nothing was used for 60 seconds, and prints the resident memory at each step as JSON.
Needs Linux and Python 3.8; nothing else. Run it from the repository's first folder:

    cargo build --release && benches/rooms_memory.py target/release/seabag [options of serve]
"""
import http.client
import json
import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from multiprocessing import Pool

FIRST_ROOMS = 1_000
ROOMS = int(os.environ.get("ROOMS", 100_000))
CONNECTIONS = 2_000
WRITERS = 4
QUIET_SECONDS = 60


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def touch_rooms(work):
    """Creates rooms, pushes once to each, and gives their ids."""
    address, count = work
    connection, rooms = http.client.HTTPConnection(address), []
    push = json.dumps({"type": "push", "key": "k", "value": "x" * 100, "action": {"type": "append"}})
    for _ in range(count):
        connection.request("POST", "/new")
        rooms.append(json.loads(connection.getresponse().read())["room"])
        connection.request("POST", f"/room/{rooms[-1]}/send", push, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
    return rooms


def join(address, room):
    """A WebSocket that has joined a room, as a plain socket."""
    host, port = address.split(":")
    peer = socket.create_connection((host, int(port)))
    peer.sendall(
        f"GET /room/{room}/connect HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: seabag.v1\r\n\r\n".encode()
    )
    received = b""
    while b'"hello"' not in received:
        received += peer.recv(4096)
    return peer


def main(binary, *options):
    resource.setrlimit(resource.RLIMIT_NOFILE, (16_384, 16_384))
    with tempfile.TemporaryDirectory() as folder, Pool(WRITERS) as pool:
        ready = os.path.join(folder, "ready.json")
        addresses = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--ready-file", ready]
        server = subprocess.Popen(
            [binary, "serve", *addresses, "--data", os.path.join(folder, "data"), *options],
            stderr=subprocess.DEVNULL,
        )
        try:
            while not os.path.exists(ready):
                time.sleep(0.1)
            with open(ready) as file:
                known = json.load(file)

            def report(step, **more):
                print(json.dumps({"step": step, "resident_kib": resident_kib(server.pid), **more}), flush=True)
                return resident_kib(server.pid)

            def touch(count):
                share = [(known["address"], count // WRITERS)] * WRITERS
                return [room for rooms in pool.map(touch_rooms, share) for room in rooms]

            report("started")
            touch(FIRST_ROOMS)
            first = report(f"{FIRST_ROOMS} rooms")
            started = time.monotonic()
            rooms = touch(ROOMS)
            report(f"{ROOMS} rooms", rooms_per_second=round(ROOMS / (time.monotonic() - started)))
            peers = [join(known["address"], room) for room in random.sample(rooms, CONNECTIONS)]
            report(f"{CONNECTIONS} connections")
            for peer in peers:
                peer.close()
            time.sleep(QUIET_SECONDS)
            last = report(f"{QUIET_SECONDS} s later")
            metrics = urllib.request.urlopen(f"http://{known['admin_address']}/metrics").read().decode()
            loaded = next(line for line in metrics.splitlines() if line.startswith("seabag_rooms_loaded "))
            print(json.dumps({"ratio_to_first": round(last / first, 3), "loaded": loaded}))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
