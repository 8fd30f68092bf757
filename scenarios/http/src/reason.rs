//! Why a request failed, in words that are the same each time: what differs from one failure to the
//! next of its kind is kept beside it as an example.

use std::{error::Error, io};

use crowd::failure::{Failure, Owner};
use rustls::{AlertDescription, CertificateError};

use crate::{
    connection::{LONGEST_HEAD, MOST_HEADER_LINES},
    stream::Unreachable,
};

const OTHER_HTTP: &str = "the server speaks only other versions of HTTP here";
const OTHER_TLS: &str =
    "the server and this client have no version of TLS, or no cipher, in common";

/// There was no time left to connect.
pub(crate) const NO_CONNECTION: &str = "no connection in time";
/// There was none left for TLS.
pub(crate) const NO_HANDSHAKE: &str = "no TLS handshake in time";

/// A failure of the target with what it looked like this time.
pub(crate) fn target(reason: impl Into<String>, example: impl ToString) -> Failure {
    Failure::target(reason).with_example(example.to_string())
}

/// Why no address took a connection.
pub(crate) fn of_opening(failed: &Unreachable) -> Failure {
    let Unreachable { address, error } = failed;
    let failure = of_connecting(error);
    match address {
        Some(address) => failure.with_example(format!("{address}: {error}")),
        None => failure,
    }
}

/// Why a connection came to nothing before it could be used.
pub(crate) fn of_connecting(error: &io::Error) -> Failure {
    if let Some(error) = tls_error(error) {
        return of_tls(error);
    }
    let reason = match error.kind() {
        io::ErrorKind::TimedOut => NO_CONNECTION,
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "the server reset the connection as it was made",
        io::ErrorKind::HostUnreachable => "host unreachable",
        io::ErrorKind::NetworkUnreachable => "network unreachable",
        io::ErrorKind::UnexpectedEof => "the server closed the connection within the TLS handshake",
        _ => return of_system(error, "no connection"),
    };
    Failure::target(reason)
}

/// Why a connection brought no answer, or not all of one; `begun` says whether any of it came.
pub(crate) fn of_exchange(error: &hyper::Error, begun: bool) -> Failure {
    if error.is_canceled() && begun {
        return Failure::target("the server sent bytes that nobody asked for");
    }
    if error.is_incomplete_message() || error.is_canceled() {
        return closed(begun);
    }
    if let Some(io) = io_error(error) {
        if let Some(tls) = tls_error(io) {
            return of_tls(tls);
        }
        return match io.kind() {
            io::ErrorKind::UnexpectedEof => closed(begun),
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Failure::target(match begun {
                true => "the server reset the connection within an answer",
                false => "the server reset the connection without an answer",
            }),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                target("the body of the answer is no HTTP", io)
            }
            _ => of_system(io, "the connection broke"),
        };
    }
    // hyper tells this one apart by its words only; with others it is a fault of the answer still.
    if error.to_string() == "message head is too large" {
        let size = LONGEST_HEAD / 1024;
        let limits = format!("more than {size} KiB, or than {MOST_HEADER_LINES} lines");
        return target("the head of the answer is too long", limits);
    }
    Failure::target(format!("the answer is no HTTP: {error}"))
}

/// The error of the system below hyper's.
pub(crate) fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    error.source().and_then(|source| source.downcast_ref())
}

fn closed(begun: bool) -> Failure {
    Failure::target(match begun {
        true => "the server closed the connection within an answer",
        false => "the server closed the connection without an answer",
    })
}

/// What else the system may say: some of it is about this machine.
fn of_system(error: &io::Error, what: &str) -> Failure {
    let failure =
        error.raw_os_error().map(|code| Failure::from(io::Error::from_raw_os_error(code)));
    match failure {
        Some(failure) if failure.owner() == Owner::Generator => failure,
        _ => target(format!("{what}: {}", error.kind()), error),
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

fn of_tls(error: &rustls::Error) -> Failure {
    use rustls::Error as Tls;
    let reason = match error {
        Tls::InvalidCertificate(error) => of_certificate(error),
        Tls::NoCertificatesPresented => "the server shows no certificate",
        Tls::AlertReceived(alert) => match *alert {
            AlertDescription::CertificateRequired => "the server asks for a client certificate",
            AlertDescription::NoApplicationProtocol => OTHER_HTTP,
            AlertDescription::ProtocolVersion => OTHER_TLS,
            AlertDescription::UnrecognisedName => "the server does not know the host's name",
            AlertDescription::HandshakeFailure => "the server refused the TLS handshake",
            _ => "the server broke TLS off",
        },
        Tls::NoApplicationProtocol => OTHER_HTTP,
        Tls::PeerIncompatible(_) => OTHER_TLS,
        Tls::InvalidMessage(_) => "the server does not speak TLS here; is it an http:// URL?",
        _ => "TLS failed",
    };
    target(reason, error)
}

fn of_certificate(error: &CertificateError) -> &'static str {
    use CertificateError as Why;
    match error {
        Why::Expired | Why::ExpiredContext { .. } => {
            "the server's certificate has expired; insecure=true accepts it"
        }
        Why::NotValidYet | Why::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet; insecure=true accepts it"
        }
        Why::NotValidForName | Why::NotValidForNameContext { .. } => {
            "the server's certificate is for another name; write that one in the URL, or \
             insecure=true accepts any"
        }
        // A root of the same name with another key is another root.
        Why::UnknownIssuer | Why::BadSignature => {
            "the server's certificate is signed by nobody trusted; give its authority as ca_file, \
             or insecure=true accepts any"
        }
        Why::Revoked => "the server's certificate is revoked; insecure=true accepts it",
        _ => "the server's certificate cannot be used; insecure=true accepts any",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::UnixTime;

    use super::*;

    fn failure(error: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
        of_connecting(&io::Error::new(io::ErrorKind::InvalidData, error))
    }

    #[test]
    fn one_cause_is_one_reason_whenever_it_is_seen() {
        let expired = |now: u64| {
            let [time, not_after] =
                [now, 9].map(|time| UnixTime::since_unix_epoch(Duration::from_secs(time)));
            let why = CertificateError::ExpiredContext { time, not_after };
            failure(rustls::Error::InvalidCertificate(why)).reason().to_owned()
        };
        assert_eq!(expired(100), expired(200));
        assert!(expired(1).contains("insecure=true"), "{}", expired(1));
    }

    #[test]
    fn reasons_are_free_of_numbers_of_the_system() {
        for kind in [
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::TimedOut,
            io::ErrorKind::HostUnreachable,
            io::ErrorKind::NetworkUnreachable,
            io::ErrorKind::PermissionDenied,
        ] {
            let failure = of_connecting(&io::Error::new(kind, "10.0.0.1:80, fd 17"));
            assert_eq!(failure.owner(), Owner::Target);
            assert!(!failure.reason().contains(char::is_numeric), "{}", failure.reason());
        }
    }

    #[test]
    fn a_machine_without_descriptors_is_no_failure_of_the_target() {
        let failure = of_connecting(&io::Error::from_raw_os_error(24));
        assert_eq!(failure.owner(), Owner::Generator);
    }

    #[test]
    fn alerts_are_sentences() {
        let alert = |alert| failure(rustls::Error::AlertReceived(alert)).reason().to_owned();
        assert_eq!(
            alert(AlertDescription::CertificateRequired),
            "the server asks for a client certificate"
        );
        assert_eq!(alert(AlertDescription::InternalError), "the server broke TLS off");
    }
}
