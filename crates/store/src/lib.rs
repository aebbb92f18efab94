//! Transaction log, snapshots and recovery as plans of disk operations; no file handles.
