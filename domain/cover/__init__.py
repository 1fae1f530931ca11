"""Minimum cover: how many free units a center must have, when it lacks some, and which unit should move up."""
