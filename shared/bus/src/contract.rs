//! What every backend of the log must do, as tests that each backend runs.
