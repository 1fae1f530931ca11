"""What is true: events, deciders and policies. Standard library and pydantic only; time, ids and chance are inputs."""
