"""Units and their assignments. The unit's stream is the consistency boundary: it is why nobody is booked twice."""
