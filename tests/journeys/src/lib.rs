//! Whole journeys through the real handlers against the simulators.
