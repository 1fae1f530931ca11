"""What the offices of a simulated city do beside its dispatchers: one module a flow, on the desks of the API."""
