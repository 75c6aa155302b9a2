"""A Hub on this machine alone: what pushing, tagging and loading a model repository asks of it, kept in memory.

A process talks to it with HF_ENDPOINT set to `Hub.url` before `huggingface_hub` is imported, HF_HUB_DISABLE_XET=1, and
any HF_TOKEN.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

LARGE_FILES = (".safetensors", ".bin", ".parquet")
REPOSITORY = r"(?P<name>[^/]+/[^/]+)"


class Commit(NamedTuple):
    """A state of a repository: its id and the content of every path."""

    sha: str
    files: dict[str, bytes]


class Reply(NamedTuple):
    """What goes back to the client."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = {}


class NotThere(Exception):
    """A repository, revision or file that the Hub lacks: its code is what clients tell the three apart by."""

    def __init__(self, code: str, what: str, **headers: str):
        super().__init__(what)
        self.headers = {"X-Error-Code": code, "X-Error-Message": what, **headers}


@dataclass
class Repository:
    """Commits, the oldest first, and the names that point at one of them."""

    commits: list[Commit] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def add(self, files: dict[str, bytes]) -> Commit:
        """Make these files the newest state."""
        content = [f"{path} {blob_id(data)}" for path, data in sorted(files.items())]
        parents = [commit.sha for commit in self.commits]
        self.commits.append(Commit(hashlib.sha1("\n".join([*parents, *content]).encode()).hexdigest(), files))
        return self.commits[-1]

    def at(self, revision: str) -> Commit:
        """The commit of a branch (there is but main), a tag or an id."""
        if revision == "main":
            return self.commits[-1]
        for commit in self.commits:
            if commit.sha == self.tags.get(revision, revision):
                return commit
        raise NotThere("RevisionNotFound", f"no revision {revision}")


class Hub:
    """Repositories by name, large files by SHA-256, and the requests so far (`log`)."""

    def __init__(self):
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.log: list[str] = []
        self.url = ""

    def repository(self, name: str) -> Repository:
        """The repository of that name, as `owner/name`."""
        if name not in self.repositories:
            raise NotThere("RepoNotFound", f"no repository {name}")
        return self.repositories[name]

    def reply(self, method: str, target: str, body: bytes) -> Reply:
        """What the first route that fits says."""
        path = urlsplit(target).path
        self.log.append(f"{method} {path}")
        for verbs, pattern, route in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method in verbs:
                names = {name: unquote(value) for name, value in match.groupdict().items() if value is not None}
                try:
                    return route(self, body, **names)
                except NotThere as missing:
                    return Reply(b"{}", 404, missing.headers)
        return Reply(b"{}", 404, {"X-Error-Message": f"the loopback Hub has no route {method} {path}"})


