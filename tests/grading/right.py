"""Right answers to the exercises 99a and 99b."""

DOUBLE = "def double(number):\n    return number + number\n"
WORDS = "words = ['any']"
