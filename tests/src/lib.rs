//! What the end-to-end tests share: builders, simulators and fault drivers.
