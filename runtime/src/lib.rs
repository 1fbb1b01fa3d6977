//! The floor every process of Speargun stands on. It knows nothing of spans or traces.
//!
//! # Layout
//!
//! - [`clock`]: wall time as a trait, so that a test owns it.
//! - [`environment`]: variables of the process.
//! - [`disk`]: files as a trait: the real ones, and a simulated disk that fails on purpose, in a
//!   machine that loses power.
//! - [`thread`]: which threads let others go first.

pub mod clock;
pub mod disk;
pub mod environment;
pub mod thread;

pub use clock::{Clock, ManualClock, SystemClock};
pub use disk::machine::Machine;
pub use disk::simulated::SimulatedDisk;
pub use disk::{Disk, DiskFile, RealDisk};
