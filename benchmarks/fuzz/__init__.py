"""Fuzzers that know the structure of what they damage; seeded, so that finds can be had again.

A module has `mutants(seed, count, folder)`, which yields inputs (with `name` and `folder`), and
`run(mutant)`, which gives what the program made of one: "read", the code of its error, or
"BUG ..." for anything else. `__main__` runs one of them.
"""
