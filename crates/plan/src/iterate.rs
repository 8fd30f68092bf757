//! What scenarios make iterations of: think time, pacing, steps chosen by weight, values captured
//! from answers and put into requests.
//!
//! All of it is pure; the user acts on it. `docs/iterations.md` shows it in use.

mod capture;
mod pacing;
mod template;
mod think;
mod weighted;

pub use self::{
    capture::{Capture, CaptureFault, Captures},
    pacing::{Pacing, PacingError},
    template::{Missing, Template},
    think::{ThinkTime, ThinkTimeError},
    weighted::{WeightFaults, Weighted},
};
