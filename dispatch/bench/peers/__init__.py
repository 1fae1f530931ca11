"""The same work given to other event stores, on the same server, in the same minutes."""
