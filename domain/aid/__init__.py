"""Mutual aid: one center asks another for units. EDXL-RM's words: to acknowledge, to accept and to commit are three."""
