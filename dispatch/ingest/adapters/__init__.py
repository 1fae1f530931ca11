"""The formats understood, by name. The name is part of addresses and of recorded facts: permanent."""

from __future__ import annotations

from dispatch.ingest.adapters.cap import CapAdapter
from dispatch.ingest.adapters.frigate import FrigateAdapter
from dispatch.ingest.adapters.gb28181 import Gb28181Adapter
from dispatch.ingest.adapters.hikvision import HikvisionAdapter
from dispatch.ingest.adapters.native import NativeAdapter
from dispatch.ingest.message import Adapter

ADAPTERS: dict[str, Adapter] = {
    adapter.name: adapter
    for adapter in (NativeAdapter(), HikvisionAdapter(), FrigateAdapter(), Gb28181Adapter(), CapAdapter())
}
