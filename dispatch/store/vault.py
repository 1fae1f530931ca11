"""Seals personal fields: AES-256-GCM under one data key a subject, each wrapped by a master key that lies in a file.

The log cannot be shredded, so what must be forgotten is sealed before it is recorded, and forgetting a subject is
destroying its key. A destroyed key leaves its row behind: without it, the next field about the same subject would
quietly make a new key, and the forgotten person would be remembered again.
"""

from __future__ import annotations

import os
import secrets
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from hashlib import sha256
from pathlib import Path
from typing import Self
from uuid import UUID

import asyncpg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dispatch.store.postgres import COMMAND_TIMEOUT_S, CONNECT_TIMEOUT_S, TIMEOUTS, leave_as_it_is
from dispatch.store.reader import available
from domain.refusals import Refused

KEY_BYTES = 32
NONCE_BYTES = 12
CACHED_KEYS_MAX = 10_000
FORMAT = b"\x01"
"""First byte of everything sealed here, so that a later cipher can be told apart."""
CONNECTIONS_MAX = 4
TEXT_BYTES_MAX = 65_536

ADD_KEY = """
INSERT INTO vault.subject_keys (subject_id, wrapped_key, master_key_id) VALUES ($1, $2, $3)
ON CONFLICT (subject_id) DO NOTHING
"""
FIND_KEY = "SELECT wrapped_key, master_key_id, destroyed_at FROM vault.subject_keys WHERE subject_id = $1"
DESTROY_KEY = """
INSERT INTO vault.subject_keys (subject_id, wrapped_key, master_key_id, destroyed_at) VALUES ($1, NULL, $2, now())
ON CONFLICT (subject_id) DO UPDATE SET wrapped_key = NULL, destroyed_at = coalesce(subject_keys.destroyed_at, now())
"""


def read_master_key(path: Path) -> bytes:
    """The master key in a file of 32 bytes, mode 0600; made on first use, never overwritten."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise Refused("vault.key_exposed", f"{path} has mode {mode:04o}: others may read it; chmod 600") from None
    else:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise Refused("vault.key_damaged", f"{path} holds {len(key)} bytes instead of {KEY_BYTES}: restore the backup")
    return key


def encrypt(key: bytes, plain: bytes, *, bound_to: bytes) -> bytes:
    """Format byte, nonce, ciphertext and tag. `bound_to` must be said again to open it."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return FORMAT + nonce + AESGCM(key).encrypt(nonce, plain, bound_to)


def decrypt(key: bytes, sealed: bytes, *, bound_to: bytes) -> bytes:
    """What `encrypt` was given. Raises `Refused` when the bytes were changed or the key is another."""
    if sealed[:1] != FORMAT:
        raise Refused("vault.unknown_format", "This was not sealed by a vault this program knows")
    nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, bound_to)
    except InvalidTag:
        raise Refused("vault.cannot_open", "The sealed text was changed, or it belongs to another subject") from None


def _seal(key: bytes | None, subject_id: UUID, text: str) -> str:
    if key is None:
        raise Refused("vault.subject_forgotten", f"The key of {subject_id} was destroyed: use a new subject id")
    plain = text.encode()
    assert len(plain) <= TEXT_BYTES_MAX, f"{len(plain)} bytes to seal"
    return urlsafe_b64encode(encrypt(key, plain, bound_to=subject_id.bytes)).decode()


def _open(key: bytes | None, subject_id: UUID, sealed: str) -> str | None:
    if key is None:
        return None
    try:
        raw = urlsafe_b64decode(sealed)
    except ValueError:
        raise Refused("vault.unknown_format", "This was not sealed by a vault this program knows") from None
    return decrypt(key, raw, bound_to=subject_id.bytes).decode()


class PostgresSealer:
    """`dispatch.ports.Sealer` with its keys in `vault.subject_keys`."""

    def __init__(self, pool: asyncpg.Pool, master_key: bytes) -> None:
        self._pool = pool
        self._master_key = master_key
        self._master_key_id = sha256(b"master key id" + master_key).hexdigest()[:16]
        self._keys: OrderedDict[UUID, bytes] = OrderedDict()

    @classmethod
    async def open_vault(cls, dsn: str, master_key_file: Path, *, app_role: str | None = "dispatch_app") -> Self:
        """Connect to a migrated database. Raises `Unavailable`, or `Refused` for a key file others may read."""
        master_key = read_master_key(master_key_file)
        settings = {"application_name": "dispatch vault", **TIMEOUTS} | ({} if app_role is None else {"role": app_role})
        async with available():
            pool = await asyncpg.create_pool(
                dsn,
                min_size=0,
                max_size=CONNECTIONS_MAX,
                server_settings=settings,
                reset=leave_as_it_is,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
            )
        return cls(pool, master_key)

    async def close(self) -> None:
        """Let the connections and the keys in memory go."""
        self._keys.clear()
        await self._pool.close()

    async def seal(self, subject_id: UUID, text: str) -> str:
        """Ciphertext (base64url) under the subject's key, which is created on first use."""
        key = self._keys.get(subject_id)
        if key is None:
            fresh = encrypt(self._master_key, secrets.token_bytes(KEY_BYTES), bound_to=subject_id.bytes)
            async with available():
                await self._pool.execute(ADD_KEY, subject_id, fresh, self._master_key_id)
            key = await self._find(subject_id)
        return _seal(key, subject_id, text)

    async def open(self, subject_id: UUID, sealed: str) -> str | None:
        """The plain text, or None when the subject's key was destroyed."""
        # Looked up each time: a key destroyed by another process must not live on in this one's memory.
        return _open(await self._find(subject_id), subject_id, sealed)

    async def destroy(self, subject_id: UUID) -> None:
        """Forget the subject: nothing sealed for it can be opened again. May be repeated."""
        self._keys.pop(subject_id, None)
        async with available():
            await self._pool.execute(DESTROY_KEY, subject_id, self._master_key_id)

    async def _find(self, subject_id: UUID) -> bytes | None:
        async with available():
            row = await self._pool.fetchrow(FIND_KEY, subject_id)
        if row is None or row["wrapped_key"] is None:
            self._keys.pop(subject_id, None)
            return None
        if subject_id in self._keys:
            return self._keys[subject_id]
        if row["master_key_id"] != self._master_key_id:
            detail = f"The key of {subject_id} is wrapped by master key {row['master_key_id']}: give that key file"
            raise Refused("vault.other_master_key", detail)
        key = decrypt(self._master_key, row["wrapped_key"], bound_to=subject_id.bytes)
        self._keys[subject_id] = key
        if len(self._keys) > CACHED_KEYS_MAX:
            self._keys.popitem(last=False)
        return key


class MemorySealer:
    """`dispatch.ports.Sealer` with its keys in a dictionary, for tests."""

    def __init__(self) -> None:
        self._keys: dict[UUID, bytes | None] = {}

    async def seal(self, subject_id: UUID, text: str) -> str:
        """Ciphertext (base64url) under the subject's key, which is created on first use."""
        return _seal(self._keys.setdefault(subject_id, secrets.token_bytes(KEY_BYTES)), subject_id, text)

    async def open(self, subject_id: UUID, sealed: str) -> str | None:
        """The plain text, or None when the subject's key was destroyed."""
        return _open(self._keys.get(subject_id), subject_id, sealed)

    async def destroy(self, subject_id: UUID) -> None:
        """Forget the subject: nothing sealed for it can be opened again. May be repeated."""
        self._keys[subject_id] = None
