"""The ground of all kernels: how they are compiled, their types, and what many rooms need.

A kernel is a function on arrays and numbers that numba compiles. It is typed as any other
function (`kernels.types`); its arguments' layouts are those that the room's own functions hand in.
"""
