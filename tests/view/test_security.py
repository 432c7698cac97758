"""Nobody but the server's own page reaches it, and nothing that a request says is opened, kept or run."""

from __future__ import annotations

import sys
import urllib.parse

import pytest
from starlette.testclient import TestClient
from tests.view.images import encoded, noise

from tweakconv.view.server.app import make_app
from tweakconv.view.server.guard import Hosts
from tweakconv.view.server.store import PictureStore


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:9999", "LOCALHOST", "localhost.", "127.0.0.1:8765", "127.9.8.7", "[::1]", "[::1]:80"],
)
def test_loopback_by_any_name_is_answered(client, host):
    assert client.get("/api/kernel?kernel=blur", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["example.org", "localhost.example.org", "127.0.0.1.example.org", "example.org:8765", "10.0.0.1", "0.0.0.0", "[::]",
     "localhost@example.org", "127.0.0.1:80:80", "", " ", "2130706433", "[::1", "::1:1:1", "localhost:80:localhost"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/static/player.js", "/api/scene", "/nothing"])
def test_another_host_name_is_refused_so_that_a_rebound_name_reaches_nothing(client, host, path):
    answer = client.get(path, headers={"host": host})
    assert answer.status_code == 421
    assert "Host header" in answer.json()["error"]


def test_two_host_headers_are_refused(client):
    answer = client.get("/", headers=[("host", "localhost"), ("host", "localhost")])
    assert answer.status_code == 421


def test_a_server_for_others_is_asked_for_by_address_or_by_a_name_that_is_allowed():
    hosts = Hosts(frozenset({"lab.example.org"}), any_address=True)
    with TestClient(make_app(hosts), base_url="http://10.1.2.3:8765") as client:
        for host, status in {
            "10.1.2.3": 200,
            "lab.example.org:8765": 200,
            "[2001:db8::1]:8765": 200,
            "evil.org": 421,
        }.items():
            assert client.get("/", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://example.org"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/scene"), ("POST", "/api/pictures"), ("DELETE", "/api/pictures/x")]
)
def test_requests_from_other_sites_are_refused(client, headers, method, path):
    answer = client.request(method, path, headers=headers, content=b"")
    assert answer.status_code == 403
    assert "refused" in answer.json()["error"]


def test_requests_from_its_own_page_and_links_to_it_are_answered(client):
    own = {"origin": "http://localhost", "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
    assert client.get("/api/scene", headers=own).status_code == 200
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/?tab=layer", headers=link).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/static/player.js", "/api/scene", "/api/scene?strides=0", "/nothing", "/api/picture"]
)
def test_every_answer_forbids_scripts_and_styles_that_are_not_its_own_files(client, path):
    headers = client.get(path).headers
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"


def test_refusals_have_these_headers_too(client):
    assert "content-security-policy" in client.get("/", headers={"host": "example.org"}).headers


@pytest.mark.parametrize("path", ["/", "/api/scene", "/api/scene?view=flat", "/api/layers?layer=3+s2"])
def test_nothing_that_is_served_needs_what_the_policy_forbids(client, path):
    answer = client.get(path)
    markup = answer.json()["svg"] if path.startswith("/api") else answer.text
    for forbidden in ("<style", "style=", "onclick", "onload", "javascript:", "http://", "https://"):
        found = markup.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert forbidden not in found
    assert "<script>" not in markup


class OpenedFiles:
    """The paths that Python opens while it is watching; an audit hook cannot be taken away, but it can look away."""

    def __init__(self):
        self.paths = None
        sys.addaudithook(self._hook)

    def _hook(self, event, arguments):
        if self.paths is not None and event in ("open", "os.listdir", "os.scandir", "glob.glob", "subprocess.Popen"):
            self.paths.append(arguments[0])


opened = OpenedFiles()

_PATHS = ["/etc/passwd", "../../pyproject.toml", "weights.npy", "/etc/hostname.txt", "kernel.csv", "file:///etc/passwd",
          "C:\\Windows\\win.ini", "~/.ssh/id_rsa", "sample:../photograph", "con"]  # fmt: skip


@pytest.mark.parametrize("path", _PATHS)
def test_no_path_in_a_request_opens_a_file(client, path):
    quoted = urllib.parse.quote(path, safe="")
    # Whatever is loaded once is loaded before.
    client.get("/api/picture"), client.get("/api/scene"), client.get("/api/export?format=svg&still=1")
    data = encoded(noise(3, 3))
    opened.paths = []
    try:
        for name in ("kernel", "picture", "padding", "input_edits", "value_range", "format", "strides"):
            client.get(f"/api/picture?{name}={quoted}")
            client.post("/api/scene", data={name: path})
            client.get(f"/api/export?still=1&{name}={quoted}")
        for place in ("/static/", "/", "/api/", "/api/pictures/"):
            client.get(f"{place}{quoted}")
            client.get(f"{place}{path}")
            client.delete(f"{place}{quoted}")
        client.get(f"/api/kernel?kernel={quoted}")
        client.post("/api/pictures", content=path.encode())
        client.post("/api/pictures", content=data, headers={"content-disposition": f'attachment; filename="{path}"'})
    finally:
        found, opened.paths = opened.paths, None
    assert found == []


def test_pictures_are_not_written_to_disk(client):
    data = encoded(noise(300, 200))
    client.get("/api/picture?kernel=sharpen")
    opened.paths = []
    try:
        name = client.post("/api/pictures", content=data).json()["picture"]
        assert client.get(f"/api/picture?picture={name}&kernel=sharpen").status_code == 200
        assert client.get(f"/api/picture?picture={name}&kernel=sharpen&format=png").status_code == 200
    finally:
        found, opened.paths = opened.paths, None
    assert [path for path in found if not str(path).startswith(("/proc", "/sys"))] == []


def test_the_watch_sees_what_is_opened(tmp_path):
    opened.paths = []
    (tmp_path / "seen").write_text("")
    found, opened.paths = opened.paths, None
    assert str(tmp_path / "seen") in map(str, found)


def test_two_tabs_do_not_disturb_each_other(client):
    """What one tab is told follows from its own request alone, whatever another asks in between."""
    first, second = "strides=2&seed=1&input_edits=0.0:9", "strides=1&seed=2&view=flat"
    alone = [client.get(f"/api/scene?{query}").json() for query in (first, second)]
    for _ in range(3):
        assert [client.get(f"/api/scene?{query}").json() for query in (first, second)] == alone
        client.get("/api/scene?strides=0")


def test_applications_share_no_pictures():
    with (
        TestClient(make_app(store=PictureStore()), base_url="http://localhost") as one,
        TestClient(make_app(store=PictureStore()), base_url="http://localhost") as other,
    ):
        name = one.post("/api/pictures", content=encoded(noise(3, 3))).json()["picture"]
        assert one.get(f"/api/picture?picture={name}").status_code == 200
        assert other.get(f"/api/picture?picture={name}").status_code == 410


def test_no_answer_sets_a_cookie(client):
    for path in ("/", "/api/about", "/api/scene"):
        assert "set-cookie" not in client.get(path).headers
