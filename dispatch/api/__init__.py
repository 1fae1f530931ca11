"""The HTTP edge: REST and live streams for dispatchers, gateways and partners."""
