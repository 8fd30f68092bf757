//! What comes to the API, for the fuzzers.

use std::cell::RefCell;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, header},
};
use tokio::{io, runtime};

use super::*;
use crate::{control::fake::Fake, fuzz};

thread_local! {
    // Time is not waited for, it passes.
    static RUNTIME: RefCell<runtime::Runtime> = RefCell::new(
        runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap(),
    );
}

/// A body of that type.
pub(crate) fn read(kind: &'static str, bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let read = body::command(&headers, Body::from(bytes.to_vec()), Duration::from_secs(1));
    match RUNTIME.with_borrow_mut(|runtime| runtime.block_on(read)) {
        Ok(command) => fuzz::stays(&command),
        Err(fault) => assert!((400..500).contains(&fault.told().0)),
    }
}

/// All that a client sends over a connection.
pub(crate) fn serve(bytes: &[u8]) {
    let shutdown = CancellationToken::new();
    let api = Api::new(Fake::new(), ApiOptions::default(), shutdown.clone());
    let service = TowerToHyperService::new(router::router(api));
    let all = Arc::new(Mutex::new(Connections::new(4)));
    let stream = io::join(bytes, io::sink());
    let patience = Duration::from_secs(1);
    RUNTIME.with_borrow_mut(|runtime| {
        let talk = talk(stream, Seat::take(&all), service, patience, shutdown);
        let hour = Duration::from_secs(3_600);
        runtime.block_on(async { timeout(hour, talk).await.expect("the client is never done") });
    });
}
