"""What commands, pages and the API answer: loaded from the store once, told as JSON or in words the same everywhere."""
