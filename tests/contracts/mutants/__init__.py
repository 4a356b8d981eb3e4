"""Components that are wrong on purpose, each in one respect, with the tests of their contract that must notice."""
