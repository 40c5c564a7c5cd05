//! End-to-end tests: one binary, one link.

mod walls;
