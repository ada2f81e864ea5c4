//! Values of every type, both ways.
