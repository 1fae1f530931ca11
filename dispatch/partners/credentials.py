"""Keys with which parties join NATS: made here, one Ed25519 seed a party, in files only their owner reads.

The server's configuration holds public keys only, so it can be read without becoming anybody.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

import nkeys

from dispatch.embedded.secrets import is_owner_only, write_secret
from domain.refusals import Refused

SEED_BYTES = 32
OURS = "dispatch"
"""File name of our own key; parties are `agency-<code>` and `gateway-<name>`."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One party's key pair: the seed stays in the file, the public key goes into the server's configuration."""

    seed_file: Path
    public_key: str

    @property
    def seed(self) -> str:
        """The secret; read when it is needed, never kept or logged."""
        return self.seed_file.read_text(encoding="utf-8").strip()


class Credentials:
    """The folder of seeds below the data folder's secrets (0700, each file 0600)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ours(self) -> Credential:
        """The key of this system itself, made at first use."""
        return self._of(OURS)

    def agency(self, code: str) -> Credential:
        """A partner agency's key, made at first use."""
        return self._of(f"agency-{code}")

    def gateway(self, name: str) -> Credential:
        """A gateway's key, made at first use."""
        return self._of(f"gateway-{name}")

    def renew(self, credential: Credential) -> Credential:
        """Another key for the same party; the old one is refused once the server has read the new configuration."""
        credential.seed_file.unlink(missing_ok=True)
        return self._of(credential.seed_file.stem)

    def _of(self, name: str) -> Credential:
        path = self._folder / f"{name}.nk"
        if not path.exists():
            write_secret(path, nkeys.encode_seed(secrets.token_bytes(SEED_BYTES), nkeys.PREFIX_BYTE_USER).decode())
        if not is_owner_only(path):
            raise Refused(
                "partners.seed_file_open", f"{path} can be read by others: chmod 600 it, or delete it for a new key"
            )
        return Credential(path, public_key_of(path.read_text(encoding="utf-8").strip()))


def public_key_of(seed: str) -> str:
    """The public half of a seed. Raises `Refused` for what is no seed."""
    try:
        pair = nkeys.from_seed(bytearray(seed.encode()))
    except (nkeys.NkeysError, ValueError) as error:
        raise Refused("partners.seed_invalid", "the file holds no nkey seed: delete it for a new key") from error
    return str(pair.public_key.decode())
