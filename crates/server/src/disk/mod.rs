//! Disks: plain files behind [`store::Disk`], and the threads that carry batches out on them.

pub(crate) mod files;
pub(crate) mod lanes;
pub(crate) mod lock;
pub(crate) mod progress;
