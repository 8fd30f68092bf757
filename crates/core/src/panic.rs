//! What a panic said, and when that is not to be told.

use std::{any::Any, cell::Cell};

thread_local! {
    /// Something has a secret in its hands.
    static UNTOLD: Cell<bool> = const { Cell::new(false) };
}

/// The text of a panic.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}

/// Does `work`, whose panics are logged by their place alone: what they say may be a secret. To be
/// caught by `work` itself.
pub fn untold<T>(work: impl FnOnce() -> T) -> T {
    let before = UNTOLD.replace(true);
    let done = work();
    UNTOLD.set(before);
    done
}

/// Whether a panic on this thread now is to be logged by its place alone.
pub fn is_untold() -> bool {
    UNTOLD.get()
}
