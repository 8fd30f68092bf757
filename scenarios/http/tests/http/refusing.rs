//! Settings that make no sense are refused, all at once.

use super::run::{given, node};

#[tokio::test]
async fn every_fault_is_told() {
    let node = node().await;
    for (settings, faults) in [
        (&[][..], &["url"][..]),
        (
            &[
                ("url", "ftp://x/"),
                ("method", "FETCH"),
                ("headers", "nonsense"),
                ("expected_status", "ok"),
                ("requests", "0"),
                ("timeout", "0s"),
            ],
            &[
                "'ftp://x/' is neither http:// nor https://",
                "FETCH",
                "the header '***' has no colon",
                "'ok' is no status",
                "0 requests; write 1 or more",
                "no time at all",
            ],
        ),
        (
            &[
                ("url", r"http://a:1/,ftp://b/,http://a:1/,http://c:99999/,http://d/x\,y"),
                ("health_path", "health"),
                ("health_interval", "0s"),
                ("health_timeout", "0s"),
            ],
            &[
                "'ftp://b/' is neither http:// nor https://",
                "'http://a:1/' is there twice",
                "'http://c:99999/' has a port that is no port number",
                r"a comma within a URL is written '\,'",
                "'health' is no path",
                "health_interval",
                "health_timeout",
            ],
        ),
        (&[("url", "")], &["no URL; write http://"]),
        (&[("url", "http://a/"), ("tls_sessions", "mine")], &["mine", "own", "shared"]),
    ] {
        let refusal = node.start_run("http", 1, given(settings)).await.unwrap_err();
        for fault in faults {
            assert!(refusal.message.contains(fault), "{fault} is not in: {refusal}");
        }
    }
    node.shutdown().await;
}

#[tokio::test]
async fn no_refusal_tells_a_password() {
    let node = node().await;
    for url in [
        "http://me:swordfish@host/",
        "https://a/,ftp://me:swordfish@host/",
        "me:swordfish@host",
        "http://me:swordfish@host:x/,http://b/",
    ] {
        let refusal = node.start_run("http", 1, given(&[("url", url)])).await.unwrap_err();
        assert!(!format!("{refusal:?} {refusal}").contains("swordfish"), "{refusal}");
        assert!(refusal.message.contains("***@host"), "{refusal}");
    }
    node.shutdown().await;
}
