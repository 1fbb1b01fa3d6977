//! One call: what is asked, and the way through breaker, bulkhead and tries to an answer.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use super::CallError;
use super::balance;
use super::breaker::Outcome;
use super::instance::Instance;
use super::operation::{Operation, outcome_index};
use super::retry;
use super::service::ServiceClient;
use crate::http::escape;
use crate::trace::{TraceContext, current};

/// A call that is being made up.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before an answer is asked for"]
pub struct Call {
    pub(super) client: ServiceClient,
    pub(super) method: Method,
    template: &'static str,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    parent: Option<TraceContext>,
    repeatable: bool,
    wrong: Option<String>,
}

impl Call {
    pub(super) fn new(client: ServiceClient, method: Method, template: &'static str) -> Self {
        let all = client.0.settings.retry.all_methods;
        Self {
            repeatable: all || retry::is_repeatable(&method),
            client,
            method,
            template,
            path: template.to_owned(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            parent: None,
            wrong: None,
        }
    }

    /// Fills in a part of the template: `{name}`.
    #[expect(clippy::needless_pass_by_value, reason = "callers write 7, not &7")]
    pub fn path(mut self, name: &str, value: impl ToString) -> Self {
        let part = format!("{{{name}}}");
        if self.path.contains(&part) {
            self.path = self.path.replacen(&part, &escape(&value.to_string()), 1);
        } else {
            let template = self.template;
            self.wrong
                .get_or_insert_with(|| format!("{template} has no part {part}"));
        }
        self
    }

    /// Adds a parameter.
    #[expect(clippy::needless_pass_by_value, reason = "callers write 7, not &7")]
    pub fn query(mut self, name: &str, value: impl ToString) -> Self {
        let mut query = form_urlencoded::Serializer::new(std::mem::take(&mut self.query));
        query.append_pair(name, &value.to_string());
        self.query = query.finish();
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sends a body.
    pub fn body(mut self, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        self.headers.insert(CONTENT_TYPE, content_type);
        self.body = body.into();
        self
    }

    /// Sends a value as JSON.
    pub fn json_body(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.body(HeaderValue::from_static("application/json"), body),
            Err(error) => {
                self.wrong.get_or_insert_with(|| error.to_string());
                self
            }
        }
    }

    /// Says whose call this is, when that is not the task's current context.
    pub fn within(mut self, parent: &TraceContext) -> Self {
        self.parent = Some(parent.clone());
        self
    }

    /// Says that doing it twice is the same as doing it once, whatever its method.
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Makes the call, and returns an answer of 2xx with its body.
    pub async fn send(self) -> Result<Response<Bytes>, CallError> {
        let operation = self.client.0.operations.of(&self.method, self.template);
        self.send_as(&operation).await
    }

    /// Makes the call and reads the answer as JSON.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, CallError> {
        let answer = self.accept("application/json").send().await?;
        read_json(&answer)
    }

    /// Makes the call and reads the answer as text.
    pub async fn text(self) -> Result<String, CallError> {
        let answer = self.accept("text/plain, */*").send().await?;
        Ok(String::from_utf8_lossy(answer.body()).into_owned())
    }

    /// Does so, and answers by itself when the call fails, for whatever reason.
    pub async fn json_or<T, F>(self, fallback: F) -> T
    where
        T: DeserializeOwned,
        F: FnOnce(&CallError) -> T,
    {
        let operation = self.client.0.operations.of(&self.method, self.template);
        let answer = self.accept("application/json").send_as(&operation).await;
        fall_back(
            &operation,
            answer.and_then(|answer| read_json(&answer)),
            fallback,
        )
    }

    /// Does so with a text.
    pub async fn text_or(self, fallback: impl FnOnce(&CallError) -> String) -> String {
        let operation = self.client.0.operations.of(&self.method, self.template);
        let answer = self.accept("text/plain, */*").send_as(&operation).await;
        let text = answer.map(|answer| String::from_utf8_lossy(answer.body()).into_owned());
        fall_back(&operation, text, fallback)
    }

    fn accept(mut self, what: &'static str) -> Self {
        let entry = self.headers.entry(ACCEPT);
        entry.or_insert(HeaderValue::from_static(what));
        self
    }

    async fn send_as(mut self, operation: &Operation) -> Result<Response<Bytes>, CallError> {
        let inner = Arc::clone(&self.client.0);
        let begun = inner.clock.elapsed();
        self.parent = self.parent.or_else(current);
        let answer = self.guarded(operation).await;
        let took = inner.clock.elapsed().saturating_sub(begun);
        operation.timings[outcome_index(&answer)].record(took);
        answer
    }

