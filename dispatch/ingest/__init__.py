"""Where machines speak: adapters understand a message, the intake records or keeps it, gateways come by NATS."""
