"""Every way of saying no: one document, one page a type."""
