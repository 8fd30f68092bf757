//! What the process says on its standard streams. Whoever closes them early wants no more of it, and
//! none of it is worth the process: `println!` and `eprintln!` would end it.

use std::{
    fmt,
    io::{self, Write},
};

use crowd_core::printable::lines;

/// Prints a text of our own on standard output.
pub(super) fn say(text: &dyn fmt::Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints a complaint on standard error, in one piece, whoever is quoted in it.
pub(super) fn complain(text: &dyn fmt::Display) {
    say_aside(&lines(&text.to_string()));
}

/// Prints a text of our own, which may have colours, on standard error.
pub(super) fn say_aside(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Prints what came of a run; says whether all who want to read it can. That they cannot is told and
/// is no fault of the run. Whoever closes a pipe early wants no more of it.
pub(super) fn print_summary(answers: &mut impl Write, text: &str) -> bool {
    let printed = answers.write_all(format!("{}\n", text.trim_end()).as_bytes());
    match printed.and_then(|()| answers.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format_args!("the summary could not be printed: {error}"));
            false
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_summary_ends_with_one_line_break() {
        let mut answers = Vec::new();
        assert!(print_summary(&mut answers, "PASSED\n\n"));
        assert_eq!(answers, b"PASSED\n");
    }

    #[test]
    fn a_closed_pipe_is_no_fault_and_a_full_disk_is() {
        assert!(print_summary(&mut Broken(io::ErrorKind::BrokenPipe), "PASSED"));
        assert!(!print_summary(&mut Broken(io::ErrorKind::StorageFull), "PASSED"));
    }
}
