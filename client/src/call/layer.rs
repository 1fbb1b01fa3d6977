//! The circuit breaker as a layer, for tower services of any kind: databases, queues, clients that
//! are not ours.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower::{Layer, Service};

use super::breaker::{Breaker, NotPermitted, Outcome};

/// Why a guarded service has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Guarded<R, E> {
    /// The circuit is open: the service was not asked.
    #[error(transparent)]
    Refused(R),
    /// The service's own error.
    #[error(transparent)]
    Failed(E),
}

/// Puts a circuit in front of services. What an answer means is said by `judge`.
#[derive(Clone, Debug)]
pub struct BreakerLayer<J> {
    breaker: Breaker,
    judge: J,
}

impl<J> BreakerLayer<J> {
    /// Returns a layer with this circuit. All services that it makes share it.
    pub fn new(breaker: Breaker, judge: J) -> Self {
        Self { breaker, judge }
    }
}

impl<S, J: Clone> Layer<S> for BreakerLayer<J> {
    type Service = WithBreaker<S, J>;

    fn layer(&self, inner: S) -> WithBreaker<S, J> {
        WithBreaker {
            inner,
            breaker: self.breaker.clone(),
            judge: self.judge.clone(),
        }
    }
}

/// A service behind a circuit.
#[derive(Clone, Debug)]
pub struct WithBreaker<S, J> {
    inner: S,
    breaker: Breaker,
    judge: J,
}

/// The answer of a guarded service, on its way.
type Answer<T, E> = Pin<Box<dyn Future<Output = Result<T, Guarded<NotPermitted, E>>> + Send>>;

impl<S, Q, J> Service<Q> for WithBreaker<S, J>
where
    S: Service<Q>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
    S::Error: Send + 'static,
    J: Fn(&Result<S::Response, S::Error>) -> Outcome + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = Guarded<NotPermitted, S::Error>;
    type Future = Answer<S::Response, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(Guarded::Failed)
    }

    fn call(&mut self, request: Q) -> Self::Future {
        let permit = match self.breaker.admit() {
            Ok(permit) => permit,
            Err(refused) => return Box::pin(std::future::ready(Err(Guarded::Refused(refused)))),
        };
        let (answer, judge) = (self.inner.call(request), self.judge.clone());
        Box::pin(async move {
            // One that is dropped before it is answered does not count.
            let answer = answer.await;
            permit.end(judge(&answer));
            answer.map_err(Guarded::Failed)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::call::breaker::{BreakerSettings, BreakerState};
    use crate::clock::ManualClock;

    #[tokio::test]
    async fn a_service_behind_a_circuit_is_not_asked_when_it_is_open() {
        let settings = BreakerSettings {
            minimum_calls: 2,
            ..BreakerSettings::hystrix()
        };
        let breaker = Breaker::new("db", settings, Arc::new(ManualClock::new(0)));
        let judge = |answer: &Result<u32, std::num::ParseIntError>| match answer {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Failure,
        };
        let parse = service_fn(|text: &'static str| async move { text.parse::<u32>() });
        let service = BreakerLayer::new(breaker.clone(), judge).layer(parse);
        assert_eq!(service.clone().oneshot("7").await.unwrap(), 7);
        let failed = service.clone().oneshot("x").await.unwrap_err();
        assert!(matches!(failed, Guarded::Failed(_)), "{failed}");
        assert_eq!(breaker.state(), BreakerState::Open);
        let refused = service.oneshot("7").await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "circuit breaker db is open and permits no call"
        );
    }
}
