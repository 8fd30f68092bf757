//! Carries out on this node what the master says, under a lease.
//!
//! `core` decides and is pure: whose word counts, until when users may act. `actor` hears the
//! master and the clock, and acts: it tells the controller, sends beats, and sets the fence that
//! every user looks at before it does anything. So that no user acts too long hangs on nobody's
//! being on time.

mod core;
mod outbox;
