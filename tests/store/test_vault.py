"""Sealed fields: both vaults keep one contract, and what PostgreSQL alone can break."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from dispatch.store.vault import MemorySealer, PostgresSealer, read_master_key
from domain.refusals import Refused

CALLER, WITNESS = UUID(int=1), UUID(int=2)


@pytest.fixture
async def vault(dsn: str, tmp_path: Path) -> AsyncIterator[PostgresSealer]:
    sealer = await PostgresSealer.open_vault(dsn, tmp_path / "master.key")
    yield sealer
    await sealer.close()


class SealerContract:
    async def test_what_was_sealed_can_be_opened(self, sealer: PostgresSealer | MemorySealer) -> None:
        sealed = await sealer.seal(CALLER, "李女士 138-0000-0000")
        assert "李" not in sealed
        assert await sealer.open(CALLER, sealed) == "李女士 138-0000-0000"

    async def test_one_text_sealed_twice_looks_different(self, sealer: PostgresSealer | MemorySealer) -> None:
        assert await sealer.seal(CALLER, "same") != await sealer.seal(CALLER, "same")

    async def test_a_field_cannot_be_opened_as_another_subjects(self, sealer: PostgresSealer | MemorySealer) -> None:
        sealed = await sealer.seal(CALLER, "name")
        await sealer.seal(WITNESS, "other")
        with pytest.raises(Refused, match="another subject"):
            await sealer.open(WITNESS, sealed)

    async def test_a_changed_field_is_not_opened(self, sealer: PostgresSealer | MemorySealer) -> None:
        sealed = await sealer.seal(CALLER, "name")
        changed = sealed[:24] + ("A" if sealed[24] != "A" else "B") + sealed[25:]
        with pytest.raises(Refused, match="changed"):
            await sealer.open(CALLER, changed)

    async def test_what_no_vault_sealed_is_refused(self, sealer: PostgresSealer | MemorySealer) -> None:
        await sealer.seal(CALLER, "name")
        for text in ("plain text", "AAAA", ""):
            with pytest.raises(Refused):
                await sealer.open(CALLER, text)

    async def test_a_destroyed_key_opens_nothing(self, sealer: PostgresSealer | MemorySealer) -> None:
        forgotten, kept = await sealer.seal(CALLER, "name"), await sealer.seal(WITNESS, "kept")
        await sealer.destroy(CALLER)
        await sealer.destroy(CALLER)
        assert await sealer.open(CALLER, forgotten) is None
        assert await sealer.open(WITNESS, kept) == "kept"

    async def test_a_forgotten_subject_gets_no_new_key(self, sealer: PostgresSealer | MemorySealer) -> None:
        await sealer.seal(CALLER, "name")
        await sealer.destroy(CALLER)
        with pytest.raises(Refused, match="destroyed"):
            await sealer.seal(CALLER, "name again")

    async def test_a_subject_may_be_forgotten_before_it_was_known(self, sealer: PostgresSealer | MemorySealer) -> None:
        await sealer.destroy(CALLER)
        with pytest.raises(Refused, match="destroyed"):
            await sealer.seal(CALLER, "name")


class TestMemorySealer(SealerContract):
    @pytest.fixture
    def sealer(self) -> MemorySealer:
        return MemorySealer()


class TestPostgresSealer(SealerContract):
    @pytest.fixture
    def sealer(self, vault: PostgresSealer) -> PostgresSealer:
        return vault


async def test_two_processes_share_one_key(dsn: str, vault: PostgresSealer, tmp_path: Path) -> None:
    other = await PostgresSealer.open_vault(dsn, tmp_path / "master.key")
    assert await other.open(CALLER, await vault.seal(CALLER, "name")) == "name"
    assert await vault.open(CALLER, await other.seal(CALLER, "name")) == "name"
    await other.close()


async def test_a_key_destroyed_by_another_process_is_not_used_from_memory(
    dsn: str, vault: PostgresSealer, tmp_path: Path
) -> None:
    sealed = await vault.seal(CALLER, "name")
    other = await PostgresSealer.open_vault(dsn, tmp_path / "master.key")
    await other.destroy(CALLER)
    await other.close()
    assert await vault.open(CALLER, sealed) is None


async def test_the_database_alone_opens_nothing(dsn: str, vault: PostgresSealer, tmp_path: Path) -> None:
    sealed = await vault.seal(CALLER, "name")
    thief = await PostgresSealer.open_vault(dsn, tmp_path / "other.key")
    with pytest.raises(Refused, match="give that key file"):
        await thief.open(CALLER, sealed)
    await thief.close()


async def test_a_master_key_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    made = read_master_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_master_key(path) == made
    path.chmod(0o640)
    with pytest.raises(Refused, match="chmod 600"):
        read_master_key(path)


async def test_a_damaged_master_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    read_master_key(path)
    path.write_bytes(b"short")
    with pytest.raises(Refused, match="5 bytes"):
        read_master_key(path)


@pytest.mark.parametrize("role", ["dispatch_projector", "dispatch_auditor"])
async def test_only_the_app_may_read_keys(dsn: str, role: str) -> None:
    connection = await asyncpg.connect(dsn, server_settings={"role": role})
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.fetch("SELECT * FROM vault.subject_keys")
    await connection.close()
