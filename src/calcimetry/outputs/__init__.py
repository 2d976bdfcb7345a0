"""What is written into folders: examinations, follow-ups and assessments, each whole or not at all.

Each module names its FILES, `fill`s an open folder with them and `write`s a folder of its own.
None is imported here: one that writes examinations needs no labs, and no visits compared.
"""
