"""What the bytes of an entry say: its type, the files inside it, the text inside it."""