def blob_id(data: bytes) -> str:
    """Git's id of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def object_id(data: bytes) -> str:
    """The id that large files go by."""
    return hashlib.sha256(data).hexdigest()


def told(value) -> Reply:
    """A value as JSON."""
    return Reply(json.dumps(value).encode(), headers={"Content-Type": "application/json"})


def create(hub: Hub, body: bytes) -> Reply:
    asked = json.loads(body)
    name = f"{asked.get('organization') or 'me'}/{asked['name']}"
    if name in hub.repositories:
        return Reply(json.dumps({"url": f"{hub.url}/{name}"}).encode(), 409)
    hub.repositories[name] = Repository()
    hub.repositories[name].add({})
    return told({"url": f"{hub.url}/{name}", "name": name})


def validate_card(hub: Hub, body: bytes) -> Reply:
    return told({"errors": [], "warnings": []})


def preupload(hub: Hub, body: bytes, name: str, revision: str) -> Reply:
    files = hub.repository(name).at(revision).files
    asked = [item["path"] for item in json.loads(body)["files"]]
    known = {path: blob_id(files[path]) for path in asked if path in files and not path.endswith(LARGE_FILES)}
    answers = [
        {
            "path": path,
            "uploadMode": "lfs" if path.endswith(LARGE_FILES) else "regular",
            "shouldIgnore": False,
            "oid": known.get(path),
        }
        for path in asked
    ]
    return told({"files": answers})


def offer_objects(hub: Hub, body: bytes, name: str) -> Reply:
    objects = [{"oid": item["oid"], "size": item["size"]} for item in json.loads(body)["objects"]]
    for item in objects:
        if item["oid"] not in hub.objects:
            item["actions"] = {"upload": {"href": f"{hub.url}/objects/{item['oid']}"}}
    return told({"transfer": "basic", "objects": objects})


def put_object(hub: Hub, body: bytes, oid: str) -> Reply:
    if object_id(body) != oid:
        return Reply(b"{}", 400, {"X-Error-Message": f"the content is not {oid}'s"})
    hub.objects[oid] = body
    return told({})


def commit(hub: Hub, body: bytes, name: str, revision: str) -> Reply:
    repository = hub.repository(name)
    files = dict(repository.at(revision).files)
    for line in map(json.loads, body.splitlines()):
        key, value = line["key"], line["value"]
        if key == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif key == "lfsFile":
            files[value["path"]] = hub.objects[value["oid"]]
        elif key == "deletedFile":
            del files[value["path"]]
    sha = repository.add(files).sha
    return told({"commitOid": sha, "commitUrl": f"{hub.url}/{name}/commit/{sha}"})


def info(hub: Hub, body: bytes, name: str, revision: str = "main") -> Reply:
    state = hub.repository(name).at(revision)
    siblings = [{"rfilename": path} for path in sorted(state.files)]
    return told({"id": name, "sha": state.sha, "private": False, "tags": [], "siblings": siblings})


def tree(hub: Hub, body: bytes, name: str, revision: str, folder: str = "") -> Reply:
    files = hub.repository(name).at(revision).files
    start = f"{folder}/" if folder else ""
    found = [entry(path, data) for path, data in sorted(files.items()) if path.startswith(start)]
    if folder and not found:
        raise NotThere("EntryNotFound", f"no folder {folder}")
    return told(found)


def paths_info(hub: Hub, body: bytes, name: str, revision: str) -> Reply:
    files = hub.repository(name).at(revision).files
    asked = json.loads(body)["paths"] if body.startswith(b"{") else parse_qs(body.decode()).get("paths", [])
    return told([entry(path, files[path]) for path in asked if path in files])


def entry(path: str, data: bytes) -> dict:
    """A file as `tree` and `paths-info` describe it."""
    found = {"type": "file", "path": path, "size": len(data), "oid": blob_id(data)}
    if path.endswith(LARGE_FILES):
        found["lfs"] = {"oid": object_id(data), "size": len(data), "pointerSize": 130}
    return found


def refs(hub: Hub, body: bytes, name: str) -> Reply:
    repository = hub.repository(name)
    branch = {"name": "main", "ref": "refs/heads/main", "targetCommit": repository.at("main").sha}
    tags = [{"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": sha} for tag, sha in repository.tags.items()]
    return told({"branches": [branch], "tags": tags, "converts": []})


def add_tag(hub: Hub, body: bytes, name: str, revision: str) -> Reply:
    repository, tag = hub.repository(name), json.loads(body)["tag"]
    if tag in repository.tags:
        return Reply(b"{}", 409)
    repository.tags[tag] = repository.at(revision).sha
    return told({})


def file_at(hub: Hub, body: bytes, name: str, revision: str, path: str) -> Reply:
    state = hub.repository(name).at(revision)
    if path not in state.files:
        raise NotThere("EntryNotFound", f"no file {path}", **{"X-Repo-Commit": state.sha})
    data = state.files[path]
    etag = object_id(data) if path.endswith(LARGE_FILES) else blob_id(data)
    return Reply(data, headers={"ETag": f'"{etag}"', "X-Repo-Commit": state.sha, "X-Linked-Size": str(len(data))})


# Methods, path, what answers. A slash inside a revision comes percent-encoded, so that one segment is one revision.
API = rf"/api/models/{REPOSITORY}"
ROUTES = (
    (("POST",), "/api/repos/create", create),
    (("POST",), "/api/validate-yaml", validate_card),
    (("POST",), rf"{API}/preupload/(?P<revision>[^/]+)", preupload),
    (("POST",), rf"/{REPOSITORY}\.git/info/lfs/objects/batch", offer_objects),
    (("PUT",), "/objects/(?P<oid>[0-9a-f]{64})", put_object),
    (("POST",), rf"{API}/commit/(?P<revision>[^/]+)", commit),
    (("GET",), rf"{API}(?:/revision/(?P<revision>[^/]+))?", info),
    (("GET",), rf"{API}/tree/(?P<revision>[^/]+)(?:/(?P<folder>.+))?", tree),
    (("POST",), rf"{API}/paths-info/(?P<revision>[^/]+)", paths_info),
    (("GET",), rf"{API}/refs", refs),
    (("POST",), rf"{API}/tag/(?P<revision>[^/]+)", add_tag),
    (("GET", "HEAD"), rf"/{REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", file_at),
)


class Handler(BaseHTTPRequestHandler):
    """Reads a request, has the Hub answer it."""

    protocol_version = "HTTP/1.1"

    def __init__(self, hub: Hub, *args):
        self.hub = hub
        super().__init__(*args)

    def handle_any(self) -> None:
        reply = self.hub.reply(self.command, self.path, b"".join(self.body()))
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_GET = do_HEAD = do_POST = do_PUT = handle_any

    def body(self) -> Iterator[bytes]:
        """The request's body, of a known length or in chunks."""
        yield self.rfile.read(int(self.headers.get("Content-Length") or 0))
        while self.headers.get("Transfer-Encoding") == "chunked":
            size = int(self.rfile.readline(), 16)
            yield self.rfile.read(size)
            self.rfile.readline()
            if not size:
                return

    def log_message(self, *args) -> None:
        """Say nothing: `Hub.log` has it."""


@contextmanager
def loopback_hub() -> Iterator[Hub]:
    """A `Hub` that answers at its `url` until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, hub))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
