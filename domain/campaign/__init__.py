"""Campaign: a period in which what is done about certain matters is counted together (flow F24)."""
