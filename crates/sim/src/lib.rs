//! Seeded simulation: disk model, crash sweeps, fault schedules.
