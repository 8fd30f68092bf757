//! The certificates that the documents tell how to make.

use std::{fs, path::Path, process::Command};

use crate::harness::{Cluster, MASTER, Plan};

/// The lines of `docs/cluster.md` that make them.
fn recipe() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let text = fs::read_to_string(root.join("docs/cluster.md")).unwrap();
    let (_, rest) = text.split_once("## Certificates").unwrap();
    let (_, rest) = rest.split_once("```console illustration\n").unwrap();
    let lines = rest.split_once("```").unwrap().0.lines();
    lines.map(|line| line.strip_prefix("$ ").unwrap().to_owned() + "\n").collect()
}

#[test]
fn nodes_link_with_certificates_as_the_documents_make_them() {
    let mut cluster = Cluster::empty(Plan::default());
    let folder = cluster.folder().join("certificates");
    fs::create_dir(&folder).unwrap();
    let made = Command::new("sh").args(["-e", "-c", &recipe()]).current_dir(&folder).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for (name, files) in [(MASTER, "alpha"), ("worker-1", "beta")] {
        let seed = (name != MASTER).then(|| cluster.address(MASTER));
        let mut options = cluster.options(name, seed.as_deref());
        let file = |name: &str| folder.join(name).display().to_string();
        options.environment.extend([
            ("CROWD_TLS_CERT".to_owned(), file(&format!("{files}.pem"))),
            ("CROWD_TLS_KEY".to_owned(), file(&format!("{files}.key"))),
            ("CROWD_TLS_CA".to_owned(), file("ca.pem")),
        ]);
        cluster.start_node(&options);
    }
    cluster.settle();
}
