//! The context of the request that a task works on, as a value of the task. Tasks that it starts do
//! not inherit it: wrap them in [`scope`].

use std::future::Future;

use super::context::TraceContext;

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// Returns the context that this task works in; `None` outside of a request.
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Runs a future in this context.
pub async fn scope<F: Future>(context: TraceContext, future: F) -> F::Output {
    CURRENT.scope(context, future).await
}
