//! Bodies and texts whose work would grow with the square of their length.