    /// The way through breaker, time limit and bulkhead. The bulkhead's refusals and what runs into
    /// the limit count for the breaker, as Hystrix has it; calls that nobody waits for do not.
    async fn guarded(&self, operation: &Operation) -> Result<Response<Bytes>, CallError> {
        if let Some(wrong) = &self.wrong {
            return Err(CallError::Request(wrong.clone()));
        }
        // Values are escaped, so this is a part of the template.
        if self.path.contains('{') {
            return Err(CallError::Request(format!(
                "{} is not filled in",
                self.path
            )));
        }
        let permit = match &operation.breaker {
            Some(breaker) => Some(breaker.admit()?),
            None => None,
        };
        let limit = self.client.0.settings.time_limit;
        let slow = |_| Err(CallError::TooSlow(self.client.name().to_owned(), limit));
        let answer = timeout(limit, self.placed(operation)).await;
        let answer = answer.unwrap_or_else(slow);
        if let Some(permit) = permit {
            permit.end(outcome(&answer));
        }
        answer
    }

    async fn placed(&self, operation: &Operation) -> Result<Response<Bytes>, CallError> {
        let _place = match &self.client.0.bulkhead {
            Some(bulkhead) => Some(bulkhead.admit().await?),
            None => None,
        };
        self.tried(operation).await
    }

    async fn tried(&self, operation: &Operation) -> Result<Response<Bytes>, CallError> {
        let inner = &self.client.0;
        let settings = &inner.settings.retry;
        inner.budget.earn();
        let mut tried: Vec<Arc<Instance>> = Vec::new();
        let mut of_this_server = 0;
        let mut retries = 0;
        loop {
            let instance = match tried.last() {
                Some(last) if of_this_server <= settings.same_server => Arc::clone(last),
                _ => {
                    of_this_server = 0;
                    let instance = self.choose(&tried)?;
                    tried.push(Arc::clone(&instance));
                    instance
                }
            };
            let answer = self.attempt(&instance, self.parent.as_ref()).await;
            of_this_server += 1;
            let again = retries + 1 < settings.attempts_max()
                && self.is_worth_another_try(&answer)
                && inner.budget.spend();
            if !again {
                return answer;
            }
            Operation::count(&operation.retries);
            let wait = retry::wait(settings, retries);
            if !wait.is_zero() {
                sleep(wait).await;
            }
            retries += 1;
        }
    }

    fn choose(&self, tried: &[Arc<Instance>]) -> Result<Arc<Instance>, CallError> {
        let inner = &self.client.0;
        let instances = inner.instances.of(&inner.key);
        let now = inner.clock.elapsed();
        let chosen = balance::choose(&*inner.balance, &instances, tried, now);
        chosen
            .cloned()
            .ok_or_else(|| CallError::NoInstance(inner.name.to_string()))
    }

    /// What did not leave may always be sent again.
    fn is_worth_another_try(&self, answer: &Result<Response<Bytes>, CallError>) -> bool {
        let statuses = &self.client.0.settings.retry.statuses;
        match answer {
            Err(CallError::Unreachable(..)) => true,
            Err(CallError::Broken(..) | CallError::TooSlow(..)) => self.repeatable,
            Err(CallError::Status { status, .. }) => self.repeatable && statuses.contains(status),
            _ => false,
        }
    }
}

/// Returns what an answer says about the other side: who answers that a request is wrong is well.
fn outcome(answer: &Result<Response<Bytes>, CallError>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Success,
        Err(CallError::Status { status, .. }) => {
            let busy = *status == StatusCode::TOO_MANY_REQUESTS;
            if status.is_server_error() || busy {
                Outcome::Failure
            } else {
                Outcome::Success
            }
        }
        Err(CallError::Request(_) | CallError::TooLarge(_)) => Outcome::Ignored,
        Err(_) => Outcome::Failure,
    }
}

fn fall_back<T>(
    operation: &Operation,
    answer: Result<T, CallError>,
    fallback: impl FnOnce(&CallError) -> T,
) -> T {
    answer.unwrap_or_else(|error| {
        Operation::count(&operation.fallbacks);
        tracing::debug!(error = %error, "fallback");
        fallback(&error)
    })
}

fn read_json<T: DeserializeOwned>(answer: &Response<Bytes>) -> Result<T, CallError> {
    serde_json::from_slice(answer.body()).map_err(|error| CallError::Unreadable(error.to_string()))
}
