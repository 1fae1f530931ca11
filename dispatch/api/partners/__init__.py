"""What partner agencies are shown, and what they answer."""
