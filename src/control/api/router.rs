//! Paths, and what each does.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{Method, StatusCode, Uri},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use crowd_core::printable;
use crowd_core::refusal::{Code, Refusal};
use tokio::sync::Semaphore;
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};

use super::{
    ApiOptions,
    answer::{Done, Fault},
    body, guard,
    seat::Seat,
};
use crate::control::{command::Command, execute::execute, operations::Operations, reply::Reply};

/// Carries out a command.
pub(in crate::control) const COMMAND: &str = "/api/v1/command";

/// The command `status`, for those who can only read.
pub(in crate::control) const STATUS: &str = "/api/v1/status";

/// Whether the process answers.
pub(in crate::control) const LIVE: &str = "/api/v1/live";

/// Whether the node is ready.
const READY: &str = "/api/v1/ready";

/// What there is, for those who ask for something else.
const PATHS: &[&str] =
    &["POST /api/v1/command", "GET /api/v1/status", "GET /api/v1/live", "GET /api/v1/ready"];

/// What requests share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Api<N> {
    node: N,
    options: Arc<ApiOptions>,
    /// Commands under way, which may outlive their requests but not the API.
    tasks: TaskTracker,
    room: Arc<Semaphore>,
    ending: CancellationToken,
}

impl<N: Operations> Api<N> {
    /// An API for this node that ends with the token.
    pub(super) fn new(node: N, options: ApiOptions, ending: CancellationToken) -> Self {
        let room = Arc::new(Semaphore::new(options.commands));
        Self { node, options: Arc::new(options), tasks: TaskTracker::new(), room, ending }
    }

    /// How it behaves.
    pub(super) fn options(&self) -> &ApiOptions {
        &self.options
    }

    /// How many commands are under way.
    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.tasks.len()
    }

    /// Waits until no command is under way; they end when the API does.
    pub(super) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Carries out a command that came over this connection. A `wait` ends with whoever waits; everything else is seen to its
    /// end, for half a change would be worse than one nobody hears of.
    async fn carry_out(&self, seat: &Seat, command: Command) -> Result<Reply, Fault> {
        seat.begin()?;
        let (node, ending) = (self.node.clone(), self.ending.clone());
        let waits = matches!(command, Command::Wait { .. });
        let room = match waits {
            true => None,
            false => Some(self.room.clone().try_acquire_owned().map_err(|_| {
                Refusal::new(Code::Unavailable, "too many commands are under way: try again")
            })?),
        };
        let task = self.tasks.spawn(async move {
            let _room = room;
            ending.run_until_cancelled(execute(&node, command)).await
        });
        let outcome = if waits { AbortOnDropHandle::new(task).await } else { task.await };
        match outcome {
            Ok(Some(outcome)) => Ok(outcome?),
            Ok(None) => Err(Refusal::new(Code::Unavailable, "the node is ending").into()),
            Err(panic) => {
                tracing::error!("a command broke: {panic}");
                Err(Fault::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "the command broke; the log of the node tells more",
                ))
            }
        }
    }
}

/// The API as a service.
pub(super) fn router<N: Operations>(api: Api<N>) -> Router {
    Router::new()
        .route(COMMAND, post(command::<N>))
        .route(STATUS, get(status::<N>))
        .route(LIVE, get(live))
        .route(READY, get(ready::<N>))
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown)
        .layer(middleware::from_fn_with_state(api.clone(), admit::<N>))
        .with_state(api)
}

async fn admit<N: Operations>(State(api): State<Api<N>>, request: Request, next: Next) -> Response {
    let open = [LIVE, READY].contains(&request.uri().path());
    let token = api.options.token.as_ref();
    match guard::admit(token, open, request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(fault) => fault.into_response(),
    }
}

async fn command<N: Operations>(
    State(api): State<Api<N>>,
    Extension(seat): Extension<Arc<Seat>>,
    request: Request,
) -> Result<Done, Fault> {
    let (head, content) = request.into_parts();
    let command = body::command(&head.headers, content, api.options.patience).await?;
    Ok(api.carry_out(&seat, command).await?.into())
}

async fn status<N: Operations>(
    State(api): State<Api<N>>,
    Extension(seat): Extension<Arc<Seat>>,
) -> Result<Done, Fault> {
    Ok(api.carry_out(&seat, Command::Status).await?.into())
}

// Health is told however much else is under way.

async fn live() -> Done {
    Done::saying("crowd is up")
}

async fn ready<N: Operations>(State(api): State<Api<N>>) -> Result<Done, Fault> {
    match (api.options.ready)() {
        Ok(()) => Ok(Done::saying("ready")),
        Err(reason) => Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", reason)),
    }
}

async fn wrong_method(method: Method, uri: Uri) -> Fault {
    Fault::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong-method",
        format!("`{}` does not take {method}; there are: {}", uri.path(), PATHS.join(", ")),
    )
    .with_paths(PATHS)
}

async fn unknown(uri: Uri) -> Fault {
    let path = printable::line(uri.path(), printable::WORD);
    Fault::new(
        StatusCode::NOT_FOUND,
        "no-such-path",
        format!("there is no `{path}`; there are: {}", PATHS.join(", ")),
    )
    .with_paths(PATHS)
}
