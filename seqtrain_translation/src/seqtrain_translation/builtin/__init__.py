"""The built-in corpus: numbers, dates and clock times in English and German, from rules written here."""
