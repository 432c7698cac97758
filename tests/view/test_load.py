"""A real server under many requests at once: every one is answered, rightly, and memory does not grow."""

from __future__ import annotations

import contextlib
import gc
import http.client
import json
import socket
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
from tests.view.images import encoded, noise

import tweakconv as tc
from tweakconv.kernels import parse_kernel
from tweakconv.view.server import exports, pictures
from tweakconv.view.server.answers import Refusal
from tweakconv.view.server.body import Room


def ask(address, method, path, body=None, headers=()):
    """Status, headers and body of an answer, over a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=120)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def at_once(address, requests):
    """The answers to requests that are all under way before the first is answered."""
    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(lambda request: ask(address, *request), requests))


def test_fifty_filters_at_once_are_all_answered_with_their_own_pixels(explorer):
    pixels = noise(200, 301)
    name = json.loads(ask(explorer, "POST", "/api/pictures", encoded(pixels))[2])["picture"]
    kernels = [f"{number} 1 -2; 0 {-number} 3" for number in range(50)]
    answers = at_once(
        explorer,
        [("GET", f"/api/picture?picture={name}&value_range=clip&kernel={quote(kernel)}") for kernel in kernels],
    )
    for kernel, (status, _, body) in zip(kernels, answers, strict=True):
        assert status == 200
        values = tc.filter2d(pixels.astype(np.float32), parse_kernel(kernel).weights)
        expected = np.rint(values).clip(0, 255).astype(np.uint8)
        np.testing.assert_array_equal(np.frombuffer(body, np.uint8).reshape(200, 301, 4)[..., :3], expected)


def test_fifty_requests_of_every_kind_at_once_disturb_nobody(explorer):
    form = {"content-type": "application/x-www-form-urlencoded"}
    picture = encoded(noise(50, 40), "JPEG")
    kinds = [
        ("GET", "/", None, {}, 200),
        ("GET", "/static/player.js", None, {}, 200),
        ("GET", "/api/about", None, {}, 200),
        ("GET", "/api/scene?input_size=12x9&strides=2", None, {}, 200),
        ("POST", "/api/scene", b"padding=same&view=flat", form, 200),
        ("GET", "/api/picture?kernel=gaussian:7&strides=2", None, {}, 200),
        ("POST", "/api/pictures", picture, {}, 201),
        ("POST", "/api/pictures", picture[:300], {}, 400),
        ("GET", "/api/export?still=1", None, {}, 200),
        ("GET", "/api/scene?strides=0", None, {}, 400),
    ]
    requests = kinds * 5
    answers = at_once(explorer, [request[:4] for request in requests])
    assert [status for status, _, _ in answers] == [request[4] for request in requests]
    for first in range(len(kinds)):
        bodies = {body for (_, _, body) in answers[first :: len(kinds)]}
        names_differ = kinds[first][1] == "/api/pictures" and kinds[first][4] == 201
        assert len(bodies) == (5 if names_differ else 1)


def test_a_connection_that_says_nothing_keeps_nobody_waiting(explorer):
    place = urlsplit(explorer)
    idle = [socket.create_connection((place.hostname, place.port)) for _ in range(60)]
    try:
        for connection in idle[:30]:  # half of them begin to send a picture, and stop
            connection.sendall(
                b"POST /api/pictures HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000000\r\n\r\n\x89PNG\r\n\x1a\n"
            )
        assert ask(explorer, "GET", "/api/scene")[0] == 200
        assert ask(explorer, "POST", "/api/pictures", encoded(noise(9, 9)))[0] == 201
    finally:
        for connection in idle:
            connection.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nhost: evil.example\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /api/scene?\xff=\x00 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nhost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"POST /api/scene HTTP/1.1\r\nhost: localhost\r\ncontent-length: -5\r\n\r\n",
        b"POST /api/pictures HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /api/pictures HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting \r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
    ids=["another host", "no host", "no text", "a query that is no text", "a proxy's request", "two hosts",
         "less than nothing", "no chunk", "more than there is", "tls", "endless headers"],
)  # fmt: skip
def test_what_is_no_proper_request_is_refused(explorer, sent):
    place = urlsplit(explorer)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        answer = b""
        with contextlib.suppress(OSError):  # it may hang up before it has heard everything
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                answer += part
    assert answer == b"" or 400 <= int(answer.split(b" ")[1]) < 500


def test_a_film_for_somebody_who_has_gone_is_given_up_and_those_in_the_queue_are_passed_over(explorer, monkeypatch):
    begun, given_up = threading.Semaphore(0), threading.Semaphore(0)

    def endless_film(*arguments, on_frame, **options):
        begun.release()
        try:
            while True:
                on_frame()
                time.sleep(0.005)
        finally:
            given_up.release()

    monkeypatch.setattr(exports, "gif", endless_film)
    place = urlsplit(explorer)
    asking = [socket.create_connection((place.hostname, place.port)) for _ in range(5)]
    for connection in asking:
        connection.sendall(b"GET /api/export?format=gif HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert begun.acquire(timeout=60)  # one has its turn, the others wait
    for connection in reversed(asking):
        connection.close()
    assert given_up.acquire(timeout=60)
    drawn = []
    monkeypatch.setattr(exports, "gif", lambda *arguments, **options: drawn.append(1) or b"GIF89a")
    assert ask(explorer, "GET", "/api/export?format=gif")[2] == b"GIF89a"
    assert len(drawn) == 1


def test_pictures_for_those_who_have_gone_meanwhile_are_not_filtered(explorer, monkeypatch):
    """What a slider asked for before it moved on."""
    begun, go_on = threading.Semaphore(0), threading.Event()
    filtered = []

    def waiting(*arguments, **options):
        filtered.append(1)
        begun.release()
        go_on.wait(timeout=60)
        raise ValueError("this took a while")

    monkeypatch.setattr(pictures, "filter_picture", waiting)
    place = urlsplit(explorer)
    asking = [socket.create_connection((place.hostname, place.port)) for _ in range(8)]
    for connection in asking:
        connection.sendall(b"GET /api/picture?kernel=blur HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert begun.acquire(timeout=60)
    assert begun.acquire(timeout=60)  # two are being filtered, six wait
    for connection in asking:
        connection.close()
    assert ask(explorer, "GET", "/api/kernel?kernel=blur")[0] == 200  # the server has heard of it
    go_on.set()
    assert ask(explorer, "GET", "/api/picture?kernel=blur")[0] == 400
    assert len(filtered) == 3


def test_bodies_share_a_bounded_room():
    room = Room(100)
    with room.share() as first, room.share() as second:
        first(60)
        second(40)
        with pytest.raises(Refusal, match="memory is full") as refused:
            second(1)
        assert refused.value.status == 429
    with room.share() as third:
        third(100)


def test_memory_does_not_grow_with_the_number_of_requests(client):
    """What is remembered on purpose (compiled code, geometries, pictures) is remembered in the first rounds."""
    picture, damaged = encoded(noise(60, 70)), encoded(noise(60, 70))[:500]

    def one_round():
        for step in range(2):
            client.get(f"/api/scene?strides=2&step={step}&padding=same")
            client.get(f"/api/picture?kernel=sobel-x&strides=2&padding={step}")
            client.get("/api/scene?strides=none")
            client.get("/nothing")
        name = client.post("/api/pictures", content=picture).json()["picture"]
        client.get(f"/api/picture?picture={name}&kernel=blur&format=png")
        client.delete(f"/api/pictures/{name}")
        client.post("/api/pictures", content=damaged)
        client.get("/api/export?still=1")

    for _ in range(3):
        one_round()
    tracemalloc.start()
    try:
        one_round()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(6):
            one_round()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 6 * 10_000  # one picture of this size a round, or one answer, would be more


def test_pictures_that_nobody_asks_for_any_more_make_room(client):
    """More pictures than are kept: the oldest are gone, the newest are there."""
    names = [
        client.post("/api/pictures", content=encoded(noise(4, 4, seed=seed))).json()["picture"] for seed in range(70)
    ]
    statuses = [client.get(f"/api/picture?picture={name}").status_code for name in names]
    assert statuses[:6] == [410] * 6
    assert statuses[-64:] == [200] * 64
