"""``tweakconv explore``: says where it is, takes another port where one is busy, and ends quietly."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tweakconv.view.server import running
from tweakconv.view.server.running import AddressError, listen


@contextmanager
def explore(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running command, and the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tweakconv", "explore", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("tweakconv explorer: http://"), (line, process.communicate())
        yield process, line.split()[2]
    finally:
        process.kill()
        process.communicate()


def get(address: str, path: str = "/") -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_it_serves_the_page_where_it_says_and_ends_quietly_with_ctrl_c():
    with explore("--no-browser", "--port", "0") as (process, address):
        status, page = get(address)
        assert status == 200
        assert "<title>" in page
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert error.strip() == ""


def test_ctrl_c_while_somebody_is_connected_ends_it_all_the_same():
    with explore("--no-browser", "--port", "0") as (process, address):
        place = urlsplit(address)
        with socket.create_connection((place.hostname, place.port)) as idle:
            get(address)
            idle.sendall(b"GET / HT")
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in error


def test_ctrl_c_while_a_film_is_drawn_ends_it_all_the_same():
    with explore("--no-browser", "--port", "0") as (process, address):
        place = urlsplit(address)
        with socket.create_connection((place.hostname, place.port)) as waiting:
            path = "/api/export?format=gif&input_size=9x9&padding=same"
            waiting.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
            get(address, "/api/scene")  # the film is under way
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in error


def test_it_opens_the_page_in_a_browser_unless_told_not_to(tmp_path):
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {seen}\n')
    browser.chmod(0o755)
    with explore("--port", "0", BROWSER=f"{browser} %s") as (_, address):
        deadline = time.monotonic() + 30
        while not seen.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert seen.read_text().strip() == address
    seen.unlink()
    with explore("--port", "0", "--no-browser", BROWSER=f"{browser} %s") as (_, address):
        get(address)
    assert not seen.exists()


def test_a_port_that_is_taken_is_refused_in_one_line():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "tweakconv", "explore", "--no-browser", "--port", str(port)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"--port {port}" in done.stderr


def test_without_a_port_the_next_one_that_is_free_is_taken(monkeypatch):
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(running, "DEFAULT_PORT", port)
        with listen("127.0.0.1", None) as next_one:
            assert port < next_one.getsockname()[1] < port + 20


@pytest.mark.parametrize("host", ["nobody.invalid", "192.0.2.1", "a b", "::ffff:x", "x" * 300])
def test_a_host_that_is_not_this_machine_is_refused_in_words(host):
    with pytest.raises(AddressError, match="--host"):
        listen(host, 0)


def test_letting_others_in_says_what_that_means():
    with explore("--no-browser", "--port", "0", "--host", "0.0.0.0") as (process, address):
        assert address.startswith("http://localhost:")
        assert process.stdout is not None
        words = process.stdout.readline()
        assert "--host 0.0.0.0" in words
        assert "no password" in words
        assert get(address.replace("localhost", "127.0.0.1"))[0] == 200


def test_without_the_libraries_the_command_says_what_to_install():
    program = "import sys; sys.modules['starlette'] = None\nfrom tweakconv.cli import main\nsys.exit(main(['explore']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert 'pip install "tweakconv[view]"' in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_other_commands_do_not_load_the_server():
    program = (
        "import sys\nfrom tweakconv.cli import main\nmain(['size', '28', '--kernel', '3'])\n"
        "assert not {'starlette', 'uvicorn', 'matplotlib'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
