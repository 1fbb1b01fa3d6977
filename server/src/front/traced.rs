//! The step between a connection and its service that traces requests, when that is on.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;

use http::Request;
use hyper::body::Incoming;

use super::reply::Reply;
use super::service::Service;
use super::shard::Door;

impl Service {
    /// Answers a request and traces it, if it is to be.
    pub(crate) async fn answer_traced(
        self: Rc<Self>,
        (peer, door): (Option<SocketAddr>, Door),
        request: Request<Incoming>,
    ) -> Result<Reply, Infallible> {
        let Some(recorder) = self.recorder.clone() else {
            return self.answer(door, request).await;
        };
        // In a box, so that connections do not grow by what most of them never use.
        Box::pin(recorder.record((peer, request), |request| self.answer(door, request))).await
    }
}
