"""The run folder: what lies where, opening it, results, and proof that a killed run resumes."""
