"""What things cost on a date: dated facts, looked up, never guessed."""
