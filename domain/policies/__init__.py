"""Where aggregates meet: pure policies that correlate, route, recommend and escalate, each with its explanation."""
