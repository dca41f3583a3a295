"""Downloads from a server of this machine that does what servers do: N-MNIST in miniature."""

import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from course_lib.events import fetching, find_recordings, folders
from course_lib.events.files import try_lock
from course_lib.events.recordings import decode
from course_lib.run import cli

EVENTS = bytes([3, 4, 128, 0, 9]) * 20
COUNTS = {"Train": 20, "Test": 10}


def archive(names, data=EVENTS) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as packed:
        for name in names:
            packed.writestr(name, data)
    return memory.getvalue()


def recordings(part: str) -> list[str]:
    return [f"{part}/{k % 10}/{k + 1:05}.bin" for k in range(COUNTS[part])]


class Server(ThreadingHTTPServer):
    """Serves ``files`` by name. ``answers``: what it does to the next requests, in turn."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {f"/{part}": archive(recordings(part)) for part in COUNTS}
        self.answers, self.ranges = [], []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        data, asked = self.server.files[self.path], self.headers.get("Range")
        self.server.ranges.append(asked)
        answer = self.server.answers.pop(0) if self.server.answers else "whole"
        begin = int(asked[6:-1]) if asked and answer != "no ranges" else 0
        if answer in ("404", "503"):
            return self.send_error(int(answer))
        if answer == "nonsense":
            return self.wfile.write(b"what?\r\n\r\n")
        if answer == "hangs":
            return self.server.let_go.wait(60)
        if begin >= len(data):
            return self.send_error(416)
        html = answer == "page"
        self.send_response(206 if begin else 200)
        self.send_header("Content-Type", "text/html" if html else "application/zip")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        part = data[begin : (begin + len(data)) // 2] if answer == "cut" else data[begin:]
        self.wfile.write(b"?" * len(part) if answer == "damaged" else part)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """Its two archives stand in for the published ones."""
    server = Server()
    server.let_go = threading.Event()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(fetching, "SECONDS", 1)
    monkeypatch.setattr(folders, "FULL_TRAIN", COUNTS["Train"])
    monkeypatch.setattr(folders, "FULL_TEST", COUNTS["Test"])
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    publish(server, monkeypatch)
    yield server
    server.let_go.set()
    server.shutdown()
    server.server_close()
    thread.join()


def publish(server, monkeypatch):
    address = f"http://127.0.0.1:{server.server_port}"
    published = {
        part: (f"{address}/{part}", f"{part.lower()}.zip",
               hashlib.md5(server.files[f"/{part}"]).hexdigest())
        for part in COUNTS
    }  # fmt: skip
    monkeypatch.setattr(fetching, "ARCHIVES", published)


def whole(folder):
    found = find_recordings(folder)
    assert (len(found.train), len(found.test)) == tuple(COUNTS.values())
    assert all(r.path.read_bytes() == EVENTS for r in found.train + found.test)
    names = {path.name for path in (folder / "NMNIST").iterdir()}
    assert names == {".lock", "Train", "Test", "train.zip", "test.zip"}, "nothing else is left"


def test_addresses_and_checksums_are_those_of_tonic():
    from tonic.datasets import NMNIST

    train, test = fetching.ARCHIVES.values()
    assert train == (NMNIST.train_url, NMNIST.train_filename, NMNIST.train_md5)
    assert test == (NMNIST.test_url, NMNIST.test_filename, NMNIST.test_md5)


def test_what_was_downloaded_is_read_by_tonic_and_never_fetched_again(
    server, tmp_path, monkeypatch
):
    from tonic.datasets import NMNIST

    fetching.download(tmp_path)
    whole(tmp_path)
    assert len(server.ranges) == 2
    fetching.download(tmp_path)
    monkeypatch.setattr(  # that so many files are enough; all else is tonic's own code
        NMNIST, "_folder_contains_at_least_n_files_of_type", lambda *_: True
    )
    for part, count in COUNTS.items():
        data = NMNIST(str(tmp_path), train=part == "Train")
        assert len(data) == count
        assert [data[i][1] for i in range(count)] == sorted(k % 10 for k in range(count))
        assert data[0][0].tolist() == decode(EVENTS, "").tolist()
    assert len(server.ranges) == 2


@pytest.mark.parametrize(
    "answer, said",
    [
        ("404", "HTTP Error 404"),
        ("503", "HTTP Error 503"),
        ("nonsense", "to no web server (BadStatusLine('what?"),
        ("hangs", "timed out"),
        ("page", "a web page in place of the archive"),
        ("damaged", "train.zip has a wrong checksum"),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_second_try_works(server, tmp_path, answer, said, capsys):
    server.answers = [answer]
    assert cli.main(["data", "download", str(tmp_path)]) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(error) == 1 and said in error[0] and "by hand" in error[0]
    assert not (tmp_path / "NMNIST/Train").exists()
    assert cli.main(["data", "download", str(tmp_path)]) == 0
    whole(tmp_path)


def test_a_connection_that_breaks_off_is_taken_up_where_it_stopped(server, tmp_path):
    size = len(server.files["/Train"])
    server.answers = ["cut", "cut"]
    fetching.download(tmp_path)
    whole(tmp_path)
    half = size // 2
    assert server.ranges == [None, f"bytes={half}-", f"bytes={(half + size) // 2}-", None]


def test_a_server_that_always_breaks_off_at_once_is_not_asked_for_ever(server, tmp_path):
    server.answers = ["cut", "503", "503"]
    with pytest.raises(FileNotFoundError, match="503"):
        fetching.download(tmp_path)
    server.answers = ["no ranges"]  # it sends all again, from the start
    fetching.download(tmp_path)
    whole(tmp_path)


def test_a_part_that_is_too_long_is_begun_anew(server, tmp_path):
    (tmp_path / "NMNIST").mkdir()
    (tmp_path / "NMNIST/train.zip.part").write_bytes(bytes(10**5))
    fetching.download(tmp_path)
    whole(tmp_path)


def test_a_full_disk_or_a_kill_while_unpacking_takes_no_second_download(
    server, tmp_path, monkeypatch
):
    def full(self, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(FileNotFoundError, match="No space left"):
        patch.setattr(fetching.Path, "write_bytes", full)
        fetching.download(tmp_path)
    left = tmp_path / "NMNIST/.Train.unpacking"
    assert not left.exists() and len(server.ranges) == 1
    (left / "0").mkdir(parents=True)  # as of a killed process
    (left / "0/00011.bin").write_bytes(b"half")
    fetching.download(tmp_path)
    whole(tmp_path)
    assert len(server.ranges) == 2


def test_two_at_once_are_refused(server, tmp_path):
    (tmp_path / "NMNIST").mkdir()
    with open(tmp_path / "NMNIST/.lock", "w", encoding="utf-8") as lock:
        assert try_lock(lock)
        with pytest.raises(ValueError, match="another process is downloading N-MNIST to"):
            fetching.download(tmp_path)


def test_archives_fetched_by_hand_are_taken(server, tmp_path):
    (tmp_path / "NMNIST").mkdir()
    for part in COUNTS:
        (tmp_path / f"NMNIST/{part}.zip").write_bytes(server.files[f"/{part}"])
    fetching.download(tmp_path)
    assert server.ranges == [] and len(find_recordings(tmp_path).train) == 20


@pytest.mark.parametrize("kind", ["escapes", "absolute", "fewer", "bomb", "no zip", "endless"])
def test_archives_that_hold_something_else_are_refused(server, tmp_path, monkeypatch, kind):
    good = recordings("Train")
    names = {
        "escapes": [*good[1:], "Train/0/../../../../00001.bin"],
        "absolute": [*good[1:], "/Train/0/00001.bin"],
        "fewer": good[1:],
    }
    server.files["/Train"] = b"no zip" * 50 if kind == "no zip" else archive(names.get(kind, good))
    if kind == "bomb":
        monkeypatch.setattr(fetching, "MOST_UNPACKED", 20 * len(EVENTS) - 1)
    if kind == "endless":
        monkeypatch.setattr(fetching, "MOST_FETCHED", 100)
    publish(server, monkeypatch)
    folder = tmp_path / "in" / "here"
    said = {"no zip": "not a zip file", "endless": "train.zip does not end"}
    with pytest.raises(FileNotFoundError, match=said.get(kind, "train.zip holds no 20 recordings")):
        fetching.download(folder)
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} <= {
        ".lock", "train.zip", "train.zip.part",
    }  # fmt: skip


def test_part_of_the_recordings_is_no_download(server, tmp_path):
    path = tmp_path / "Train/3/00001.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(EVENTS)
    with pytest.raises(FileNotFoundError, match="1 \\+ 0 recordings.*interrupted.*Move it away"):
        fetching.download(tmp_path)
    assert server.ranges == []


def test_without_a_network_it_says_what_to_do(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise OSError("Name or service not known")

    monkeypatch.setattr(fetching, "urlopen", offline)
    with pytest.raises(FileNotFoundError, match="not known.*by hand.*saccade digits"):
        fetching.download(tmp_path)
